"""Tokens of callbacks: what an outside system has to show to answer a run, once.

Owns: how a token is made, signed and read.
Must not know: where the key is kept, how a token travels, what is done with an answer.

    token = base64url(JSON [execution, step, when it expires]) . base64url(HMAC-SHA256 of that under the store's key)

A token says by itself whom it is for, so nothing has to be stored for a callback that is never answered. It always says
which execution of the run, `ord-1@1`: a run that went on as a new one does not wait for what the one before asked. The
name under which a run waits is made from the signature: an answer to one execution is none to another.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Final

import msgspec

from holdfast.errors import CallbackError, CallbackGoneError

KEY_NAME: Final = "callbacks"
"""Under which name the store keeps the key."""
KEY_BYTES: Final = 32
TOKEN_CHARACTERS_MAX: Final = 2_000
PATH: Final = "/v1/callbacks/"

_NAME: Final = "callback "
_decode: Final = msgspec.json.Decoder(tuple[str, str, float]).decode


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Makes tokens and reads them, under one key."""

    key: bytes
    base_url: str = ""
    """Where the API is for outside systems, such as `https://flows.example.com`."""

    def sign(self, execution: str, step: str, expires_at: float) -> str:
        """Return the URL of a callback.

        Args:
            execution: whose it is, by its name with the number (`holdfast.ports.names`).
            step: the callback's.
            expires_at: in seconds since the epoch, 0 for never.
        """
        content = _encode64(msgspec.json.encode((execution, step, expires_at)))
        return f"{self.base_url}{PATH}{content}.{_encode64(self._signature(content))}"

    def read(self, token: str, now: float) -> tuple[str, int]:
        """Return the run that a token is for, and which execution of it, from 1.

        Args:
            token: as it came.
            now: seconds since the epoch.

        Raises:
            CallbackError: it was not made under this key.
            CallbackGoneError: it has expired.
        """
        content, _, signature = token.partition(".")
        if len(token) > TOKEN_CHARACTERS_MAX or not content.isascii() or not signature.isascii():
            raise CallbackError
        try:
            given = base64.urlsafe_b64decode(signature + "==")
        except (binascii.Error, ValueError):
            raise CallbackError from None
        if not hmac.compare_digest(given, self._signature(content)):
            raise CallbackError
        execution, _, expires_at = _decode(base64.urlsafe_b64decode(content + "=="))
        if expires_at and now >= expires_at:
            raise CallbackGoneError("it has expired")
        run_id, _, number = execution.rpartition("@")
        return (run_id, int(number)) if run_id and number.isdecimal() else (execution, 1)

    def _signature(self, content: str) -> bytes:
        return hmac.digest(self.key, content.encode(), "sha256")


def unsigned(execution: str, step: str, _: float) -> str:
    """Return what stands for a callback's URL where there is no key, as in a replay; nobody takes its token."""
    return f"{PATH}{_encode64(msgspec.json.encode((execution, step, 0.0)))}.unsigned"


def token_of(url: str) -> str:
    """Return the token that a callback's URL ends with."""
    return url.rpartition("/")[2]


def expiry_of(token: str) -> float:
    """Return when a token expires, in seconds since the epoch, whoever made it; 0 is never."""
    return _decode(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))[2]


def name_of(token: str) -> str:
    """Return the name of the message that answers a callback."""
    return f"{_NAME}{token.rpartition('.')[2][:22]}"


def is_answer(name: str) -> bool:
    """Say whether a message called `name` answers a callback."""
    return name.startswith(_NAME)


def _encode64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
