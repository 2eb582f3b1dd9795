"""Small expressions over JSON: JMESPath, and templates of texts with expressions in them. The door to `jmespath`.

Owns: how expressions are written, checked and evaluated; how a template and a mapping are put together of them.
Must not know: what they are evaluated on, what is done with what they find.

Nothing here runs code of whoever wrote an expression: JMESPath finds and compares, and that is all it can do.

    expression   body.data.object.id        body.action == 'opened' && !(body.draft)        headers."x-github-event"
    template     pay-{body.data.object.id}                       {{ and }} are braces
    mapping      "body.data.object"         {"customer": "body.customer.name", "items": ["body.first", "body.second"]}

Every text in a mapping is an expression; other JSON values stand for themselves, and a text that does is a literal of
JMESPath: `'eur'`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from holdfast.authoring.places import calling_place
from holdfast.errors import DefinitionError

EXPRESSION_CHARACTERS_MAX: Final = 4_000
MAPPING_DEPTH_MAX: Final = 20
TEXT_CHARACTERS_MAX: Final = 1_000
"""How long a text may be that is put into a template."""

_NAMES: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
"""Nothing but names, as most expressions are: followed in a tenth of the time that JMESPath's interpreter takes."""

MappingSource: TypeAlias = str | int | float | bool | Mapping[str, Any] | list[Any] | None


class Expression:
    """A JMESPath expression that was checked."""

    __slots__ = ("_search", "text")

    def __init__(self, text: str, what: str) -> None:
        """Check an expression; `what` names it in errors, such as "id of webhook 'stripe'".

        Raises:
            DefinitionError: it is none, or calls a function that does not exist.
        """
        self.text = text
        self._search = _compile(text, what)

    def find(self, value: Any) -> Any:
        """Return what it finds in `value`; None for nothing.

        Raises:
            ValueError: a function in it was given what it does not take.
        """
        return self._search(value)

    def __eq__(self, other: object) -> bool:
        """Say whether it is written alike."""
        return isinstance(other, Expression) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"


class Template:
    """A text with expressions in it."""

    __slots__ = ("_parts", "text")

    def __init__(self, text: str, what: str) -> None:
        """Check a template; `what` names it in errors. Raises DefinitionError."""
        self.text = text
        self._parts = tuple(_parts_of(text, what))

    def fill(self, value: Any) -> str:
        """Return the text, with what its expressions find in `value`.

        Raises:
            ValueError: one finds nothing, or something that is no text and no number.
        """
        return "".join(each if isinstance(each, str) else _as_text(each, value) for each in self._parts)

    def __eq__(self, other: object) -> bool:
        """Say whether it is written alike."""
        return isinstance(other, Template) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Template({self.text!r})"


class InputMapping:
    """JSON with expressions in the place of texts."""

    __slots__ = ("_fill", "source")

    def __init__(self, source: MappingSource, what: str) -> None:
        """Check a mapping; `what` names it in errors. Raises DefinitionError."""
        self.source = source
        self._fill = _filler(source, what, 0)

    def fill(self, value: Any) -> Any:
        """Return the JSON, with what its expressions find in `value`. Raises ValueError."""
        return self._fill(value)

    def __repr__(self) -> str:
        return f"InputMapping({self.source!r})"


