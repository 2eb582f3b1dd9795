"""Search attributes: what a run is found by, in one canonical form.

Owns: the form of an attribute's value as text, its limits, and the text it is found by.
Must not know: where attributes are kept, who sets them.

A value is written as a literal, the way TOML does, so that equal values are equal texts and no type is lost: `"eu"`,
`12`, `12.5`, `true`, `2026-11-29T08:00:00+00:00`. Whoever searches gives plain text and need not know the type: every
value has a *key*, what it looks like, and `12` is the key of a whole number, of a float and of a text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias

from holdfast.errors import InputError
from holdfast.history.identifiers import text_problem

AttributeValue: TypeAlias = str | bool | int | float | datetime
"""What an attribute may be. A time has to be aware."""

ATTRIBUTES_MAX: Final = 32
"""How many attributes a run has at most."""

ATTRIBUTE_NAME_CHARACTERS_MAX: Final = 64
"""How long the name of an attribute is at most."""

ATTRIBUTE_CHARACTERS_MAX: Final = 512
"""How long the value of an attribute is at most, as it is written."""

ATTRIBUTE_NAMES_TAKEN: Final = frozenset({"workflow", "status", "error", "created_from", "created_before"})
"""What runs are found by anyway; no attribute can be called so."""

MEMO_CHARACTERS_MAX: Final = 32_768
"""How long a memo is at most: all its names and texts together."""

_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(?P<fraction>\.[0-9]+)?(?P<exponent>[eE][+-]?[0-9]+)?")
_DIGITS_MAX: Final = 20
"""How long a number is at most that is read as a whole one; no recorded one is longer."""
_LITERALS: Final = {"true": True, "false": False}


def encode_attributes(values: Mapping[str, AttributeValue | None]) -> dict[str, str]:
    """Return attributes as they are recorded, by name; those that are None are left out.

    Raises:
        InputError: there are more than ATTRIBUTES_MAX; a name is no identifier, is one of ATTRIBUTE_NAMES_TAKEN, or is
            longer than ATTRIBUTE_NAME_CHARACTERS_MAX; a value has another type, is no finite number, has no time zone,
            or is longer than ATTRIBUTE_CHARACTERS_MAX.
    """
    encoded: dict[str, str] = {}
    problems: list[tuple[str, str]] = []
    for given, value in values.items():
        name = str(given)
        problem = _name_problem(name)
        if isinstance(value, str):
            problem = problem or text_problem(value)
        try:
            text = "" if value is None else _literal(value)
        except ValueError as error:
            text, problem = "", problem or str(error)
        if len(text) > ATTRIBUTE_CHARACTERS_MAX:
            problem = problem or f"is longer than {ATTRIBUTE_CHARACTERS_MAX} characters (ATTRIBUTE_CHARACTERS_MAX)"
        if problem:
            problems.append((f"/{name}", problem))
        elif text:
            encoded[name] = text
    if len(encoded) > ATTRIBUTES_MAX:
        problems.append(("", _too_many(len(encoded))))
    if problems:
        raise InputError("the set of attributes", tuple(problems))
    return encoded


def encode_changes(values: Mapping[str, AttributeValue | None]) -> dict[str, str]:
    """Return changes of attributes as they are recorded, by name; an empty text takes the name away.

    Raises:
        InputError: as `encode_attributes`.
    """
    encoded = encode_attributes(values)
    return {str(name): encoded.get(str(name), "") for name in values}


def merge_attributes(before: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """Return recorded attributes after a recorded change of them.

    Raises:
        InputError: there are more than ATTRIBUTES_MAX.
    """
    merged = {name: text for name, text in {**before, **changes}.items() if text}
    if len(merged) > ATTRIBUTES_MAX:
        raise InputError("the set of attributes", (("", _too_many(len(merged))),))
    return merged


def decode_attributes(encoded: Mapping[str, str]) -> dict[str, AttributeValue]:
    """Return recorded attributes as values. Times are in UTC."""
    return {name: _value(text) for name, text in encoded.items()}


def read_attribute(text: str) -> AttributeValue:
    """Return the value that a person wrote: a literal, such as `12.5` or `true`, or else the text itself."""
    try:
        return _value(text)
    except ValueError:
        return text


def attribute_key(value: AttributeValue) -> str:
    """Return the text that a value is found by: what it looks like, so that `12` finds a number and a text."""
    if isinstance(value, str):
        value = read_attribute(value)
    match value:
        case str():
            return value
        case float() if value.is_integer():
            return str(int(value))
        case float():
            return repr(value)
        case _:
            return _literal(value)


def check_memo(memo: Mapping[str, str]) -> dict[str, str]:
    """Return a memo. Raises InputError when it is not text by name, or longer than MEMO_CHARACTERS_MAX."""
    wrong = [f"/{name}" for name, text in memo.items() if not (_is_text(name) and _is_text(text))]
    if wrong:
        raise InputError("the memo", tuple((each, "expected text") for each in wrong))
    if sum(len(name) + len(text) for name, text in memo.items()) > MEMO_CHARACTERS_MAX:
        problem = f"is longer than {MEMO_CHARACTERS_MAX:,} characters (MEMO_CHARACTERS_MAX)"
        raise InputError("the memo", (("", problem),))
    return dict(memo)


def _too_many(count: int) -> str:
    return f"has {count} names, and {ATTRIBUTES_MAX} are the most (ATTRIBUTES_MAX)"


def _is_text(given: object) -> bool:
    # Asked about what callers give that nobody type-checks.
    return isinstance(given, str)


def _name_problem(name: str) -> str:
    if not name.isidentifier():
        return "expected a name such as region, of letters, digits and underscores"
    if name in ATTRIBUTE_NAMES_TAKEN:
        return "is what runs are found by anyway; choose another name"
    if len(name) > ATTRIBUTE_NAME_CHARACTERS_MAX:
        limit = f"{ATTRIBUTE_NAME_CHARACTERS_MAX} characters (ATTRIBUTE_NAME_CHARACTERS_MAX)"
        return f"has a name longer than {limit}"
    return ""


def _literal(value: AttributeValue) -> str:
    match value:
        case str():
            return _quoted(str(value))
        case bool():
            return "true" if value else "false"
        case int():
            # Longer numbers would have more than one form as a float, and Python refuses to read them.
            if abs(value) >= 2**63:
                raise ValueError("expected a whole number of at most 63 bits")
            return str(int(value))
        case float():
            if not math.isfinite(value):
                raise ValueError("expected a finite number")
            return repr(float(value))
        case datetime():
            if value.tzinfo is None:
                raise ValueError("expected a time with a time zone")
            return value.astimezone(UTC).isoformat()
        case _:
            raise ValueError(f"expected str, bool, int, float or an aware datetime, not {type(value).__name__}")


def _value(text: str) -> AttributeValue:
    """Return the value of a literal. Raises ValueError."""
    if text in _LITERALS:
        return _LITERALS[text]
    if text.startswith('"'):
        found: str = json.loads(text)
        return found
    number = _NUMBER.fullmatch(text)
    if number is not None:
        is_whole = number["fraction"] is None and number["exponent"] is None
        return int(text) if is_whole and len(text) <= _DIGITS_MAX else float(text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("expected a time with a time zone")
    return moment


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
