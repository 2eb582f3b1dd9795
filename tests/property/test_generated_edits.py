"""Generated edits of generated workflows: how many of those that change a decision the replayer misses.

Whether an edit changes a decision is found out without a replay: both programs are performed from the start, and what
they ask for is compared. `pytest -s` prints the rates; run as a module (`python -m tests.property.test_generated_edits
COUNT`) it prints them for as many edits as one likes.
"""

from __future__ import annotations

import copy
import sys
from collections import Counter
from random import Random
from typing import Any

from holdfast.authoring import workflow
from holdfast.replay import History, ReplayResult, Verdict, WorkflowReplayer
from tests.acts import LEAVES, Program, Scene, make_up, run
from tests.director import direct
from tests.rehearsal import Rehearsal, say
from tests.unit.replay.rig import history_of

EDITS = 200
SEED = 20261129
PLAIN = {"call": "task", "keyed": "task", "sleep": "timer", "map": "map"}
"""Leaves that can be edited, and what they ask for. Patches are left out: adding one is no change to old runs."""


def work_of(program: Program) -> Any:
    """Return a workflow that acts out a program."""

    @workflow(name="made-up")
    async def made_up(_: Any = None) -> Any:
        return await run(Scene(), program)

    return made_up


def perform(program: Program, numbers: list[int]) -> tuple[History, list[str]]:
    """Let things happen to a program; return its history, and what it asked for in words."""
    stage: Rehearsal = direct(work_of(program), numbers)
    stage.end()
    return history_of(stage), [f"{each.cause}.{each.ordinal} {say(each)}" for each in stage.issued]


def edit(program: Program, chance: Random) -> tuple[str, list[Any]]:
    """Return a program with one edit, and what kind of edit it is."""
    edited: list[Any] = copy.deepcopy([_thawed(each) for each in program])
    places = [(edited, index) for index in range(len(edited))]
    for nodes, index in list(places):
        places += _inner(nodes[index])
    nodes, index = chance.choice(places)
    leaf, *arguments = chance.choice([each for each in LEAVES if each[0] in PLAIN])
    node = [leaf, *(chance.choice(list(each)) for each in arguments)]
    match chance.choice(["insert", "remove", "replace", "change"]):
        case "insert":
            nodes[index] = ["several", node, nodes[index]]
            return "insert", edited
        case "remove":
            nodes[index] = ["uuid"]
            return "remove", edited
        case "replace":
            nodes[index] = node
            return "replace", edited
        case _:
            for position, value in enumerate(nodes[index][1:], 1):
                if isinstance(value, int) and not isinstance(value, bool):
                    nodes[index][position] = value + 1
            return "change", edited


def _thawed(node: Any) -> Any:
    return [_thawed(each) for each in node] if isinstance(node, list | tuple) else node


def _inner(node: Any) -> list[tuple[Any, int]]:
    places = [(node, index) for index, each in enumerate(node) if isinstance(each, list)]
    for nodes, index in list(places):
        places += _inner(nodes[index])
    return places


def try_edits(count: int) -> tuple[Counter[str], list[tuple[Program, list[Any], str]]]:
    """Replay `count` edits that change a decision, and those met on the way that do not; return what came of them."""
    chance = Random(SEED)
    told: Counter[str] = Counter()
    wrong: list[tuple[Program, list[Any], str]] = []
    while told["edits"] < count:
        program = make_up(chance)
        numbers = [chance.randrange(10_000) for _ in range(chance.randint(0, 40))]
        history, before = perform(program, numbers)
        kind, edited = edit(program, chance)
        _, after = perform(edited, numbers)
        result = WorkflowReplayer(work_of(edited)).replay(history)
        is_found = result.verdict in (Verdict.DIVERGED, Verdict.PAYLOAD_INCOMPATIBLE)
        if before == after:
            told["harmless"] += 1
            told["false alarms"] += is_found
        else:
            told["edits"] += 1
            told["missed"] += not is_found
            told[f"{kind}: {_first(result)}"] += 1
        if is_found != (before != after):
            wrong.append((program, edited, kind))
    return told, wrong


def _first(result: ReplayResult) -> str:
    return str(result.divergences[0].kind) if result.divergences else str(result.verdict)


def test_generated_edits_are_found() -> None:
    """None of 200 that change a decision is missed, and none of the others raises an alarm."""
    told, wrong = try_edits(EDITS)
    print(
        f"\n{told['missed']} of {told['edits']} edits missed, {told['false alarms']} of {told['harmless']} false alarms"
    )
    assert wrong == []
    assert told["harmless"] > 10


if __name__ == "__main__":
    rates, _ = try_edits(int(sys.argv[1]))
    for words, number in sorted(rates.items()):
        print(f"{words:<40}{number:>6}")
