"""Results of tasks have contracts: what breaks one is no result."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from holdfast import task
from holdfast.errors import ApiDrift, DefinitionError
from holdfast.ports.results import results
from tests.unit.worker.rig import on_loop


class Rate(BaseModel):
    """What a night costs."""

    cents: int


@task(contract=Rate)
async def quote(cents: Any) -> dict[str, Any]:
    """Say what a night costs."""
    return {"cents": cents}


@task(contract=Rate)
def quote_and_block(cents: Any) -> dict[str, Any]:
    """Say it, and block."""
    return {"cents": cents}


@task(contract="learn", matches=["state"])
async def look_up(name: str) -> dict[str, Any]:
    """Look something up."""
    return {"name": name}


@task(contract="learn")
def look_up_and_block(name: str) -> dict[str, Any]:
    """Look it up, and block."""
    return {"name": name}


@on_loop
async def test_a_result_that_is_not_of_the_type_is_a_drift():
    """It says where, and no value; a result that is one is returned as it is."""
    assert await quote.local(5) == {"cents": 5}
    with pytest.raises(ApiDrift) as caught:
        await quote.local({"is": "secret"})
    error = caught.value
    assert error.changes == (("cents", "a valid integer", "an object"),)
    assert (error.host, error.endpoint, error.contract) == ("task quote", "result", "Rate")
    assert "secret" not in str(error)
    assert "task quote: its result is no Rate" in str(error)


def test_a_task_that_blocks_has_one_as_well():
    """And it is still the same function for whoever looks at it."""
    assert quote_and_block.local(5) == {"cents": 5}
    with pytest.raises(ApiDrift):
        quote_and_block.local("5 EUR")
    assert quote_and_block.fn.__name__ == "quote_and_block"


class Noting:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def refuse(self, task: str) -> None:
        """Note it."""
        self.asked.append(("refuse", task))

    def refuse_and_block(self, task: str) -> None:
        """Note it."""
        self.asked.append(("refuse", task))

    async def hold(self, task: str, result: bytes, matches: Any) -> bytes:
        """Note it."""
        self.asked.append((task, result, set(matches)))
        return result

    def hold_and_block(self, task: str, result: bytes, matches: Any) -> bytes:
        """Note it."""
        self.asked.append((task, result, set(matches)))
        return result

    async def mapped(self, task: str, result: bytes) -> bytes | None:
        """Do the same."""
        return self.mapped_and_block(task, result)

    def mapped_and_block(self, task: str, result: bytes) -> bytes | None:
        """Read one text as a number, of one task."""
        return result.replace(b'"five"', b"5") if task == "quote" else None


@on_loop
async def test_what_is_learned_is_asked_before_and_told_after():
    """Where a store is behind the task; a type needs none."""
    noting = Noting()
    assert await look_up.local("x") == {"name": "x"}
    end = results.serve(lambda: noting)
    try:
        await look_up.local("x")
        look_up_and_block.local("y")
        await quote.local(5)
    finally:
        end()
    assert noting.asked == [
        ("refuse", "look_up"),
        ("look_up", b'{"name":"x"}', {"state"}),
        ("refuse", "look_up_and_block"),
        ("look_up_and_block", b'{"name":"y"}', set()),
        ("refuse", "quote"),
    ]


@on_loop
async def test_a_mapping_that_was_accepted_makes_a_result_of_what_breaks_the_type():
    """Where there is one, and it mends it."""
    end = results.serve(Noting)
    try:
        assert await quote.local("five") == {"cents": 5}
        with pytest.raises(ApiDrift):
            await quote.local("5 EUR")
        with pytest.raises(ApiDrift):
            quote_and_block.local("five")
    finally:
        end()


@pytest.mark.parametrize("wrong", [{"contract": object()}, {"contract": "learn", "matches": "state"}])
def test_what_cannot_be_a_contract_is_refused_where_it_is_written(wrong):
    """Types that nobody can read, and one text for several paths."""
    with pytest.raises(DefinitionError):
        task(**wrong)(lambda: None)
