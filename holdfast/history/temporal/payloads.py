"""Temporal's payloads, as JSON text and back.

Owns: which encodings can be read, and what a list of arguments becomes.
Must not know: events.

A payload stands in a file as `{"metadata": {"encoding": ...}, "data": ...}`, both in base64; or, in exports that were
decoded for people, with its value in the place of `data`, or as nothing but its value.

Holdfast's payload rule knows parameters by name, and Temporal's payloads are a list. No argument is `null`, one stands
for itself, several are an array; whoever knows the signature gives them their names (`holdfast.replay`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from holdfast.errors import HistoryError

NULL: Final = b"null"
_JSON: Final = ("json/plain", "json/protobuf")
_NULL_ENCODING: Final = "binary/null"
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


def read_arguments(value: Any, where: str) -> bytes:
    """Return a list of payloads as one JSON text: null, the only one, or an array.

    Args:
        value: what the file has: `{"payloads": [...]}`, or a list.
        where: the event, for errors.

    Raises:
        HistoryError: one of them cannot be read.
    """
    payloads = _listed(value, where)
    match payloads:
        case []:
            return NULL
        case [only]:
            return read_payload(only, where)
        case _:
            return b"[" + b",".join(read_payload(each, where) for each in payloads) + b"]"


def read_payload(value: Any, where: str) -> bytes:
    """Return one payload as JSON text.

    Raises:
        HistoryError: it is encrypted, or no JSON.
    """
    encoding = _encoding_of(value)
    if encoding is None:  # decoded for people: nothing but the value
        return _text_of(value, where)
    data = value.get("data")
    if encoding == _NULL_ENCODING:
        return NULL
    if encoding in _JSON:
        if isinstance(data, str) and not _is_decoded(value["metadata"]):
            content = _from_base64(data)
            if content is not None and (text := _canonical(content)) is not None:
                return text
        elif data is None:
            raise HistoryError(f"a payload in {encoding} has no data", where)
        return _text_of(data, where)
    if encoding == "binary/plain":
        return _text_of(data if data is not None else "", where)  # JSON has no bytes: their base64 is a text
    raise HistoryError(
        f"a payload is encoded as {encoding[:60]!r}: decode the history with your codec before you export it", where
    )


def write_arguments(text: bytes) -> dict[str, Any]:
    """Return JSON text as a list of payloads: the only one, or none at all for null."""
    return {"payloads": [write_payload(text)]} if text != NULL else {}


def write_result(text: bytes) -> dict[str, Any]:
    """Return JSON text as a result, which has exactly one payload also when it is null."""
    return {"payloads": [write_payload(text)]}


def write_payload(text: bytes) -> dict[str, Any]:
    """Return JSON text as one payload."""
    if text == NULL:
        return {"metadata": {"encoding": _base64(_NULL_ENCODING.encode())}}
    return {"metadata": {"encoding": _base64(b"json/plain")}, "data": _base64(text)}


def _listed(value: Any, where: str) -> list[Any]:
    if isinstance(value, Mapping) and "payloads" in value:
        value = value["payloads"]
    if value is None or value == {}:
        return []
    if not isinstance(value, list):
        raise HistoryError("payloads are not a list", where)
    return value


def _encoding_of(value: Any) -> str | None:
    """Return the encoding a payload names, None when it is no payload but a bare value."""
    if not isinstance(value, Mapping) or not isinstance(value.get("metadata"), Mapping):
        return None
    encoding = value["metadata"].get("encoding")
    if not isinstance(encoding, str) or not set(value) <= {"metadata", "data", "externalPayloads"}:
        return None
    if "/" in encoding and encoding.partition("/")[0] in {"json", "binary"}:
        return encoding  # decoded for people
    content = _from_base64(encoding)
    return content.decode("utf-8", "replace") if content is not None else encoding


def _is_decoded(metadata: Mapping[str, Any]) -> bool:
    return "encodingDecoded" in metadata or "/" in str(metadata.get("encoding"))


def _canonical(content: bytes) -> bytes | None:
    """Return `content` when it is JSON text, without spaces; None when it is none."""
    try:
        value = _decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return content if b" " not in content and b"\n" not in content else _encode(value)


def _text_of(value: Any, where: str) -> bytes:
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise HistoryError(f"a payload is no JSON: {str(error) or type(error).__name__}", where) from None


def _from_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
