"""Values of declared types that pydantic knows: its models, constrained and custom types, odd unions.

Owns: their codec, and every problem of a payload at once.
Must not know: signatures, which values are arguments and which are results.

pydantic is imported when the first such codec is made, never with this module's package.

Theory of operation
===================

A `TypeAdapter` does the work. Ours are the refusals, and the order of sets:

- `warnings="error"`, and what was written is read again: a value of another type than declared, or that breaks a
  constraint, is refused where it is written, not where somebody reads it.
- NaN and infinity are refused both ways, and so is anything msgspec does not accept as JSON (pydantic reads `NaN`,
  `1e999` and writes NaN as null).
- A `SecretStr`, which pydantic writes as asterisks, is refused.
- Sets are written sorted. Their order in memory differs between processes, and a payload has one form.

What stays pydantic's own: a union whose members look alike in JSON (`datetime | str`) comes back as the one it prefers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NoReturn

from holdfast.authoring.adapters import adapter_for
from holdfast.authoring.codec import (
    DECODE_FAILURES,
    PAYLOAD_BYTES_MAX,
    Mode,
    Schema,
    decode_json,
    describe_annotation,
    describe_decode_failure,
    describe_type,
    encode_json,
    refuse_size,
)
from holdfast.authoring.pointers import PROBLEMS_MAX, pointer_of_location
from holdfast.errors import DefinitionError, EncodeError, InputError

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails, SchemaSerializer

_MAY_HOLD_FLOATS: Final = frozenset({"any", "float", "complex", "custom-error", "is-instance", "json"})
_MASK: Final = b"**********"
_INPUT_TYPE: Final = re.compile(r"input_type=(\w+)\]")


class ModelCodec:
    """Codec of values whose declared type pydantic knows."""

    __slots__ = ("_adapter", "_annotation", "_floats", "_to_json", "_validate", "_what")

    def __init__(self, annotation: Any, what: str) -> None:
        """Make the codec; raises DefinitionError where no library knows the type."""
        self._annotation = annotation
        self._what = what
        self._adapter = adapter_for(annotation, what)
        kinds = set(_kinds_in(self._adapter.core_schema))
        self._floats = bool(kinds & _MAY_HOLD_FLOATS) or any(each.startswith("function-") for each in kinds)
        self._to_json = _serializer(self._adapter, sets=bool(kinds & {"set", "frozenset"})).to_json
        self._validate = self._adapter.validator.validate_json

    def encode(self, value: Any) -> bytes:
        """Return `value` as JSON text; raises EncodeError, PayloadTooLargeError."""
        try:
            payload = self._to_json(value, warnings="error", by_alias=True, round_trip=True)
        except Exception as error:  # noqa: BLE001 - users' serializers may raise anything
            payload = self._encode_lent(value, error)
        else:
            self._check(value, payload)
        return payload if len(payload) <= PAYLOAD_BYTES_MAX else refuse_size(self._what, payload)

    def decode(self, payload: bytes) -> Any:
        """Return the value of JSON text; raises InputError."""
        try:
            document = decode_json(payload)
        except DECODE_FAILURES as error:
            raise InputError(self._what, (("", describe_decode_failure(error)),)) from None
        try:
            return self._validate(bytes(payload))
        except Exception as error:  # noqa: BLE001 - users' validators may raise anything
            # Not `from error`: pydantic's own text quotes the input, which may be a secret.
            raise InputError(self._what, _problems(error, document)) from None

    def schema(self, mode: Mode) -> Schema:
        """Return the JSON Schema of the type."""
        from pydantic.errors import PydanticInvalidForJsonSchema

        from holdfast.authoring.schemas import collect

        try:
            written = self._adapter.json_schema(mode="validation" if mode == "input" else "serialization")
        except PydanticInvalidForJsonSchema:
            return {}  # it can travel, but no schema can say how
        return collect(written)

    def _encode_lent(self, value: Any, error: Exception) -> bytes:
        """Return the JSON text of a value that brings its own, such as the results of a fan-out."""
        own = getattr(type(value), "__holdfast_json__", None)
        if own is not None:
            payload: bytes = own(value)
            return payload
        raise EncodeError(self._what, self._reason(value, error)) from None

    def _reason(self, value: Any, error: Exception) -> str:
        if isinstance(error, RecursionError) or "Circular reference" in str(error):
            return "it is nested too deeply, or contains itself"
        lines = [line.strip() for line in str(error).splitlines() if "UnexpectedValue" in line]
        if lines:
            wanted = lines[0].split("(", 1)[1].split(" - ")[0].removesuffix(")")
            found = _INPUT_TYPE.search(lines[0])
            self._refuse(value, wanted[:1].lower() + wanted[1:] + (f", found {found[1]}" if found else ""))
        text = str(error)
        if "invalid utf-8" in text:
            text += "; give the model ConfigDict(ser_json_bytes='base64', val_json_bytes='base64')"
        return text

    def _check(self, value: Any, payload: bytes) -> None:
        """Refuse a payload that would not be read back, or not as what was written."""
        if self._floats and b"null" in payload:
            self._check_finite(value)
        try:
            again = self.decode(payload)
        except InputError as error:
            self._refuse(value, "; ".join(f"{text} at {at or '/'}" for at, text in error.problems))
        if _MASK in payload and again != value:
            raise EncodeError(
                self._what, "it holds a secret, which pydantic writes as **********; pass the secret's name instead"
            )

    def _check_finite(self, value: Any) -> None:
        # Any-typed parts are null already in JSON mode, custom serializers only work there.
        for mode in ("python", "json"):
            plain = self._adapter.serializer.to_python(value, mode=mode, by_alias=True, round_trip=True)
            for place, number in _floats_in(plain, ""):
                if not math.isfinite(number):
                    raise EncodeError(self._what, f"{number!r} at {place or '/'} is not a finite number")

    def _refuse(self, value: Any, reason: str) -> NoReturn:
        expected = describe_annotation(self._annotation)
        raise EncodeError(self._what, f"{describe_type(value)}: {reason}", expected) from None


def all_problems(annotation: Any, payload: bytes, document: Any) -> tuple[tuple[str, str], ...]:
    """Return every (JSON pointer, problem) of a payload that does not fit, or () when pydantic finds none."""
    try:
        adapter_for(annotation, "").validate_json(bytes(payload), strict=True)
    except DefinitionError:
        return ()
    except Exception as error:  # noqa: BLE001 - users' validators may raise anything
        return _problems(error, document)
    return ()


def _problems(error: Exception, document: Any) -> tuple[tuple[str, str], ...]:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return (("", f"{type(error).__name__}: {error}"),)
    details: list[ErrorDetails] = error.errors(include_url=False, include_context=False, include_input=False)
    return tuple(
        (pointer_of_location(each["loc"], document, missing=each["type"] == "missing"), each["msg"])
        for each in details[:PROBLEMS_MAX]
    )


def _serializer(adapter: TypeAdapter[Any], *, sets: bool) -> SchemaSerializer:
    if not sets:
        return adapter.serializer
    from pydantic_core import SchemaSerializer

    # Without _use_prebuilt=False a model inside would bring its own serializer, which does not sort.
    return SchemaSerializer(_with_sorted_sets(adapter.core_schema), _use_prebuilt=False)


def _with_sorted_sets(node: Any) -> Any:
    from pydantic_core import core_schema

    if isinstance(node, list):
        return [_with_sorted_sets(each) for each in node]
    if isinstance(node, tuple):
        return tuple(_with_sorted_sets(each) for each in node)
    if not isinstance(node, dict):
        return node
    changed = {key: _with_sorted_sets(each) for key, each in node.items()}
    if node.get("type") in {"set", "frozenset"} and "serialization" not in node:
        changed["serialization"] = core_schema.wrap_serializer_function_ser_schema(_sorted, when_used="json")
    return changed


def _sorted(value: Any, write: Callable[[Any], Any]) -> Any:
    written = write(value)
    return sorted(written, key=encode_json) if isinstance(written, list) else written


def _kinds_in(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        kind = node.get("type")
        if isinstance(kind, str):
            yield kind
        for each in node.values():
            yield from _kinds_in(each)
    elif isinstance(node, list | tuple):
        for each in node:
            yield from _kinds_in(each)


def _floats_in(plain: Any, at: str) -> Iterator[tuple[str, float]]:
    if isinstance(plain, float):
        yield at, plain
    elif isinstance(plain, dict):
        for key, each in plain.items():
            yield from _floats_in(each, f"{at}/{key}")
    elif isinstance(plain, list | tuple | set | frozenset):
        for index, each in enumerate(plain):
            yield from _floats_in(each, f"{at}/{index}")
