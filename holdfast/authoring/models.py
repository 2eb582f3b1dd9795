"""Values of declared types that pydantic knows: its models, constrained and custom types, odd unions.

Owns: the one door to pydantic in this package; adapters and their settings; every problem of a payload at once.
Must not know: signatures, which values are arguments and which are results.

pydantic is imported when the first such codec is made, never with this module's package.

Theory of operation
===================

A `TypeAdapter` does the work, with three additions:

- `warnings="error"`, and what was written is read again: a value of another type than declared, or that breaks a
  constraint, is refused where it is written, not where somebody reads it.
- NaN and infinity are refused both ways, and so is anything msgspec does not accept as JSON (pydantic reads `NaN`,
  `1e999` and writes NaN as null).
- Sets are written sorted. Their order in memory differs between processes, and a payload has one form.
"""

from __future__ import annotations

import math
import re
import sys
import typing
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

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

_ADAPTERS_MAX: Final = 4096
_MAY_HOLD_FLOATS: Final = frozenset({"any", "float", "complex", "custom-error", "is-instance", "json"})
_MASK: Final = b"**********"
_INPUT_TYPE: Final = re.compile(r"input_type=(\w+)\]")
_REMEDY: Final = "Use Pydantic models, dataclasses, msgspec Structs, TypedDicts or plain JSON values."


class ModelCodec:
    """Codec of values whose declared type pydantic knows."""

    __slots__ = ("_adapter", "_annotation", "_floats", "_to_json", "_validate", "_what")

    def __init__(self, annotation: Any, what: str) -> None:
        """Make the codec; raises DefinitionError where no library knows the type."""
        self._annotation = annotation
        self._what = what
        self._adapter = _adapter(annotation, what)
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
        raise EncodeError(
            self._what, f"it is declared as {expected}, and this is {describe_type(value)}: {reason}"
        ) from None


def validate_plain(annotation: Any, plain: Any) -> Any:
    """Return the value of `plain` JSON values as `annotation`; raises ValueError. For types inside a Struct."""
    return _adapter(annotation, describe_annotation(annotation)).validate_json(encode_json(plain))


def all_problems(annotation: Any, payload: bytes, document: Any) -> tuple[tuple[str, str], ...]:
    """Return every (JSON pointer, problem) of a payload that does not fit, or () when pydantic finds none."""
    try:
        _adapter(annotation, "").validate_json(bytes(payload), strict=True)
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


