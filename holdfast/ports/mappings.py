"""How an answer of a new shape becomes one of the shape that code expects.

Owns: the steps of a mapping, as values, and carrying them out.
Must not know: where answers come from, who made a mapping, and whether it is right.

A path names places in JSON: `price.cents`, `rooms[].cents` for each of a list. A step that finds nothing at its path
changes nothing: whether the result is what was expected is seen when it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, TypeAlias, assert_never

import msgspec

STEPS_MAX: Final = 50
_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)


class Move(msgspec.Struct, frozen=True, tag="move", forbid_unknown_fields=True):
    """What stands at one place belongs to another one."""

    source: str
    target: str
    """Has as many `[]` as the source."""


class Convert(msgspec.Struct, frozen=True, tag="convert", forbid_unknown_fields=True):
    """What stands there is of another type: a number that is written as text, or the other way round."""

    path: str
    to: Literal["number", "text"]


class Translate(msgspec.Struct, frozen=True, tag="translate", forbid_unknown_fields=True):
    """Texts are called otherwise."""

    path: str
    values: dict[str, str]
    """New to old."""


Step: TypeAlias = Move | Convert | Translate

_decode = msgspec.json.Decoder(tuple[Step, ...]).decode


def decode_mapping(content: bytes) -> tuple[Step, ...]:
    """Return a mapping written as JSON. Raises msgspec.ValidationError, msgspec.DecodeError, ValueError."""
    steps = _decode(content)
    if not steps or len(steps) > STEPS_MAX:
        raise ValueError(f"a mapping has 1 to {STEPS_MAX} steps (STEPS_MAX)")
    return steps


def apply_mapping(steps: Sequence[Step], value: Any) -> Any:
    """Return an answer, as JSON values, after all steps; `value` may be changed."""
    for step in steps:
        match step:
            case Move():
                value = _move(value, step.source.split("."), step.target.split("."))
            case Convert():
                value = _at(value, step.path.split("."), _CONVERTS[step.to])
            case Translate():
                value = _at(value, step.path.split("."), partial(_translated, step.values))
            case _:
                assert_never(step)
    return value


def say_step(step: Step) -> str:
    """Return a step in words."""
    match step:
        case Move():
            return f"take {step.target} from {step.source}"
        case Convert():
            return f"read {step.path} as {'a number' if step.to == 'number' else 'text'}"
        case Translate():
            return f"in {step.path}, " + ", ".join(f"{new!r} is {old!r}" for new, old in step.values.items())
        case _:
            assert_never(step)


def _translated(known: Mapping[str, str], value: Any) -> Any:
    return known.get(value, value) if isinstance(value, str) else value


def _number(value: Any) -> Any:
    if not isinstance(value, str) or not _NUMBER.fullmatch(value.strip()):
        return value
    return float(value) if "." in value else int(value)


def _text(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return str(value)


_CONVERTS: Final[dict[str, Callable[[Any], Any]]] = {"number": _number, "text": _text}


def _at(value: Any, path: Sequence[str], change: Callable[[Any], Any]) -> Any:
    """Change what stands at a path, in place where it can be."""
    if not path:
        return change(value)
    name = path[0].removesuffix("[]")
    if isinstance(value, dict) and (not name or name in value):
        inner = value[name] if name else value
        if path[0].endswith("[]"):
            if not isinstance(inner, list):
                return value
            changed: Any = [_at(each, path[1:], change) for each in inner]
        else:
            changed = _at(inner, path[1:], change)
        value[name] = changed
    elif isinstance(value, list) and path[0] == "[]":
        return [_at(each, path[1:], change) for each in value]
    return value


def _move(value: Any, source: list[str], target: list[str]) -> Any:
    shared = 0
    while shared < min(len(source), len(target)) - 1 and source[shared] == target[shared]:
        shared += 1
    if shared:
        return _at(value, source[:shared], lambda inner: _move(inner, source[shared:], target[shared:]))
    found: Any = value
    for name in source:
        if not isinstance(found, dict) or name not in found:
            return value
        found = found[name]
    into = value
    for name in target[:-1]:
        into = into.setdefault(name, {})
        if not isinstance(into, dict):
            return value
    if isinstance(into, dict):
        into[target[-1]] = found
    return value
