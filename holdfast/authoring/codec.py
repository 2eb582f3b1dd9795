"""How one value travels: the port of value codecs, and the codecs of scalars.

Owns: the limit on payloads, and the words in which a value is refused.
Must not know: other codecs (`choice.py` chooses one), signatures, tasks, workflows.

Theory of operation
===================

Payloads are JSON text. Three libraries' worth of types have to fit through, so there are four codecs:

- `ScalarCodec` for exactly `str`, `int`, `float`, `bool`, `None`: the hot path, nothing but a type check and msgspec.
- `PlainCodec` (`plain.py`) where there is no annotation: whatever JSON can say.
- `TypedCodec` (`typed.py`) for containers, dates, enums, dataclasses, TypedDicts and Structs, by msgspec.
- `ModelCodec` (`models.py`) for everything else, by pydantic; imported when the first one is needed.

All of them refuse what could not come back: a value of another type than declared, a number that is not
finite (msgspec and pydantic both write NaN as null), text that is not Unicode. A payload has one form: the same value
gives the same bytes in every process, or a replay would see another input.
"""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Callable
from inspect import isawaitable
from typing import Any, Final, Literal, NoReturn, Protocol, TypeAlias

import msgspec

from holdfast.errors import EncodeError, InputError, PayloadTooLargeError

PAYLOAD_BYTES_MAX: Final = 64 * 1024 * 1024
"""Default of the setting `payload_bytes_max`."""

Mode: TypeAlias = Literal["input", "output"]
Schema: TypeAlias = dict[str, Any]

DECODE_FAILURES: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on text that is not the JSON it expected."""

encode_json = msgspec.json.Encoder().encode
decode_json = msgspec.json.Decoder().decode


class ValueCodec(Protocol):
    """Turns values of one declared type into JSON text and back."""

    def encode(self, value: Any) -> bytes:
        """Return `value` as JSON text; raises EncodeError, PayloadTooLargeError."""

    def decode(self, payload: bytes) -> Any:
        """Return the value of JSON text; raises InputError."""

    def schema(self, mode: Mode) -> Schema:
        """Return the JSON Schema (2020-12) of what `decode` takes or `encode` gives."""


class ScalarCodec:
    """Codec of exactly one of `str`, `int`, `float`, `bool`, `None`."""

    __slots__ = ("_decode", "_kind", "_what")

    def __init__(self, kind: type, what: str) -> None:
        self._kind = kind
        self._what = what
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(kind).decode

    def encode(self, value: Any) -> bytes:
        """Return `value` as JSON text; raises EncodeError, PayloadTooLargeError."""
        if type(value) is not self._kind:
            value = self._exact(value)
        if self._kind is float and not math.isfinite(value):
            raise EncodeError(self._what, f"{value!r} is not a finite number")
        try:
            payload = encode_json(value)
        except ValueError as error:  # a lone surrogate, or an integer of thousands of digits
            raise EncodeError(self._what, str(error)) from None
        return payload if len(payload) <= PAYLOAD_BYTES_MAX else refuse_size(self._what, payload)

    def decode(self, payload: bytes) -> Any:
        """Return the value of JSON text; raises InputError."""
        try:
            return self._decode(payload)
        except DECODE_FAILURES as error:
            raise InputError(self._what, (("", describe_decode_failure(error)),)) from None

    def schema(self, mode: Mode) -> Schema:  # noqa: ARG002 - the same both ways
        """Return the JSON Schema of the scalar."""
        return msgspec.json.schema(self._kind)

    def _exact(self, value: Any) -> Any:
        """Return `value` as exactly the declared type, where it is one in Python's own sense (an int for a float)."""
        kind = self._kind
        try:
            if kind is str and isinstance(value, str):
                return str.__str__(value)
            if kind is int and isinstance(value, numbers.Integral):
                return operator.index(value)
            if kind is float and isinstance(value, numbers.Real) and not isinstance(value, bool):
                return float(value)
        except OverflowError as error:
            raise EncodeError(self._what, str(error)) from None
        return refuse_type(self._what, "None" if kind is type(None) else kind.__name__, value)


SCALARS: Final = (str, int, float, bool, type(None))


def refuse_size(what: str, payload: bytes) -> NoReturn:
    """Raise PayloadTooLargeError for `payload`."""
    raise PayloadTooLargeError(what, len(payload), PAYLOAD_BYTES_MAX)


def refuse_type(what: str, expected: str, value: Any) -> NoReturn:
    """Raise EncodeError for a value of another type than declared."""
    raise EncodeError(what, describe_type(value), expected)


def describe_type(value: Any) -> str:
    """Return the type of `value` in words: `dict`, `None`, `bot.Report`."""
    kind = type(value)
    if value is None:
        return "None"
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{name} (not awaited: is an `await` missing?)" if isawaitable(value) else name


def describe_annotation(annotation: Any) -> str:
    """Return a type in words: `Report`, `list[str]`, `None`."""
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, type) and not hasattr(annotation, "__args__"):
        return annotation.__qualname__
    return str(annotation).replace("typing.", "")


def describe_decode_failure(error: BaseException) -> str:
    """Return what is wrong with a JSON text, in words."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return str(error).split(" - at `$", maxsplit=1)[0]
