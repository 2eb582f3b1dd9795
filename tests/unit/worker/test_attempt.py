"""An attempt ends once, whatever happens at the same time; those that wait are served in order."""

from __future__ import annotations

import pytest

from holdfast.history import Failure
from holdfast.worker.attempt import Attempt
from holdfast.worker.line import Line
from tests.unit.worker.rig import WallClock, call


async def nothing():
    """Do nothing."""


def make_attempt(outcomes, **options):
    """Return an attempt that notes its outcomes."""
    return Attempt(call(nothing, **options), WallClock(), lambda _, outcome: outcomes.append(outcome))


@pytest.mark.parametrize("first", ["succeed", "fail", "cancel", "stopped"])
def test_the_first_end_counts(first):
    """Only the first end of an attempt is told."""
    outcomes = []
    attempt = make_attempt(outcomes)
    ends = {
        "succeed": lambda: attempt.succeed(b"1"),
        "fail": lambda: attempt.fail(Failure("ValueError", "no")),
        "cancel": attempt.cancel,
        "stopped": attempt.stopped,
    }
    for end in (ends.pop(first), *ends.values()):
        end()
    assert len(outcomes) == 1
    assert (outcomes[0].result is not None) == (first == "succeed")
    assert outcomes[0].cancelled == (first == "cancel")


def test_a_released_place_is_taken_by_the_first_in_line():
    """Who waits is served in order, without those that were cancelled meanwhile."""
    line = Line(1)
    line.enter()
    attempts = [make_attempt([]) for _ in range(4)]
    served = []

    def begin(attempt):
        line.enter()
        served.append(attempts.index(attempt))

    for attempt in attempts:
        line.join(attempt, begin)
    attempts[0].cancel()
    line.leave()
    line.leave()
    assert served == [1, 2]
    assert (line.running, line.waiting) == (1, 1)


def test_a_long_line_of_attempts_that_end_at_once_needs_no_deep_stack():
    """Serving does not recurse."""
    line = Line(1)
    line.enter()
    served = []

    def begin(attempt):
        line.enter()
        served.append(attempt)
        line.leave()

    for _ in range(10_000):
        line.join(make_attempt([]), begin)
    line.leave()
    assert len(served) == 10_000
    assert line.running == 0