@lru_cache(maxsize=_ADAPTERS_MAX)
def _cached_adapter(annotation: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter
    from pydantic.errors import PydanticUserError

    adapted = _for_pydantic(annotation)
    config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    try:
        return TypeAdapter(adapted, config=config)
    except PydanticUserError as error:
        if error.code != "type-adapter-config-unused":
            raise
    if hasattr(adapted, "__pydantic_config__") or hasattr(adapted, "model_config"):
        return TypeAdapter(adapted)  # a type with settings of its own keeps them
    # A dataclass without settings takes ours, but only where it is not on top: NewType hides it.
    hide: Any = typing.NewType
    return TypeAdapter(hide(getattr(adapted, "__name__", "Value"), adapted), config=config)


def _adapter(annotation: Any, what: str) -> TypeAdapter[Any]:
    from pydantic.errors import PydanticUserError

    try:
        try:
            return _cached_adapter(annotation)
        except TypeError:  # an annotation that cannot be hashed, such as Annotated[int, {}]
            return _cached_adapter.__wrapped__(annotation)
    except (PydanticUserError, NameError, TypeError) as error:
        reason = str(error).split("\n", 1)[0]
        raise DefinitionError(
            f"{what or 'a value'} is declared as {describe_annotation(annotation)}, which cannot travel: {reason}",
            remedy=_REMEDY,
        ) from None


def _for_pydantic(annotation: Any, within: tuple[Any, ...] = ()) -> Any:
    """Return `annotation` with what pydantic does not take replaced: Structs, and on 3.11 `typing.TypedDict`.

    A type that holds itself is Any in its own replacement: the outermost conversion sees to it.
    """
    if annotation in within:
        return _inner_value()
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _struct_for_pydantic(annotation, (*within, annotation))
    if sys.version_info < (3, 12) and typing.is_typeddict(annotation):
        return _typed_dict_for_pydantic(annotation, (*within, annotation))
    arguments = typing.get_args(annotation)
    replaced = tuple(_for_pydantic(each, within) for each in arguments)
    if all(old is new for old, new in zip(arguments, replaced, strict=True)):
        return annotation
    if typing.get_origin(annotation) is typing.Annotated:
        return typing.Annotated[(replaced[0], *annotation.__metadata__)]
    if hasattr(annotation, "copy_with"):
        return annotation.copy_with(replaced)
    return typing.Union[replaced] if not hasattr(annotation, "__origin__") else annotation.__origin__[replaced]  # noqa: UP007 - built at run time


def _typed_dict_for_pydantic(kind: Any, within: tuple[Any, ...]) -> Any:
    import typing_extensions

    make_typed_dict: Any = typing_extensions.TypedDict
    marker: Any
    fields = {}
    for name, each in typing.get_type_hints(kind, include_extras=True).items():
        origin = typing.get_origin(each)
        # Where annotations are text, __required_keys__ knows nothing of the markers in them.
        required = origin is typing.Required or (origin is not typing.NotRequired and name in kind.__required_keys__)
        marker = typing_extensions.Required if required else typing_extensions.NotRequired
        bare = typing.get_args(each)[0] if origin in {typing.Required, typing.NotRequired} else each
        fields[name] = marker[_for_pydantic(bare, within)]
    return make_typed_dict(kind.__name__, fields)


def _struct_for_pydantic(kind: type[msgspec.Struct], within: tuple[Any, ...]) -> Any:
    """Return a TypedDict of the same fields that, once valid, is converted into the Struct."""
    import typing_extensions
    from pydantic import AfterValidator, WrapSerializer

    if kind.__struct_config__.array_like:
        raise TypeError(f"{kind.__qualname__} is array_like, which does not mix with types that msgspec does not know")
    make_typed_dict: Any = typing_extensions.TypedDict
    marker: Any
    fields: dict[str, Any] = {}
    for each in msgspec.structs.fields(kind):
        marker = typing_extensions.Required if each.required else typing_extensions.NotRequired
        fields[each.encode_name] = marker[_for_pydantic(each.type, within)]
    config = kind.__struct_config__
    if config.tag is not None:
        literal: Any = typing.Literal
        fields[str(config.tag_field)] = literal[config.tag]
    shape = make_typed_dict(kind.__name__, fields)
    return typing.Annotated[
        shape,
        AfterValidator(lambda plain: msgspec.convert(plain, kind, dec_hook=_convert_foreign)),
        WrapSerializer(lambda value, write: write(_fields_of(value, kind))),
    ]


def _inner_value() -> Any:
    from pydantic import PlainSerializer

    return typing.Annotated[Any, PlainSerializer(lambda value: msgspec.to_builtins(value, enc_hook=_foreign_builtins))]


def _convert_foreign(kind: type, value: Any) -> Any:
    return value if isinstance(value, kind) else validate_plain(kind, value)


def _foreign_builtins(value: Any) -> Any:
    return _adapter(type(value), describe_type(value)).dump_python(value, mode="json", by_alias=True, round_trip=True)


def _fields_of(value: Any, kind: type[msgspec.Struct]) -> dict[str, Any]:
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__qualname__}, got {describe_type(value)}")
    fields = {each.encode_name: getattr(value, each.name) for each in msgspec.structs.fields(kind)}
    config = kind.__struct_config__
    return fields if config.tag is None else {str(config.tag_field): config.tag, **fields}


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
