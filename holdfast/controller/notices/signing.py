"""Signatures of notices, as Standard Webhooks has them.

Owns: secrets as they are written down, and the three headers.
Must not know: what is signed.

Source: the specification at https://www.standardwebhooks.com
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final

from holdfast.errors import SettingsError

SECRET_NAME: Final = "notices"  # noqa: S105 - a name, not a secret
"""Under which name the store keeps the secret that nobody has set."""
SECRET_BYTES: Final = 32
SECRET_BYTES_MIN: Final = 24
PREFIX: Final = "whsec_"


def write_secret(secret: bytes) -> str:
    """Return a secret as receivers are given it."""
    return PREFIX + base64.b64encode(secret).decode("ascii")


def read_secret(text: str, source: str) -> bytes:
    """Return a secret that was written down.

    Args:
        text: such as `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`.
        source: where it was found.

    Raises:
        SettingsError: it is none, or too short.
    """
    remedy = f"Use at least {SECRET_BYTES_MIN} random bytes in base64 behind {PREFIX!r}: holdfast notices secret --new"
    try:
        secret = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SettingsError(f"what {source} leads to is no secret in base64", remedy) from None
    if len(secret) < SECRET_BYTES_MIN:
        raise SettingsError(f"the secret that {source} leads to has only {len(secret)} bytes", remedy)
    return secret


def sign(secret: bytes, notice: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that prove where a notice comes from.

    Args:
        secret: what both sides know.
        notice: names it, the same with every try.
        timestamp: seconds since the epoch at which it is sent.
        body: what is sent, to the byte.
    """
    signed = f"{notice}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(secret, signed, "sha256")).decode("ascii")
    return {"webhook-id": notice, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}
