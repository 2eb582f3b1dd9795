"""A form for a value that somebody is to give: drawn, pressed, read, and shown again with what is wrong.

Owns: the steps of such a form, whatever it is for.
Must not know: what is done with the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from holdfast.controller import read_json
from holdfast.dashboard.fields import Field, changed, draw, fill, read
from holdfast.dashboard.forms import Form
from holdfast.dashboard.words import pretty
from holdfast.errors import InputError


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page shows of a form."""

    field: Field
    text: str
    """The value as JSON, where somebody rather writes that."""
    as_json: bool
    wrong: tuple[str, ...] = ()
    """What is wrong and has no place of its own in the form."""


def ask(schema: Mapping[str, Any]) -> Asked:
    """Return the form for a value, as it is at first."""
    fields = fill(schema)
    return Asked(draw(schema, fields), "", as_json=False)


def ask_again(schema: Mapping[str, Any], form: Form, error: InputError | None = None) -> Asked:
    """Return the form as it is after a press of one of its own buttons, or with what is wrong with it."""
    as_json = form["as"] == "json"
    if form["to"] in {"json", "fields"}:
        as_json = form["to"] == "json"
        fields = fill(schema, _value(schema, form)) if not as_json else form.fields
    else:
        fields = changed(form.fields, form["press"], schema)
    wrong: dict[str, str] = {}
    for place, words in error.problems if error is not None else ():
        wrong[place] = f"{wrong[place]}\n{words}" if place in wrong else words
    field = draw(schema, fields, wrong)
    placed = {each.place for each in _all(field) if each.wrong}
    rest = tuple(f"{place or '/'}: {words}" for place, words in wrong.items() if as_json or place not in placed)
    text = form["json"] if form["as"] == "json" and as_json else pretty(read(schema, fields))
    return Asked(field, text, as_json, rest)


def answer(schema: Mapping[str, Any], form: Form) -> bytes:
    """Return the value that a form says, as JSON. Raises InputError: it is no JSON."""
    if form["as"] == "json":
        read_json(form["json"].encode() or b"null", "the input")
        return form["json"].encode() or b"null"
    return msgspec.json.encode(read(schema, form.fields))


def _value(schema: Mapping[str, Any], form: Form) -> Any:
    if form["as"] != "json":
        return read(schema, form.fields)
    return read_json(form["json"].encode() or b"null", "the input")


def _all(field: Field) -> list[Field]:
    return [field, *(each for child in field.children for each in _all(child))]
