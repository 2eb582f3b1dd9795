"""Payloads on Temporal that are encrypted with a store's keys.

Owns: what an encrypted payload is there, and how a file with such payloads is read.
Must not know: events, ciphers, Temporal's SDK.

A payload is encrypted with its metadata, as one body. What Temporal sees is `binary/holdfast-encrypted`, the id of the
key, and bytes. Whoever encodes the attributes of failures, as we do then, has their message and traceback in one more
payload.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from holdfast.errors import EncryptionError, HistoryError
from holdfast.history.codec import NO_KEY, Codec, is_encrypted, key_id_of, place_of

SEALED: Final = "binary/holdfast-encrypted"
"""The encoding of an encrypted payload."""
KEY_ID: Final = "encryption-key-id"
"""The metadata of one that says which key it needs."""
PLACE: Final = place_of("payload on Temporal")
"""A payload goes from hand to hand there, so it is bound to no step."""

_SEALED_TEXT: Final = base64.b64encode(SEALED.encode())
_ATTRIBUTES: Final = "encodedAttributes"


def seal(metadata: Mapping[str, bytes], data: bytes, codec: Codec) -> bytes:
    """Return a payload as one encrypted body."""
    return codec.encrypt(msgspec.msgpack.encode((dict(metadata), data)), PLACE)


def unseal(content: bytes, codec: Codec | None) -> tuple[dict[str, bytes], bytes]:
    """Return metadata and data of an encrypted payload.

    Raises:
        EncryptionError: it cannot be decrypted with what `codec` knows.
    """
    if codec is None or not is_encrypted(content):
        raise EncryptionError("a payload on Temporal", key_id_of(content), NO_KEY if codec is None else "it is damaged")
    metadata, data = msgspec.msgpack.decode(codec.decrypt(content, PLACE), type=tuple[dict[str, bytes], bytes])
    return metadata, data


def opened(content: bytes, codec: Codec | None) -> bytes:
    """Return the JSON of a history with its payloads decrypted, and its failures' words where they belong.

    Raises:
        EncryptionError: a payload cannot be decrypted with what `codec` knows.
        HistoryError: a payload is damaged.
    """
    if _SEALED_TEXT not in content and _ATTRIBUTES.encode() not in content:
        return content
    try:
        file = msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return content  # whoever reads it says what is wrong with it
    waiting = [file]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting += each
        elif isinstance(each, dict):
            _open(each, codec)
            if isinstance(each.get(_ATTRIBUTES), dict):
                _reveal(each, each.pop(_ATTRIBUTES), codec)
            waiting += each.values()
    return msgspec.json.encode(file)


def _open(payload: dict[str, Any], codec: Codec | None) -> None:
    """Decrypt a payload, if it is an encrypted one."""
    metadata = payload.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("encoding") != _SEALED_TEXT.decode():
        return
    try:
        content = base64.b64decode(payload.get("data", ""), validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise HistoryError("an encrypted payload is damaged: its data is no base64") from None
    found, data = unseal(content, codec)
    payload["metadata"] = {name: _base64(value) for name, value in found.items()}
    payload["data"] = _base64(data)


def _reveal(failure: dict[str, Any], attributes: dict[str, Any], codec: Codec | None) -> None:
    _open(attributes, codec)
    try:
        said = msgspec.json.decode(base64.b64decode(attributes.get("data", "")), type=Attributes)
    except (msgspec.MsgspecError, binascii.Error, TypeError, ValueError):
        return  # somebody else's, and encoded in a way of their own
    failure["message"], failure["stackTrace"] = said.message, said.stack_trace


class Attributes(msgspec.Struct):
    """What a failure says, where it is encoded."""

    message: str = ""
    stack_trace: str = ""


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
