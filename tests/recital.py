"""Plays and replays in a process of its own: another hash seed, another Python.

Owns: the conversation: one JSON object in, one out.
Must not know: what the process that started it makes of the answers. It needs nothing but Holdfast's core.

    {"perform": [["gathering", [1, 2, ...]], [[program], [...]]], "replay": [[..., transcript], ...], "plant": "a bug"}
    {"performed": [{"transcript": "...", "commands": [...]}], "replayed": ["", "what went wrong", ...]}
"""

from __future__ import annotations

import json
import sys
from typing import Any

from holdfast.engine import futures, waits
from holdfast.errors import ReplayError
from holdfast.history import from_json, to_json
from tests.acts import Play
from tests.director import direct
from tests.rehearsal import Rehearsal, say
from tests.repertoire import REPERTOIRE


def work_of(named: Any) -> Any:
    """Return a workflow of the repertoire by its name, or one that acts out a program."""
    return REPERTOIRE[named] if isinstance(named, str) else Play(named)


def perform(named: Any, numbers: list[int]) -> dict[str, Any]:
    """Let things happen to a workflow; return its history and its commands in words."""
    stage = direct(work_of(named), numbers)
    stage.end()
    outcomes = {step: [body for _, body in each.items] for step, each in stage.outcomes.items()}
    transcript = to_json(stage.history, outcomes=outcomes).decode()
    return {"transcript": transcript, "commands": commands_of(stage)}


def commands_of(stage: Rehearsal) -> list[str]:
    """Return what a run asked for, with cause and place, as far as it is the same on every Python."""
    return [f"{each.cause}.{each.ordinal} {say(each)}" for each in stage.issued]


def replay(named: Any, transcript: str) -> str:
    """Replay a history; return what went wrong, nothing if nothing did."""
    history = from_json(transcript.encode())
    stage = Rehearsal(work_of(named), trace=True)
    stage.another = lambda: stage.make(stage.program, stage.guard, history.open_fan_out, trace=True)  # type: ignore[method-assign]
    try:
        execution, tail = stage.recover(history.events)
    except ReplayError as error:
        return str(error)
    finally:
        stage.end()
    closed = execution.closed
    execution.evict()
    return "" if closed and not tail else f"it does not end: {tail}"


def plant(bug: str) -> None:
    """Break the engine on purpose."""
    if bug == "address hashes":
        for kind in (futures.OrderedTask, futures.OrderedFuture, futures.StepFuture):
            kind.__hash__ = object.__hash__  # type: ignore[method-assign, assignment]
    if bug == "asyncio's own constructs":
        waits.install = lambda: None


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    plant(request.get("plant", ""))
    answer = {
        "performed": [perform(*each) for each in request.get("perform", [])],
        "replayed": [replay(*each) for each in request.get("replay", [])],
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
