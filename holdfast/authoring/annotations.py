"""What a function's annotations mean, and which library can read and write the types they name.

Owns: resolving annotations (also written as text, also naming local types); the survey of a type.
Must not know: codecs, signatures, what a function is for.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime as dt
import decimal
import enum
import inspect
import sys
import types
import typing
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

import msgspec

from holdfast.authoring.places import FRAMES_MAX, place_of
from holdfast.errors import DefinitionError

_ATOMS: Final = frozenset(
    {
        str,
        int,
        float,
        bool,
        type(None),
        None,
        bytes,
        Any,
        dt.datetime,
        dt.date,
        dt.time,
        dt.timedelta,
        uuid.UUID,
        decimal.Decimal,
    }
)
_SETS: Final = frozenset({set, frozenset, collections.abc.Set, collections.abc.MutableSet})
_CONTAINERS: Final = _SETS | frozenset(
    {
        list,
        tuple,
        dict,
        collections.abc.Sequence,
        collections.abc.Mapping,
        collections.abc.MutableSequence,
        collections.abc.MutableMapping,
        collections.abc.Collection,
    }
)
_MARKERS: Final = frozenset({typing.Required, typing.NotRequired, typing.Final})


@dataclass(slots=True)
class Survey:
    """What kinds of type an annotation mentions, at any depth."""

    native: bool = True
    """msgspec reads and writes all of them as they are meant."""
    structs: bool = False
    """A msgspec Struct is among them."""
    sets: bool = False
    """A set is among them: its order in memory differs from process to process."""


def survey(annotation: Any) -> Survey:
    """Return what `annotation` mentions."""
    found = Survey()
    _look(annotation, found, set())
    return found


def is_plain(annotation: Any) -> bool:
    """Say whether nothing is declared."""
    return annotation is inspect.Parameter.empty or annotation is Any or annotation is object


def resolve_annotations(function: Callable[..., Any], namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return a function's annotations as types, `return` included.

    Args:
        function: whatever it is, its `__wrapped__` counts.
        namespace: names of the place it was defined in (see `definition_names`).

    Raises:
        DefinitionError: an annotation names something that cannot be found.
    """
    try:
        return typing.get_type_hints(function, localns=dict(namespace) or None, include_extras=True)
    except NameError as error:
        raise DefinitionError(
            f"an annotation of {function.__qualname__} names {error.name!r}, which cannot be found",
            place_of(inspect.unwrap(function)),
            "Payloads are read and written by these annotations, so they must be importable when the program runs:\n"
            "define the type at module level, and not under `if TYPE_CHECKING:`.",
        ) from None
    except Exception as error:
        raise DefinitionError(
            f"the annotations of {function.__qualname__} cannot be read: {type(error).__name__}: {error}",
            place_of(inspect.unwrap(function)),
        ) from error


def definition_names(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the names that annotations of `function` use and that are local to where it is being defined.

    To be called while the definition is under way, by a decorator: the names are looked up in the frames it runs in.
    Only annotations that are text need this (`from __future__ import annotations`), and only the names in them are
    kept, so that a definition does not keep everything around it alive.
    """
    function = inspect.unwrap(function)
    wanted = {
        name
        for text in getattr(function, "__annotations__", {}).values()
        for name in _names_in(text)
        if name not in function.__globals__
    }
    found: dict[str, Any] = {}
    frame: FrameType | None = sys._getframe(1)
    for _ in range(FRAMES_MAX):
        if frame is None or not wanted:
            break
        if frame.f_globals is function.__globals__:
            local = frame.f_locals
            for name in [each for each in wanted if each in local]:
                found[name] = local[name]
                wanted.discard(name)
        frame = frame.f_back
    return found


def _names_in(text: Any) -> tuple[str, ...]:
    if not isinstance(text, str):
        return ()
    try:
        return compile(text, "<annotation>", "eval").co_names
    except SyntaxError:
        return ()


def _look(annotation: Any, found: Survey, seen: set[int]) -> None:
    if isinstance(annotation, collections.abc.Hashable) and annotation in _ATOMS:
        return
    if id(annotation) in seen:
        return
    seen.add(id(annotation))
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        found.native &= all(isinstance(each, msgspec.Meta) for each in annotation.__metadata__)
        _look(annotation.__origin__, found, seen)
    elif origin is typing.Literal:
        found.native &= all(each is None or type(each) in {str, int} for each in typing.get_args(annotation))
    elif origin in {typing.Union, types.UnionType} or origin in _MARKERS:
        _look_each(typing.get_args(annotation), found, seen)
    elif (origin or annotation) in _CONTAINERS:
        found.sets |= (origin or annotation) in _SETS
        _look_each([each for each in typing.get_args(annotation) if each is not Ellipsis], found, seen)
    elif isinstance(annotation, typing.NewType):
        _look(annotation.__supertype__, found, seen)
    elif isinstance(annotation, typing.TypeVar):
        _look(annotation.__bound__, found, seen)
    elif isinstance(origin or annotation, type):
        _look_into_class(origin or annotation, found, seen)
        _look_each(typing.get_args(annotation), found, seen)
    elif hasattr(annotation, "__value__"):  # `type X = ...`
        _look(annotation.__value__, found, seen)
    else:
        found.native = False


def _look_each(annotations: Any, found: Survey, seen: set[int]) -> None:
    for each in annotations:
        _look(each, found, seen)


def _look_into_class(kind: type, found: Survey, seen: set[int]) -> None:
    if issubclass(kind, enum.Enum):
        found.native &= all(type(each.value) in {str, int} for each in kind)
        return
    if issubclass(kind, msgspec.Struct):
        found.structs = True
    elif not _has_native_fields(kind):
        found.native = False
        return
    try:
        _look_each(list(_fields(kind)), found, seen)
    except Exception:  # noqa: BLE001 - whatever stands in the way of reading its fields, pydantic may know better
        found.native = False


def _fields(kind: type) -> Iterator[Any]:
    yield from typing.get_type_hints(kind, include_extras=True).values()


def _has_native_fields(kind: type) -> bool:
    if dataclasses.is_dataclass(kind):
        plain = not hasattr(kind, "__pydantic_validator__") and not hasattr(kind, "__pydantic_config__")
        return plain and all(each.init for each in dataclasses.fields(kind))
    return typing.is_typeddict(kind) or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
