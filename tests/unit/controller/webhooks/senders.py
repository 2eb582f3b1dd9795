"""Senders of webhooks, written from their documentation and without the code under test.

Each signs a body as its namesake does, with an HMAC of its own making.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from holdfast.controller.webhooks import GitHub, Hmac, Slack, StandardWebhooks, Stripe

NOW = 1_800_000_000
BLOCKS = {"sha1": 64, "sha256": 64, "sha384": 128, "sha512": 128}

SECRETS = {
    "HOOK_GITHUB": "It's a Secret to Everybody",
    "HOOK_GITHUB_OLD": "the one before",
    "HOOK_STRIPE": "whsec_not_base64_for_them",
    "HOOK_SLACK": "8f742231b10e8888abcd99yyyzzz85a5",
    "HOOK_STANDARD": "whsec_" + base64.b64encode(b"twenty-four bytes of key").decode(),
    "HOOK_SHOP": "shop secret",
}


def now(offset: float = 0) -> datetime:
    """Return the time at which deliveries are checked."""
    return datetime.fromtimestamp(NOW + offset, UTC)


def mac(key: bytes, content: bytes, algorithm: str = "sha256") -> bytes:
    """Return an HMAC, put together by hand (RFC 2104)."""
    block = BLOCKS[algorithm]
    if len(key) > block:
        key = hashlib.new(algorithm, key).digest()
    key = key.ljust(block, b"\0")
    inner = hashlib.new(algorithm, bytes(each ^ 0x36 for each in key) + content).digest()
    return hashlib.new(algorithm, bytes(each ^ 0x5C for each in key) + inner).digest()


def github(body: bytes, *, secret: str = SECRETS["HOOK_GITHUB"], delivery: str = "d-1", **_) -> dict[str, str]:
    """Sign as GitHub does."""
    signature = "sha256=" + mac(secret.encode(), body).hex()
    return {"X-Hub-Signature-256": signature, "X-GitHub-Delivery": delivery, "X-GitHub-Event": "push"}


def stripe(body: bytes, *, secret: str = SECRETS["HOOK_STRIPE"], at: int = NOW, **_) -> dict[str, str]:
    """Sign as Stripe does."""
    return {"Stripe-Signature": f"t={at},v0=6ffb,v1={mac(secret.encode(), f'{at}.'.encode() + body).hex()}"}


def slack(body: bytes, *, secret: str = SECRETS["HOOK_SLACK"], at: int = NOW, **_) -> dict[str, str]:
    """Sign as Slack does."""
    signature = "v0=" + mac(secret.encode(), b"v0:%d:%s" % (at, body)).hex()
    return {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": signature}


def standard(
    body: bytes, *, secret: str = SECRETS["HOOK_STANDARD"], at: int = NOW, delivery: str = "d-1", **_
) -> dict[str, str]:
    """Sign as the Standard Webhooks specification says."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(mac(key, f"{delivery}.{at}.".encode() + body)).decode()
    return {"webhook-id": delivery, "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}


def shop(
    body: bytes, *, secret: str = SECRETS["HOOK_SHOP"], at: int = NOW, delivery: str = "d-1", **_
) -> dict[str, str]:
    """Sign as a shop does that made up its own."""
    signature = base64.b64encode(mac(secret.encode(), f"{delivery}/{at}:".encode() + body, "sha512")).decode()
    return {"X-Shop-Sign": f"v2 {signature}", "X-Shop-Time": str(at), "X-Shop-Id": delivery, "X-Shop-Topic": "paid"}


def plain(body: bytes, *, secret: str = SECRETS["HOOK_SHOP"], **_) -> dict[str, str]:
    """Sign the body and nothing else."""
    return {"X-Sign": mac(secret.encode(), body, "sha1").hex()}


class Sender(NamedTuple):
    """Who signs, and who checks it."""

    sign: Callable[..., dict[str, str]]
    verifier: GitHub | Stripe | Slack | StandardWebhooks | Hmac
    header: str
    """The one with the signature."""
    has_time: bool
    has_id: bool


SENDERS = {
    "github": Sender(github, GitHub("env:HOOK_GITHUB"), "X-Hub-Signature-256", has_time=False, has_id=True),
    "stripe": Sender(stripe, Stripe("env:HOOK_STRIPE"), "Stripe-Signature", has_time=True, has_id=False),
    "slack": Sender(slack, Slack("env:HOOK_SLACK"), "X-Slack-Signature", has_time=True, has_id=False),
    "standard": Sender(
        standard, StandardWebhooks("env:HOOK_STANDARD"), "webhook-signature", has_time=True, has_id=True
    ),
    "shop": Sender(
        shop,
        Hmac(
            "env:HOOK_SHOP",
            header="X-Shop-Sign",
            prefix="v2 ",
            encoding="base64",
            algorithm="sha512",
            signed="{id}/{timestamp}:{body}",
            timestamp_header="X-Shop-Time",
            id_header="X-Shop-Id",
            event_header="X-Shop-Topic",
        ),
        "X-Shop-Sign",
        has_time=True,
        has_id=True,
    ),
    "plain": Sender(
        plain, Hmac("env:HOOK_SHOP", header="X-Sign", algorithm="sha1"), "X-Sign", has_time=False, has_id=False
    ),
}
