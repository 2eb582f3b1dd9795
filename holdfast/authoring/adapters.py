"""Pydantic's adapters of declared types, and what to hand pydantic in place of types it does not take.

Owns: making an adapter once per type, with our settings; the replacement of Structs and, on 3.11, `typing.TypedDict`.
Must not know: payloads' rules, what an adapter is used for.
"""

from __future__ import annotations

import sys
import typing
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from holdfast.authoring.codec import describe_annotation, describe_type, encode_json
from holdfast.errors import DefinitionError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

ADAPTERS_MAX: Final = 4096
"""How many adapters are kept."""

_REMEDY: Final = "Use Pydantic models, dataclasses, msgspec Structs, TypedDicts or plain JSON values."


def adapter_for(annotation: Any, what: str) -> TypeAdapter[Any]:
    """Return the adapter of `annotation`.

    Args:
        annotation: a resolved annotation.
        what: names what is declared so, for the error.

    Raises:
        DefinitionError: pydantic does not know the type.
    """
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


def validate_plain(annotation: Any, plain: Any) -> Any:
    """Return the value of `plain` JSON values as `annotation`; raises ValueError. For types inside a Struct."""
    return adapter_for(annotation, describe_annotation(annotation)).validate_json(encode_json(plain))


@lru_cache(maxsize=ADAPTERS_MAX)
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
    return adapter_for(type(value), describe_type(value)).dump_python(
        value, mode="json", by_alias=True, round_trip=True
    )


def _fields_of(value: Any, kind: type[msgspec.Struct]) -> dict[str, Any]:
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__qualname__}, got {describe_type(value)}")
    fields = {each.encode_name: getattr(value, each.name) for each in msgspec.structs.fields(kind)}
    config = kind.__struct_config__
    return fields if config.tag is None else {str(config.tag_field): config.tag, **fields}
