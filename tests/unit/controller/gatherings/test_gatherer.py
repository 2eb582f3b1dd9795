"""Events that become one run, in the real stack, on a time that a test moves: stacks die, and nothing is lost."""

from __future__ import annotations

import pytest

from holdfast import Batch, Debounce, task, workflow
from holdfast.errors import DefinitionError, EncodeError, InputError
from holdfast.testing import World


@workflow
async def digest(events: list[int]) -> int:
    """Add up what came."""
    return sum(events)


@workflow
async def rebuild(newest: str) -> str:
    """Return what it was given."""
    return newest


@workflow
async def pair(first: list[int], second: int = 0) -> int:
    """Take more than one argument."""
    return len(first) + second


@task
async def store(rows: list[str]) -> int:
    """Count rows."""
    return len(rows)


def records(world):
    """Return all runs."""
    found, _ = world._driver.call(lambda: world._driver.stack.store.runs(limit=500))
    return found


def test_a_burst_becomes_one_run_with_its_last_event():
    """While events go on coming no run begins; it begins when it was quiet, with the last of them."""
    with World(definitions=[rebuild]) as world:
        for number in range(5):
            first = world.gather(rebuild, f"v{number}", debounce="30s")
            world.advance("20s")
        assert not records(world)
        world.advance("10s")
        assert world.result(first.run_id) == "v4"
        assert len(records(world)) == 1


def test_a_burst_that_does_not_end_begins_its_run_all_the_same():
    """A run begins `at_most` after the first event though they go on coming, and the next gathering goes on."""
    with World(definitions=[rebuild]) as world:
        ids = []
        for number in range(9):
            ids.append(world.gather(rebuild, f"v{number}", debounce=Debounce("30s", at_most="1m")).run_id)
            world.advance("20s")
        assert world.result(ids[0]) == "v2"
        assert [ids.count(each) for each in dict.fromkeys(ids)] == [3, 3, 3]


def test_a_batch_begins_when_it_is_full_or_when_its_time_has_come():
    """Three are enough, and begin at once; a fourth waits for its time. Each key gathers by itself."""
    with World(definitions=[digest]) as world:
        batch = Batch(3, within="1m")
        full = [world.gather(digest, number, key="a", batch=batch) for number in (1, 2, 3)][-1]
        assert world.result(full.run_id) == 6
        late = world.gather(digest, 4, key="a", batch=batch)
        other = world.gather(digest, 5, key="b", batch=batch)
        world.advance("59s")
        assert len(records(world)) == 1
        world.advance("1s")
        assert (world.result(late.run_id), world.result(other.run_id)) == (4, 5)
        assert {each.run_id: each.attributes for each in records(world)}[other.run_id] == {"gathered": '"b"'}


@pytest.mark.parametrize("seconds", [0, 5, 10, 11])
def test_a_stack_that_dies_loses_no_event_and_begins_no_run_twice(seconds):
    """Whenever the stack is killed, before, while or after the time comes: all events are in one run."""
    with World(definitions=[digest]) as world:
        for number in range(4):
            gathered = world.gather(digest, number, batch=Batch(100, within="10s"), event_id=f"e-{number}")
        world.advance(seconds)
        world.crash()
        again = world.gather(digest, 3, batch=Batch(100, within="10s"), event_id="e-3")
        assert again.is_repeated
        assert again.run_id == gathered.run_id
        world.advance("1m")
        assert world.result(gathered.run_id) == 6
        assert len(records(world)) == 1


def test_a_task_takes_a_batch_too():
    """A task on its own is given what gathered."""
    with World(definitions=[store]) as world:
        last = [world.gather(store, row, batch=Batch(2, within="1m")) for row in "ab"][-1]
        assert world.result(last.run_id) == 2


def test_what_cannot_gather_is_refused():
    """No way to gather, two of them, a workflow that takes no list, an event of the wrong type: each is one error."""
    with World(definitions=[digest, rebuild]) as world:
        with pytest.raises(DefinitionError, match="neither debounce nor batch"):
            world.gather(digest, 1)
        with pytest.raises(DefinitionError, match="both"):
            world.gather(digest, 1, debounce="1s", batch=Batch(2, within="1s"))
        with pytest.raises(EncodeError):
            world.gather(digest, "one", batch=Batch(2, within="1s"))
        with pytest.raises(InputError, match="one list"):
            world.gather(pair, 1, batch=Batch(2, within="1s"))
        assert not records(world)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Batch(0, within="1s"),
        lambda: Batch(10_001, within="1s"),
        lambda: Batch(2, within=0),
        lambda: Debounce(0),
        lambda: Debounce("1m", at_most="30s"),
    ],
)
def test_what_never_ends_or_never_waits_is_no_gathering(make):
    """Sizes and times that make no sense are refused where they are written."""
    with pytest.raises(DefinitionError):
        make()
