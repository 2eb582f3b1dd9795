"""map_tasks: items become calls, outcomes a lazy sequence."""

# ruff: noqa: D101, D103 - the tasks stand for users' own, which say nothing

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from holdfast.authoring.fan_out import Err, Ok, Results, map_tasks
from holdfast.authoring.task import task
from holdfast.errors import DefinitionError, EncodeError, FanOutError, InputError, OutsideWorkflowError
from holdfast.history import Failure
from tests.unit.authoring.recorder import Outcomes, inside_workflow, on_loop


class Report(BaseModel):
    text: str


@task(timeout="30s")
async def summarize(path: str) -> Report: ...


@task
async def convert(amount: int, currency: str = "EUR") -> int: ...


@task
async def total(reports: list[Report]) -> int: ...


@task
async def anything(value) -> None: ...


@task
async def pair(value: tuple[int, int]) -> None: ...


def results(items: list[bytes | Failure], *, wrap: bool = False) -> tuple[Results[Any], Outcomes]:
    outcomes = Outcomes(items)
    decode = convert.signature.decode_result
    return Results(outcomes, decode, "convert", range(len(items)), wrap=wrap), outcomes


@on_loop
async def test_items_become_calls_of_the_task() -> None:
    """One parameter takes the item itself; several take a tuple's members, or an item as the first."""
    with inside_workflow() as run:
        map_tasks(summarize, ["a", "b"], key="docs", timeout="1m", pool="gpu")
        map_tasks(convert, [(1, "USD"), (2,), 3])
        map_tasks(pair, [(1, 2)])
        map_tasks(summarize.options(priority=3), (each for each in "ab"))
        map_tasks(summarize, [])
    first, second, third, fourth, fifth = run.issued
    assert (first.name, first.payloads, first.key) == ("summarize", [b'"a"', b'"b"'], "docs")
    assert (first.options.timeout, first.options.pool, first.failures_max) == (60.0, "gpu", 0)
    assert second.payloads == [b'{"amount":1,"currency":"USD"}', b'{"amount":2}', b'{"amount":3}']
    assert third.payloads == [b"[1,2]"]
    assert (fourth.payloads, fourth.options.priority) == ([b'"a"', b'"b"'], 3)
    assert fifth.payloads == []


@on_loop
async def test_results_are_read_when_they_are_looked_at() -> None:
    """Awaiting reads nothing; an index reads one, typed."""
    outcomes = Outcomes([b'{"text":"0"}', b'{"text":"1"}', b'{"text":"2"}'])
    with inside_workflow() as run:
        future = map_tasks(summarize, ["a", "b", "c"])
        run.issued[0].resolve(outcomes)
        reports = await future
    assert outcomes.reads == []
    assert reports[1] == Report(text="1")
    assert outcomes.reads == [1]
    assert isinstance(reports, Sequence)
    assert [each.text for each in reports] == ["0", "1", "2"]
    assert reports.failed == 0


@given(st.lists(st.integers(), max_size=8), st.slices(8))
def test_results_behave_like_the_list_they_stand_for(values, cut) -> None:
    """Length, indexing, slices, iteration, membership and equality are a list's."""
    found, _ = results([str(each).encode() for each in values])
    assert found == values
    assert values == list(found)
    assert found != [*values, 1]
    assert len(found) == len(values)
    assert found[cut] == values[cut]
    assert found[cut][::-1] == values[cut][::-1]
    assert list(reversed(found)) == values[::-1]
    assert all(each in found for each in values)
    for index in range(-len(values), len(values)):
        assert found[index] == values[index]
    with pytest.raises(IndexError):
        found[len(values)]


def test_results_cannot_be_changed_or_hashed() -> None:
    """They are read-only, and equal to lists, so they have no hash; a long one shows a few."""
    found, _ = results([b"1"] * 5)
    with pytest.raises(TypeError):
        found[0] = 1  # type: ignore[index]
    with pytest.raises(TypeError):
        hash(found)
    assert repr(found) == "[1, 1, 1, … 2 more]"
    assert found != 5


def test_a_result_of_another_shape_is_an_input_error() -> None:
    """A recorded result that the task's type no longer takes is named, not handed out."""
    found, _ = results([b'"x"'])
    with pytest.raises(InputError, match="result of convert"):
        found[0]