def _compile(text: str, what: str) -> Callable[[Any], Any]:
    import jmespath  # type: ignore[import-untyped]  # it has no types
    from jmespath.exceptions import JMESPathError  # type: ignore[import-untyped]
    from jmespath.functions import Functions  # type: ignore[import-untyped]

    if not text.strip():
        raise DefinitionError(f"{what} is {text!r}, which is no expression", calling_place(), 'Such as "body.id".')
    if len(text) > EXPRESSION_CHARACTERS_MAX:
        raise DefinitionError(
            f"{what} is longer than {EXPRESSION_CHARACTERS_MAX:,} characters (EXPRESSION_CHARACTERS_MAX)"
        )
    try:
        compiled = jmespath.compile(text)
    except (JMESPathError, RecursionError) as error:
        reason = str(error).replace("\n", "\n  ")
        raise DefinitionError(
            f"{what} is {text!r}, which is no JMESPath expression: {reason}", calling_place(), 'Such as "body.id".'
        ) from None
    for name in _functions_in(compiled.parsed):
        if name not in Functions.FUNCTION_TABLE:
            raise DefinitionError(
                f"{what} is {text!r}, and JMESPath has no function {name}()",
                calling_place(),
                f"There are {', '.join(sorted(Functions.FUNCTION_TABLE))}.",
            )

    if _NAMES.fullmatch(text):
        names = text.split(".")

        def follow(value: Any) -> Any:
            for name in names:
                if not isinstance(value, dict):
                    return None
                value = value.get(name)
            return value

        return follow

    def search(value: Any) -> Any:
        try:
            return compiled.search(value)
        except (ValueError, OverflowError, TypeError, RecursionError) as error:  # JMESPath's own are ValueErrors
            raise ValueError(f"{text} cannot be evaluated: {str(error).partition(chr(10))[0]}") from None

    return search


def _functions_in(node: Any) -> Iterator[str]:
    match node:
        case {"type": "function_expression", "value": str(name)}:
            yield name
    for child in node.get("children", ()) if isinstance(node, dict) else ():
        yield from _functions_in(child)


def _parts_of(text: str, what: str) -> Iterator[str | Expression]:
    if not text:
        raise DefinitionError(f"{what} is {text!r}, which is no text", calling_place(), 'Such as "pay-{body.id}".')
    literal, place = "", 0
    while place < len(text):
        here = text[place]
        if text[place : place + 2] in {"{{", "}}"}:
            literal, place = literal + here, place + 2
        elif here == "{":
            end = _end_of(text, place, what)
            if literal:
                yield literal
            literal = ""
            yield Expression(text[place + 1 : end], what)
            place = end + 1
        elif here == "}":
            raise DefinitionError(f"{what} is {text!r}, with a brace that nothing opens", calling_place(), _BRACES)
        else:
            literal, place = literal + here, place + 1
    if literal:
        yield literal


_BRACES: Final = "A brace itself is written twice: {{ or }}."


def _end_of(text: str, start: int, what: str) -> int:
    """Return where the brace closes that opens at `start`; those in quotes, and pairs of them, are the expression's."""
    depth, quote, place = 0, "", start
    while place < len(text):
        here = text[place]
        if quote:
            if here == "\\":
                place += 1
            elif here == quote:
                quote = ""
        elif here in "'\"`":
            quote = here
        elif here == "{":
            depth += 1
        elif here == "}":
            depth -= 1
            if depth == 0:
                return place
        place += 1
    raise DefinitionError(f"{what} is {text!r}, with a brace that nothing closes", calling_place(), _BRACES)


def _as_text(expression: Expression, value: Any) -> str:
    found = expression.find(value)
    match found:
        case bool():
            text = "true" if found else "false"
        case str() | int() | float():
            text = str(found)
        case None:
            raise ValueError(f"{expression.text} finds nothing")
        case _:
            raise ValueError(f"{expression.text} finds {type(found).__name__}, and a text or a number is wanted")
    if not text or len(text) > TEXT_CHARACTERS_MAX:
        raise ValueError(f"{expression.text} finds a text of {len(text):,} characters, and 1 to 1,000 are taken")
    return text


def _filler(source: MappingSource, what: str, depth: int) -> Callable[[Any], Any]:
    if depth > MAPPING_DEPTH_MAX:
        raise DefinitionError(f"{what} is nested more than {MAPPING_DEPTH_MAX} deep (MAPPING_DEPTH_MAX)")
    match source:
        case str():
            return Expression(source, what).find
        case Mapping():
            members = {str(name): _filler(each, what, depth + 1) for name, each in source.items()}
            return lambda value: {name: fill(value) for name, fill in members.items()}
        case list() | tuple():
            items = [_filler(each, what, depth + 1) for each in source]
            return lambda value: [fill(value) for fill in items]
        case None | bool() | int() | float():
            return lambda _: source
        case _:
            raise DefinitionError(
                f"{what} has {type(source).__name__} in it, which is no JSON",
                calling_place(),
                'Such as {"customer": "body.customer.name"}.',
            )
