"""Values of declared types that msgspec knows: containers of scalars, dates, enums, dataclasses, TypedDicts, Structs.

Owns: their codec.
Must not know: signatures, pydantic's own types (it asks `models.py` for what msgspec does not know).

Theory of operation
===================

What was encoded is decoded again, as its declared type, and compared with the value. That one step in C proves that
the value is of its declared type and that nothing in it changed on the way (NaN, which msgspec writes as null). What is
not equal - a tuple for a list, a NaN, a Struct without equality - is written once more with care, in Python, and has to
decode again.
"""

from __future__ import annotations

import inspect
import typing
from typing import Any

import msgspec

from holdfast.authoring.annotations import Survey
from holdfast.authoring.codec import (
    DECODE_FAILURES,
    PAYLOAD_BYTES_MAX,
    Mode,
    Schema,
    ValueCodec,
    decode_json,
    describe_annotation,
    describe_decode_failure,
    describe_type,
    refuse_size,
)
from holdfast.authoring.plain import encode_plain, to_plain
from holdfast.authoring.pointers import pointer_of_msgspec
from holdfast.errors import EncodeError, InputError

Problems = tuple[tuple[str, str], ...]


class TypedCodec:
    """Codec of values whose declared type msgspec knows."""

    __slots__ = ("_annotation", "_decode", "_encode", "_kind", "_sets", "_what")

    def __init__(self, annotation: Any, what: str, found: Survey) -> None:
        """Make the codec; raises TypeError where msgspec does not know the type after all."""
        self._annotation = annotation
        self._what = what
        self._sets = found.sets
        self._kind = _class_of_values(annotation)
        self._encode = msgspec.json.Encoder(enc_hook=lambda value: to_plain(value, what)).encode
        self._decode = msgspec.json.Decoder(annotation, dec_hook=None if found.native else _decode_foreign).decode

    def encode(self, value: Any) -> bytes:
        """Return `value` as JSON text; raises EncodeError, PayloadTooLargeError."""
        if self._kind is not None and not isinstance(value, self._kind):
            self._refuse(describe_type(value))
        payload = b""
        try:
            payload = self._encode(value)
            same = not self._sets and self._decode(payload) == value
        except Exception:  # noqa: BLE001 - values' own methods may raise anything; the careful way finds out
            same = False
        if not same:
            payload = self._encode_with_care(value)
        return payload if len(payload) <= PAYLOAD_BYTES_MAX else refuse_size(self._what, payload)

    def decode(self, payload: bytes) -> Any:
        """Return the value of JSON text; raises InputError."""
        try:
            return self._decode(payload)
        except DECODE_FAILURES as error:
            raise InputError(self._what, self._problems(payload, error)) from None

    def schema(self, mode: Mode) -> Schema:
        """Return the JSON Schema of the type."""
        from holdfast.authoring.schemas import collect

        (schema,), definitions = msgspec.json.schema_components(
            (self._annotation,), schema_hook=lambda kind: _foreign_schema(kind, mode), ref_template="#/$defs/{name}"
        )
        return collect(schema, definitions)

    def _encode_with_care(self, value: Any) -> bytes:
        payload = encode_plain(value, self._what)
        try:
            self._decode(payload)
        except DECODE_FAILURES as error:
            place = pointer_of_msgspec(str(error))
            found = f"{describe_type(value)}: {describe_decode_failure(error)}" + (f" at {place}" if place else "")
            self._refuse(found)
        return payload

    def _refuse(self, found: str) -> None:
        raise EncodeError(self._what, found, describe_annotation(self._annotation))

    def _problems(self, payload: bytes, error: BaseException) -> Problems:
        place = pointer_of_msgspec(str(error))
        first = ((place, describe_decode_failure(error)),)
        try:
            document = decode_json(payload)
        except DECODE_FAILURES:
            return first  # not JSON at all
        from holdfast.authoring.models import all_problems

        # msgspec stops at the first problem; pydantic finds them all.
        found = all_problems(self._annotation, payload, document)
        if not found or not ("*" in place or any(at == place for at, _ in found)):
            found += first  # it knows limits that pydantic does not, such as msgspec.Meta
        return found


def typed_codec(annotation: Any, what: str, found: Survey) -> ValueCodec | None:
    """Return the codec of `annotation`, or None when msgspec does not know the type after all."""
    try:
        return TypedCodec(annotation, what, found)
    except (TypeError, NameError):  # such as a union of two dataclasses
        return None


def _class_of_values(annotation: Any) -> type | None:
    """Return the class that every value of this type is an instance of, where the type is as definite as that."""
    if typing.is_typeddict(annotation) or not isinstance(annotation, type) or typing.get_args(annotation):
        return None  # a container may be any that reads back as the declared one, such as a tuple for a list
    return None if annotation in {list, tuple, dict, set, frozenset} or inspect.isabstract(annotation) else annotation


def _decode_foreign(kind: Any, plain: Any) -> Any:
    from holdfast.authoring.adapters import validate_plain

    return validate_plain(kind, plain)


def _foreign_schema(kind: Any, mode: Mode) -> Schema:
    from holdfast.authoring.models import ModelCodec

    return ModelCodec(kind, "").schema(mode)
