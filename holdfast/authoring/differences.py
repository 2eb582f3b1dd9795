"""How a value is told that is not of the type that was expected.

Owns: the words of the differences, and which of a value gets into them.
Must not know: where values come from, what is done about a difference.

No value gets into a difference, unless it is a text where only certain texts are expected: such a value is the
difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

DIFFERENCES_MAX: Final = 20
"""How many differences one report has."""
VALUE_CHARACTERS_MAX: Final = 60

_CHOICES: Final = frozenset({"literal_error", "enum"})


def contract_name(expect: Any) -> str:
    """Return what people call a type."""
    return getattr(expect, "__name__", None) or str(expect)


def differences_of(errors: Sequence[ErrorDetails]) -> tuple[tuple[str, str, str], ...]:
    """Return (where, what was expected, what was found) for what a validation found, each once."""
    found = {_difference(each): None for each in errors[: DIFFERENCES_MAX * 10]}
    return tuple(found)[:DIFFERENCES_MAX]


def _difference(error: ErrorDetails) -> tuple[str, str, str]:
    path = ""
    for each in error["loc"]:
        path += "[]" if isinstance(each, int) else f".{each}" if path else each
    if error["type"] == "missing":
        return path, "a value", "nothing"
    value = error["input"]
    found = repr(value[:VALUE_CHARACTERS_MAX]) if error["type"] in _CHOICES and isinstance(value, str) else _kind(value)
    return path, error["msg"].removeprefix("Input should be "), found


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case _:
            return "an object"
