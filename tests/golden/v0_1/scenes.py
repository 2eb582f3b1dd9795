"""How the histories of version 0.1 came about: run only to write one that is missing, and kept for whoever wonders."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from holdfast.history import Failure, SignalReceived, TaskCompleted
from tests.golden.v0_1 import workflows
from tests.rehearsal import Rehearsal

ORDER = {"id": "o-1", "items": ["a", "b"], "total": 9.5}


def _order() -> Rehearsal:
    stage = _begin(workflows.order, ORDER)
    stage.grant("lock(account:o-1)#1", 41)
    stage.time += 0.25
    stage.complete("charge#1", {"order": "o-1", "amount": 9.5})
    stage.complete("ship#2", "s2")
    stage.complete("ship#1", "s1")
    return stage


def _order_undone() -> Rehearsal:
    stage = _begin(workflows.order_undone, ORDER)
    stage.complete("charge[o-1]", {"order": "o-1", "amount": 9.5})
    stage.fail("ship#2", "OutOfStock", "no b")
    stage.complete("refund#1")
    return stage


def _review() -> Rehearsal:
    stage = _begin(workflows.Review, 2)
    stage.signal("approve", "ann")
    stage.update("u1", "add", "x.txt")
    stage.update("u2", "add", "x.txt")
    stage.signal("look_up", "y.txt")
    stage.complete("fetch#1")
    stage.signal("approve", 5)
    stage.signal("approve", "bob")
    stage.complete("summarize#1", {"title": "Y"})
    stage.fire("sleep#2")
    return stage


def _review_too_late() -> Rehearsal:
    stage = _begin(workflows.Review, 2)
    stage.signal("approve", "ann")
    stage.fire("sleep#1")
    return stage


def _report() -> Rehearsal:
    stage = _begin(workflows.report, ["a.txt", "b.txt"])
    stage.fan_out("map#1", [(True, {"title": "A"}), (True, {"title": "B"})])
    stage.fan_out("map[lenient]", [(True, 10), (False, Failure("KeyError", "2")), (True, 30)])
    stage.grant("lock(printer)#1", 7)
    stage.fire("sleep#1")
    return stage


def _race() -> Rehearsal:
    stage = _begin(workflows.race, [f"n{number}" for number in range(10)])
    stage.complete("fetch#7", "seventh")
    for number in (13, 11, 20, 12, 14, 19, 18, 15, 17, 16):
        stage.complete(f"fetch#{number}", number)
    return stage


def _patient() -> Rehearsal:
    stage = _begin(workflows.patient)
    stage.signal("other", "kept for nobody")
    stage.signal("go", {"by": "ann"})
    stage.fire("sleep#1")
    stage.complete("fetch#1", "d")
    return stage


def _careful() -> Rehearsal:
    stage = _begin(workflows.careful, "x")
    stage.complete("fetch#1")
    stage.cancel("not wanted")
    stage.complete("refund#1")
    return stage


def _doomed() -> Rehearsal:
    stage = _begin(workflows.doomed, "x")
    stage.time_out("fetch#1")
    return stage


def _large() -> Rehearsal:
    stage = _begin(workflows.large, 2)
    stage.complete("fetch#1", "y" * 5000)
    stage.complete("fetch#2", "z" * 9000)
    return stage


def _crossing() -> Rehearsal:
    stage = _begin(workflows.crossing)
    quick = TaskCompleted(stage.time, 0, "fetch#4", b"1")
    late = TaskCompleted(stage.time, 0, "fetch#2", b"2")
    stage.page(quick, late, SignalReceived(stage.time, 0, "ignored", b"null", "s"))
    stage.fire("sleep#1")
    return stage


def _running() -> Rehearsal:
    stage = _begin(workflows.order, ORDER)
    stage.grant("lock(account:o-1)#1", 41)
    stage.complete("charge#1", {"order": "o-1", "amount": 9.5})
    stage.complete("ship#2", "s2")
    return stage


def _begin(workflow: Any, input: Any = None) -> Rehearsal:
    stage = Rehearsal(workflow, seed=20261123)
    stage.time = 1795549081.5
    stage.begin(json.loads(json.dumps(input)))
    return stage


SCENES: dict[str, tuple[Any, Callable[[], Rehearsal]]] = {
    "order": (workflows.order, _order),
    "order-running": (workflows.order, _running),
    "order-undone": (workflows.order_undone, _order_undone),
    "review": (workflows.Review, _review),
    "review-too-late": (workflows.Review, _review_too_late),
    "report": (workflows.report, _report),
    "race": (workflows.race, _race),
    "patient": (workflows.patient, _patient),
    "careful": (workflows.careful, _careful),
    "doomed": (workflows.doomed, _doomed),
    "large": (workflows.large, _large),
    "crossing": (workflows.crossing, _crossing),
}
"""Workflow and scene of each history, by the name of its file."""
