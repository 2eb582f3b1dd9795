"""JSON Schemas (draft 2020-12) that users write: checked once, then held against values. The door to `jsonschema_rs`.

Owns: which schemas are taken, and in what words a value is refused.
Must not know: what a value is for.

A schema is somebody's text, and so are values. So nothing is fetched: a `$ref` leads to a place in the schema itself,
or the schema is refused. And patterns are matched in linear time: those that would need to go back are refused too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final, TypeAlias

from holdfast.authoring.places import calling_place
from holdfast.authoring.pointers import pointer
from holdfast.authoring.schemas import DIALECT
from holdfast.errors import DefinitionError

SchemaSource: TypeAlias = Mapping[str, Any] | bool
SchemaCheck: TypeAlias = Callable[[Any], tuple[tuple[str, str], ...]]
"""Returns (JSON pointer, what is wrong there) pairs for a value."""

PROBLEMS_MAX: Final = 100
"""How many problems one value is told."""
PROBLEM_CHARACTERS_MAX: Final = 500
MASK: Final = "the value"
"""What messages say in the place of a value: it may be a secret."""


def compile_schema(schema: SchemaSource, what: str) -> SchemaCheck:
    """Return what holds values against a schema.

    Args:
        schema: a JSON Schema of draft 2020-12.
        what: names it in errors, such as "schema of webhook 'stripe'".

    Raises:
        DefinitionError: it is none, refers to something outside itself, or has a pattern that needs to go back.
    """
    import jsonschema_rs

    if not isinstance(schema, Mapping | bool):
        raise DefinitionError(f"{what} is {type(schema).__name__}, and a JSON Schema is an object", calling_place())
    plain = schema if isinstance(schema, bool) else dict(schema)
    dialect = DIALECT if isinstance(plain, bool) else plain.get("$schema", DIALECT)
    if dialect != DIALECT:
        raise DefinitionError(f"{what} is of another dialect: {dialect!r}", calling_place(), f"Write it in {DIALECT}.")
    try:
        validator = jsonschema_rs.Draft202012Validator(
            plain, pattern_options=jsonschema_rs.RegexOptions(), retriever=_refuse, mask=MASK
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as error:
        raise DefinitionError(
            f"{what} is no JSON Schema that can be used: {_first_line(str(error))}",
            calling_place(),
            "It has to be of draft 2020-12, refer to nothing outside itself ($ref: #/$defs/...), and have patterns "
            "without look-around and back-references.",
        ) from None

    def check(value: Any) -> tuple[tuple[str, str], ...]:
        try:
            if validator.is_valid(value):  # nearly always, and looking for reasons takes longer
                return ()
            found = islice(validator.iter_errors(value), PROBLEMS_MAX)
            return tuple((pointer(*each.instance_path), _first_line(each.message)) for each in found)
        except (ValueError, RecursionError) as error:
            return (("", _first_line(str(error))),)

    return check


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is not a part of the schema, and nothing is fetched")


def _first_line(text: str) -> str:
    return text.partition("\n")[0][:PROBLEM_CHARACTERS_MAX]
