"""Values without a declared type: whatever JSON can say.

Owns: the codec of unannotated parameters, and the one JSON form of every value that has one.
Must not know: signatures, declared types.

Theory of operation
===================

Encoding is done by msgspec, which writes NaN as null, sets in the order of their hashes and tuples as lists, all
without a word. So a container's text is read back and compared: when it equals what was written, everything in it was
plain JSON (NaN is not equal to null, nor a set to a list). Both run in C; only what is not equal is walked in Python.
"""

from __future__ import annotations

import base64
import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from pathlib import PurePath
from typing import Any, Final

import msgspec

from holdfast.authoring.codec import (
    DECODE_FAILURES,
    PAYLOAD_BYTES_MAX,
    Mode,
    Schema,
    decode_json,
    describe_decode_failure,
    describe_type,
    encode_json,
    refuse_size,
)
from holdfast.authoring.pointers import pointer
from holdfast.errors import EncodeError, InputError

_EXACT: Final = frozenset({str, int, bool, type(None)})
"""Types whose values msgspec writes as they are, or refuses."""


class PlainCodec:
    """Codec of plain JSON values."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def encode(self, value: Any) -> bytes:
        """Return `value` as JSON text; raises EncodeError, PayloadTooLargeError."""
        try:
            payload = encode_json(value)
            if type(value) not in _EXACT and decode_json(payload) != value:
                payload = encode_plain(value, self._what)
        except Exception:  # noqa: BLE001 - a value's own __eq__ may raise anything; the walk finds out what it is
            payload = encode_plain(value, self._what)
        return payload if len(payload) <= PAYLOAD_BYTES_MAX else refuse_size(self._what, payload)

    def decode(self, payload: bytes) -> Any:
        """Return the value of JSON text; raises InputError."""
        try:
            return decode_json(payload)
        except DECODE_FAILURES as error:
            raise InputError(self._what, (("", describe_decode_failure(error)),)) from None

    def schema(self, mode: Mode) -> Schema:  # noqa: ARG002 - the same both ways
        """Return the schema that takes anything."""
        return {}


def encode_plain(value: Any, what: str) -> bytes:
    """Return `value` as JSON text, by way of `to_plain`; raises EncodeError."""
    try:
        return encode_json(to_plain(value, what))
    except RecursionError:
        raise EncodeError(what, "it is nested too deeply, or contains itself") from None
    except EncodeError:
        raise
    except Exception as error:  # noqa: BLE001 - values' own methods may raise anything
        raise EncodeError(what, f"{type(error).__name__}: {error}") from None


def to_plain(value: Any, what: str, at: str = "") -> Any:
    """Return the JSON value of anything that has one.

    Tuples become lists, sets become sorted lists, dates text, bytes base64, models and dataclasses objects.

    Raises:
        EncodeError: it has none; the error names the place by JSON pointer.
    """
    match value:
        case None | bool():
            return value
        case Enum():
            return to_plain(value.value, what, at)
        case str():
            return str.__str__(value)
        case numbers.Integral():
            return int(value)
        case float() | numbers.Real():
            return _finite(float(value), what, at)
        case Mapping():
            return _object(value, what, at)
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode("ascii")
        case AbstractSet():
            return sorted((to_plain(each, what, at) for each in value), key=encode_json)
        case PurePath():
            return str(value)
    return _composite(value, what, at)


def _composite(value: Any, what: str, at: str) -> Any:
    kind = type(value)
    if hasattr(kind, "__holdfast_json__"):
        return msgspec.Raw(value.__holdfast_json__())
    if isinstance(value, msgspec.Struct):
        return _struct(value, what, at)
    if hasattr(kind, "__pydantic_serializer__"):
        from holdfast.authoring.models import ModelCodec

        return msgspec.Raw(ModelCodec(kind, f"{what}{f' at {at}' if at else ''}").encode(value))
    if dataclasses.is_dataclass(value):
        fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        return _object(fields, what, at)
    if isinstance(value, Sequence):  # not text and not bytes: those were matched before
        return [to_plain(each, what, f"{at}/{index}") for index, each in enumerate(value)]
    try:
        return msgspec.to_builtins(value)  # dates and times, UUID, Decimal
    except TypeError:
        raise EncodeError(what, f"a value of type {describe_type(value)} at {at or '/'} has no JSON form") from None


def _struct(value: msgspec.Struct, what: str, at: str) -> Any:
    config = value.__struct_config__
    fields = {
        each.encode_name: to_plain(getattr(value, each.name), what, at + pointer(each.encode_name))
        for each in msgspec.structs.fields(value)
    }
    if config.array_like:
        return [*([config.tag] if config.tag is not None else []), *fields.values()]
    return fields if config.tag is None else {config.tag_field: config.tag, **fields}


def _object(value: Mapping[Any, Any], what: str, at: str) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, each in value.items():
        name = _key(key, what, at)
        if name in plain:
            raise EncodeError(what, f"two keys of the object at {at or '/'} are both written {name!r}")
        plain[name] = to_plain(each, what, at + pointer(name))
    return plain


def _key(key: Any, what: str, at: str) -> str:
    plain = to_plain(key, what, at)
    if isinstance(plain, str):
        return plain
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if plain is None:
        return "None"
    if isinstance(plain, int | float):
        return repr(plain)
    raise EncodeError(what, f"a key of type {describe_type(key)} at {at or '/'} has no JSON form")


def _finite(value: float, what: str, at: str) -> float:
    if not math.isfinite(value):
        raise EncodeError(what, f"{value!r} at {at or '/'} is not a finite number")
    return value