@on_loop
async def test_collected_failures_are_values() -> None:
    """`Ok` and `Err` can be matched; an Err has the task's error."""
    failure = Failure("ValueError", "bad", "trace")
    with inside_workflow() as run:
        future = map_tasks(convert, [1, 2], on_error="collect")
        run.issued[0].resolve(Outcomes([b"5", failure]))
        found = await future
    match list(found):
        case [Ok(value), Err(error)]:
            assert value == 5
            assert (error.step, error.type, error.text) == ("convert[1]", "ValueError", "bad")
        case _:
            raise AssertionError(found)
    assert found.failed == 1
    assert found.__holdfast_json__() == b'[{"value":5},{"error":{"type":"ValueError","message":"bad"}}]'


@on_loop
async def test_raising_never_hands_out_failures() -> None:
    """Even where an engine did not stop, `on_error="raise"` raises the first failure."""
    with inside_workflow() as run:
        map_tasks(convert, [1, 2])
        with pytest.raises(FanOutError) as caught:
            run.issued[0].decode(Outcomes([b"5", Failure("ValueError", "bad")]))
    assert (caught.value.failed, caught.value.index, caught.value.text) == (1, 1, "bad")


@pytest.mark.parametrize(
    ("options", "failures_max"),
    [
        ({}, 0),
        ({"on_error": "collect"}, -1),
        ({"on_error": "collect", "error_budget": 0}, 0),
        ({"on_error": "collect", "error_budget": 3}, 3),
        ({"on_error": "collect", "error_budget": 0.25}, 2),
        ({"on_error": "collect", "error_budget": 0.0}, 0),
    ],
)
@on_loop
async def test_the_budget_becomes_a_number_of_items(options, failures_max) -> None:
    """Shares are of the items there are, rounded down."""
    with inside_workflow() as run:
        map_tasks(convert, range(10), **options)
    assert run.issued[0].failures_max == failures_max


@pytest.mark.parametrize(
    "options",
    [
        {"on_error": "ignore"},
        {"error_budget": 3},
        {"on_error": "collect", "error_budget": -1},
        {"on_error": "collect", "error_budget": 1.5},
        {"on_error": "collect", "error_budget": True},
        {"on_error": "collect", "error_budget": float("nan")},
        {"retries": 3},
    ],
    ids=str,
)
def test_wrong_options_are_refused(options) -> None:
    """Mistakes are found at the call, before anything is issued."""
    with inside_workflow() as run:
        with pytest.raises(DefinitionError):
            map_tasks(convert, [1], **options)
        assert not run.issued


@pytest.mark.parametrize("items", [{1, 2}, frozenset([1]), {"a": 1}, "abc", b"abc", 5], ids=repr)
def test_items_need_an_order(items) -> None:
    """A set iterates differently in each process, text is rarely meant, a number is no items."""
    with inside_workflow(), pytest.raises(TypeError, match="Give it a list"):
        map_tasks(convert, items)


def test_an_item_that_does_not_fit_issues_nothing() -> None:
    """Wrong items fail at the call, like wrong arguments."""
    with inside_workflow() as run:
        with pytest.raises(EncodeError):
            map_tasks(summarize, ["a", 5])
        with pytest.raises(TypeError):
            map_tasks(convert, [(1, "EUR", 3)])
        with pytest.raises(DefinitionError, match="key"):
            map_tasks(summarize.options(key="x"), ["a"])
        with pytest.raises(DefinitionError, match="Put @task"):
            map_tasks(len, ["a"])  # type: ignore[call-overload]
        assert not run.issued


def test_outside_a_workflow_there_is_no_fan_out() -> None:
    """The error says what to do instead."""
    with pytest.raises(OutsideWorkflowError, match=r"app\.submit"):
        map_tasks(summarize, ["a"])


@on_loop
async def test_results_travel_as_the_list_they_stand_for() -> None:
    """An argument of results, or of a slice, or inside plain JSON, is written as it was recorded, undecoded."""
    found = Results(
        Outcomes([b'{"text":"0"}', b'{"text":"1"}']), lambda _: pytest.fail("decoded"), "t", range(2), wrap=False
    )
    with inside_workflow() as run:
        total(found)
        total(found[1:])
        anything({"reports": found})
    assert run.issued[0].payloads == [b'[{"text":"0"},{"text":"1"}]']
    assert run.issued[1].payloads == [b'[{"text":"1"}]']
    assert run.issued[2].payloads == [b'{"reports":[{"text":"0"},{"text":"1"}]}']


@on_loop
async def test_results_travel_into_native_types_too() -> None:
    """A task of a type that msgspec reads takes results as well."""

    @task
    async def add(values: list[int]) -> int: ...

    found, _ = results([b"1", b"2"])
    with inside_workflow() as run:
        add(found)
    assert run.issued[0].payloads == [b"[1,2]"]
