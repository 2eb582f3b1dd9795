"""How answers change overnight.

Owns: the kinds of drift, and what each makes of an answer.
Must not know: when it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

Drift: TypeAlias = Literal["added", "missing", "retyped", "widened", "new value"]


def _added(value: Any, _: str) -> Any:
    return {**value, "added_overnight": {"by": "the provider"}}


def _missing(value: Any, field: str) -> Any:
    return {name: each for name, each in value.items() if name != field}


def _retyped(value: Any, field: str) -> Any:
    found = value[field]
    # A number becomes text, text becomes an object, anything else becomes text.
    return {**value, field: {"value": found} if isinstance(found, str) else str(found)}


def _widened(value: Any, field: str) -> Any:
    return {**value, field: None}


def _new_value(value: Any, field: str) -> Any:
    return {**value, field: "SUSPENDED_PENDING_REVIEW"}


DRIFTS: Final[Mapping[Drift, Callable[[Any, str], Any]]] = MappingProxyType(
    {"added": _added, "missing": _missing, "retyped": _retyped, "widened": _widened, "new value": _new_value}
)
"""Kind to what it makes of an answer's object, given the name of the field that changes."""
