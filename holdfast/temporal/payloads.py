"""JSON text as Temporal's payloads, and back.

Owns: which of Temporal's encodings stands for which text.
Must not know: what a payload is about.

No argument is `null`, one stands for itself, several are an array: as `holdfast.history.temporal.payloads` has them in
files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.common import RawValue

from holdfast.errors import EncryptionError, InputError
from holdfast.history import key_id_of
from holdfast.history.temporal import SEALED

NULL: Final = b"null"
_JSON: Final = (b"json/plain", b"json/protobuf")
_NULL_ENCODING: Final = b"binary/null"
_SEALED: Final = SEALED.encode()

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


def write_payload(text: bytes) -> Payload:
    """Return JSON text as a payload."""
    if text == NULL:
        return Payload(metadata={"encoding": _NULL_ENCODING})
    return Payload(metadata={"encoding": b"json/plain"}, data=text)


def write_payloads(text: bytes) -> Payloads:
    """Return JSON text as the arguments of a call: none at all for null."""
    return Payloads(payloads=[] if text == NULL else [write_payload(text)])


def raw(text: bytes) -> RawValue:
    """Return JSON text as a value that Temporal's SDK hands on as it is."""
    return RawValue(write_payload(text))


NOTHING: Final = raw(NULL)
"""An argument that was not given."""


def raw_arguments(text: bytes) -> list[RawValue]:
    """Return JSON text as the arguments of a call: none at all for null."""
    return [] if text == NULL else [raw(text)]


def read_payload(payload: Payload) -> bytes:
    """Return a payload as JSON text in the one form that a value has.

    Raises:
        InputError: it is no JSON.
        EncryptionError: it is still encrypted.
    """
    encoding = payload.metadata.get("encoding", b"")
    if encoding == _NULL_ENCODING:
        return NULL
    if encoding == _SEALED:
        raise EncryptionError("a payload on Temporal", key_id_of(payload.data), "this process does not have that key")
    if encoding not in _JSON:
        raise InputError("a payload", (("", f"it is encoded as {encoding.decode('utf-8', 'replace')!r}, not as JSON"),))
    content = payload.data
    try:
        value = _decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError("a payload", (("", f"it is no JSON: {error}"),)) from None
    # Other SDKs write spaces, and what is no text of ours has another form of the same value.
    return content if b" " not in content and b"\n" not in content else _encode(value)


def read_arguments(values: Sequence[RawValue]) -> bytes:
    """Return the arguments of a call as one JSON text. Raises InputError."""
    match [read_payload(each.payload) for each in values]:
        case []:
            return NULL
        case [only]:
            return only
        case several:
            return b"[" + b",".join(several) + b"]"
