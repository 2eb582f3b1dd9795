"""Handlers: bound on instances, named on classes, checked at decoration."""

# ruff: noqa: ARG002, ARG005, D101, D102 - the classes stand for users' own, which say nothing

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from holdfast.authoring.messages import query, signal, update
from holdfast.authoring.workflow import definition_of, workflow
from holdfast.errors import DefinitionError, InputError
from tests.unit.authoring.recorder import on_loop


class Note(BaseModel):
    text: str


@workflow
class Review:
    def __init__(self) -> None:
        self.by: list[str] = []
        self.notes: list[Note] = []

    async def run(self) -> None: ...

    @signal
    def approve(self, by: str, weight: int = 1) -> None:
        self.by += [by] * weight

    @signal(name="note-added")
    async def note(self, note: Note) -> None:
        self.notes.append(note)

    @query
    def count(self) -> int:
        return len(self.by)

    @update
    async def add(self, text: str) -> int:
        self.notes.append(Note(text=text))
        return len(self.notes)

    @add.validator
    def _(self, text: str) -> None:
        if not text:
            raise ValueError("empty")

    @update(name="drop")
    def remove(self, index: int) -> Note:
        return self.notes.pop(index)

    @remove.validator
    def _(self, index: int) -> None:
        if index >= len(self.notes):
            raise IndexError("no such note")


def test_handlers_are_found_by_kind_and_name() -> None:
    """Every handler is in its mapping under the name it was given."""
    definition = definition_of(Review)
    assert list(definition.signals) == ["approve", "note-added"]
    assert list(definition.queries) == ["count"]
    assert list(definition.updates) == ["add", "drop"]


@on_loop
async def test_a_handler_is_called_with_its_decoded_payload() -> None:
    """Payloads become arguments, results become JSON; async handlers give their coroutine."""
    definition, review = definition_of(Review), Review()
    definition.signals["approve"].call(review, b'{"by":"ops","weight":2}')
    await definition.signals["note-added"].call(review, b'{"text":"n"}')
    assert (review.by, review.notes) == (["ops", "ops"], [Note(text="n")])
    count = definition.queries["count"]
    assert count.encode_result(count.call(review, b"null")) == b"2"
    add = definition.updates["add"]
    assert add.encode_result(await add.call(review, b'"m"')) == b"2"
    drop = definition.updates["drop"]
    assert drop.encode_result(drop.call(review, b"0")) == b'{"text":"n"}'


def test_every_update_keeps_its_own_validator() -> None:
    """Validators that are all called `_` do not overwrite each other."""
    updates, review = definition_of(Review).updates, Review()
    updates["add"].validate(review, b'"x"')
    with pytest.raises(ValueError, match="empty"):
        updates["add"].validate(review, b'""')
    with pytest.raises(IndexError):
        updates["drop"].validate(review, b"3")
    with pytest.raises(InputError):
        updates["drop"].validate(review, b'"x"')
    definition_of(Review).signals["approve"].validate(review, b'{"by":"x"}')


def test_on_the_class_a_handler_is_a_reference_and_on_an_instance_a_method() -> None:
    """`Review.approve` knows its name and how arguments travel; `review.approve` is callable in a unit test."""
    assert Review.approve.name == "approve"
    assert Review.approve.signature.encode_call((), {"by": "ops"}) == b'{"by":"ops"}'
    assert Review.note.name == "note-added"
    assert Review.add.input_schema()["type"] == "string"
    assert Review.add.output_schema()["type"] == "integer"
    review = Review()
    review.approve("me")
    assert review.by == ["me"]


def test_a_validator_may_be_written_like_a_setter() -> None:
    """A validator with the update's own name leaves the update in place."""

    @workflow
    class Flow:
        async def run(self) -> None: ...
        @update
        def add(self, x: int) -> int:
            return x

        @add.validator
        def add(self, x: int) -> None:
            raise ValueError(x)

    handler = definition_of(Flow).updates["add"]
    assert handler.call(Flow(), b"5") == 5
    with pytest.raises(ValueError, match="5"):
        handler.validate(Flow(), b"5")


def test_handlers_are_inherited_and_overridden() -> None:
    """A subclass has its base's handlers, its own in their place, and may not lose one by accident."""

    @workflow
    class Child(Review):
        @signal
        def approve(self, by: str, weight: int = 1) -> None:
            self.by.append(f"child {by}")

    child = Child()
    definition_of(Child).signals["approve"].call(child, b'{"by":"x"}')
    assert child.by == ["child x"]
    assert "note-added" in definition_of(Child).signals
    with pytest.raises(DefinitionError, match="overrides a signal"):

        @workflow
        class Broken(Review):
            def approve(self, by: str) -> None: ...


def _async_query(self: Any) -> Any: ...


@pytest.mark.parametrize("decorator", [signal, query, update])
@pytest.mark.parametrize(
    "subject",
    [5, staticmethod(lambda self: None), classmethod(lambda cls: None)],
    ids=["number", "staticmethod", "classmethod"],
)
def test_what_is_no_method_is_refused(decorator, subject) -> None:
    """Only functions can handle messages."""
    with pytest.raises(DefinitionError):
        decorator(subject)


def test_mistakes_in_handlers_are_found_at_decoration() -> None:
    """Async queries and validators, generators, two validators, two handlers of one name, bad names."""
    with pytest.raises(DefinitionError, match="query 'slow' is async"):

        @query
        async def slow(self: Any) -> int: ...

    with pytest.raises(DefinitionError, match="generator"):

        @signal
        def many(self: Any):
            yield 1

    @update
    def add(self: Any, x: int) -> None: ...

    with pytest.raises(DefinitionError, match="validator of update 'add' is async"):

        @add.validator  # type: ignore[type-var]
        async def late(self: Any, x: int) -> None: ...

    add.validator(lambda self, x: None)
    with pytest.raises(DefinitionError, match="has a validator already"):
        add.validator(lambda self, x: None)
    with pytest.raises(DefinitionError, match="signal name"):
        signal(name="a#b")(lambda self: None)
    with pytest.raises(DefinitionError, match="two signal handlers called 'x'"):

        @workflow
        class Twice:
            async def run(self) -> None: ...
            @signal(name="x")
            def one(self) -> None: ...
            @signal(name="x")
            def two(self) -> None: ...


def test_a_handler_without_self_is_refused() -> None:
    """The instance is always given."""
    with pytest.raises(DefinitionError, match="self"):

        @signal
        def alone() -> None: ...
