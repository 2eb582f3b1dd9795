"""The state tables, and that every edge of every table is walked by a real execution."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from holdfast.authoring import get_run, lock, map_tasks, side_effect, start_child
from holdfast.engine import machines
from holdfast.engine.machines import TABLES, State, Step, Table, advance, diagram
from holdfast.errors import HistoryError
from holdfast.history import Failure
from holdfast.ports.runtime import current_runtime
from tests.errands import charge, fetch
from tests.rehearsal import Rehearsal, Script

Rehearse = Callable[..., Rehearsal]
Edge = tuple[str, State, Step]


def edges() -> set[Edge]:
    """Return every edge of every table."""
    return {(name, state, step) for name, table in TABLES.items() for state, steps in table.items() for step in steps}


def test_every_step_that_a_table_does_not_name_is_illegal() -> None:
    """And the error says what would have been legal."""
    for name, table in TABLES.items():
        for state in State:
            for step in Step:
                if (name, state, step) in edges():
                    assert advance("it", table, state, step) is table[state][step]
                else:
                    with pytest.raises(HistoryError, match=f"it is {state.name}: {step.name} is illegal"):
                        advance("it", table, state, step)


def test_every_table_ends() -> None:
    """From every state an end can be reached, and nothing follows what is dropped."""
    for name, table in TABLES.items():
        for state in table:
            reached, left = set(), [state]
            while left:
                each = left.pop()
                if each not in reached:
                    reached.add(each)
                    left += table[each].values()
            assert any(not table[each] for each in reached), f"{name} cannot end from {state.name}"
        assert not table.get(State.DROPPED), name


def test_diagram() -> None:
    """The docs' diagram has one line for each edge."""
    assert diagram("timer", machines.TIMER) == (
        "stateDiagram-v2\n"
        "    %% timer\n"
        "    ISSUED --> OPEN: record\n"
        "    ISSUED --> DROPPED: cancel\n"
        "    OPEN --> RESOLVED: complete\n"
        "    OPEN --> DROPPED: cancel"
    )
    for name, table in TABLES.items():
        assert diagram(name, table).count("-->") == sum(len(steps) for steps in table.values())


# --- Transition coverage -----------------------------------------------------------------------------------------


async def _steps(_: Any) -> None:
    """Walk every kind of step through each of its lives."""
    for outcome in range(4):
        step = fetch(outcome)
        if outcome == 3:
            step.cancel()
        await asyncio.wait([step])
        step.cancelled() or step.exception()
    dropped = [fetch("recorded"), map_tasks(fetch, [1]), asyncio.create_task(asyncio.sleep(5))]  # virtual time
    dropped.append(asyncio.create_task(lock("a").__aenter__()))
    await charge()
    for each in dropped:
        each.cancel()
    runtime = current_runtime.get()
    for each in (side_effect(lambda: 0), runtime.park("dropped at once")):
        each.cancel()
    for each in (side_effect(lambda: 1), side_effect(lambda: 2), runtime.park("look")):
        await asyncio.wait([each])
        each.exception()
    dropped = [side_effect(lambda: 3), runtime.park("look again")]
    await charge()
    for each in dropped:
        each.cancel()
    for each in (map_tasks(fetch, [2]), asyncio.create_task(asyncio.sleep(6))):  # virtual time
        await asyncio.sleep(0)
        each.cancel()
    waiting = asyncio.create_task(lock("b").__aenter__())
    await asyncio.sleep(0)
    waiting.cancel()
    await map_tasks(fetch, [3])
    await asyncio.sleep(7)  # virtual time
    async with lock("c"):
        pass


async def _others(_: Any) -> None:
    """Walk children and messages through each of their lives."""
    taken_back = [start_child("kid", 0), get_run("other").signal("s", 0)]
    for each in taken_back:
        each.cancel()
    children = [start_child("kid", number) for number in range(1, 6)]
    sent = [get_run("other").signal("s", number) for number in range(1, 4)]
    await charge()
    children[3].cancel()  # before it has begun
    sent[2].cancel()
    await charge()
    children[4].cancel()
    await asyncio.wait([*children, *sent])
    for each in (*children, *sent):
        each.cancelled() or each.exception()


async def _answer(_: Any, item: Any) -> Any:
    if item == "fail":
        raise ValueError(item)
    return item


def _rehearse_all(rehearsal: Rehearsal) -> None:
    rehearsal.begin()
    rehearsal.update("u1", "answer", "fine")
    rehearsal.update("u2", "answer", "fail")
    rehearsal.complete("fetch#1")
    rehearsal.fail("fetch#2")
    rehearsal.time_out("fetch#3")
    rehearsal.complete("charge#1")
    rehearsal.effect("side_effect#2", 1)
    rehearsal.effect("side_effect#3", failure=Failure("ValueError", "no"))
    rehearsal.resume("park#2")
    rehearsal.complete("charge#2")
    rehearsal.fan_out("map#3", [(True, 1)])
    rehearsal.fire("sleep#3")
    rehearsal.grant("lock(c)#1")
    assert rehearsal.execution.closed
    rehearsal.close()


def _rehearse_others(rehearsal: Rehearsal) -> None:
    kid = [f"kid#{number}" for number in range(1, 7)]
    rehearsal.begin()
    rehearsal.start_child(kid[1])
    rehearsal.complete_child(kid[1])
    rehearsal.start_child(kid[2])
    rehearsal.fail_child(kid[2])
    rehearsal.fail_child(kid[3], "NOT_STARTED")
    rehearsal.start_child(kid[5])
    rehearsal.complete("charge#1")
    rehearsal.start_child(kid[4])
    rehearsal.complete("charge#2")
    rehearsal.complete_child(kid[4])
    rehearsal.fail_child(kid[5], "CANCELLED")
    rehearsal.deliver("signal(s)#2")
    rehearsal.deliver("signal(s)#3", Failure("RunClosedError", "over"))
    assert rehearsal.execution.closed
    rehearsal.close()


def test_every_edge_is_walked(rehearse: Rehearse, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a live execution or by its recovery; an edge nobody walks is dead, or untested."""
    walked: set[Edge] = set()
    real = machines.advance

    def noting(operation: str, table: Table, state: State, step: Step) -> State:
        walked.update((name, state, step) for name, each in TABLES.items() if each is table)
        return real(operation, table, state, step)

    monkeypatch.setattr(machines, "advance", noting)
    for script, play in (
        (Script(_steps, updates={"answer": _answer}), _rehearse_all),
        (Script(_others), _rehearse_others),
    ):
        rehearsal = rehearse(script, begin=False)
        play(rehearsal)
        for length in range(1, len(rehearsal.history) + 1):
            rehearsal.recover(rehearsal.history[:length])[0].evict()
    assert walked == edges()
