"""What a fleet knows of a host follows from what it is told, and from nothing else."""

from __future__ import annotations

import random
from bisect import bisect_left
from itertools import pairwise

import pytest

from holdfast.ports.hosts import (
    COOL_SECONDS,
    COOL_SECONDS_MAX,
    FAILURES_MIN,
    PACED_SECONDS,
    PROBE_SECONDS,
    WINDOW_SECONDS,
    Frozen,
    HostState,
    Outcomes,
    Probe,
    Probed,
    Turn,
    learn,
)

NOW = 1_000_000.0


def opened() -> HostState:
    """Return a state whose circuit has just opened."""
    return learn(HostState(), Outcomes(FAILURES_MIN, 0, "reset"), NOW).state


def test_a_circuit_opens_when_most_calls_fail() -> None:
    """Not for a few failures, nor for a small share of them."""
    few = learn(HostState(), Outcomes(FAILURES_MIN - 1, 0, "reset"), NOW).state
    assert few.circuit(NOW) == "closed"
    assert learn(few, Outcomes(1, 0, "time-out"), NOW + 1).state.circuit(NOW + 1) == "open"
    assert learn(few, Outcomes(1, 100, "time-out"), NOW + 1).state.circuit(NOW + 1) == "closed"
    assert learn(few, Outcomes(1, 0, "time-out"), NOW + WINDOW_SECONDS).state.circuit(NOW + WINDOW_SECONDS) == "closed"


def test_one_caller_finds_out_whether_a_host_is_back() -> None:
    """Nobody while it is open, then one at a time; one that says nothing is followed by another."""
    state = opened()
    refused = learn(state, Probe("a"), NOW + 1)
    assert (refused.granted, refused.at) == (False, NOW + COOL_SECONDS)
    later = NOW + COOL_SECONDS
    assert state.circuit(later) == "half-open"
    first = learn(state, Probe("a"), later)
    assert first.granted
    second = learn(first.state, Probe("b"), later + 1)
    assert (second.granted, second.at) == (False, later + PROBE_SECONDS)
    assert learn(first.state, Probe("b"), later + PROBE_SECONDS).granted


def test_a_probe_closes_the_circuit_or_opens_it_for_longer() -> None:
    """Twice as long each time, up to a bound; once it is closed everything begins anew."""
    state, now, cools = opened(), NOW, []
    for _ in range(8):
        cools.append(state.open_until - now)
        now = state.open_until
        state = learn(state, Probe("a"), now).state
        state = learn(state, Probed("b", succeeded=False, reason="another one's"), now).state
        assert state.circuit(now) == "half-open"
        state = learn(state, Probed("a", succeeded=False, reason="reset"), now).state
    assert cools == [min(COOL_SECONDS_MAX, COOL_SECONDS * 2**each) for each in range(8)]
    closed = learn(state, Probed("a", succeeded=True), state.open_until).state
    assert (closed.circuit(NOW), closed.openings, closed.failed) == ("closed", 0, 0)
    late = learn(closed, Outcomes(FAILURES_MIN, 0, "began before", at=closed.closed_at - 1), closed.closed_at + 1).state
    assert late == closed


def test_a_frozen_host_stays_frozen_for_the_longest() -> None:
    """A shorter wait does not thaw it, and nobody is left alone for more than a day."""
    state = learn(HostState(), Frozen(60.0, "a"), NOW).state
    state = learn(state, Frozen(5.0, "b"), NOW).state
    assert (state.frozen_until, state.frozen_by) == (NOW + 60.0, "a")
    assert learn(state, Frozen(1e9, "c"), NOW).state.frozen_until == NOW + 86_400.0


@pytest.mark.parametrize(("amount", "per"), [(1, 1.0), (3, 0.5), (10, 1.0), (50, 1.0), (100, 60.0), (5000, 3600.0)])
def test_no_window_has_more_calls_than_the_host_takes(amount: int, per: float) -> None:
    """Whenever turns are asked for, in bursts and after pauses; and not much less than it takes."""
    draw = random.Random(amount)
    state = learn(HostState(), Frozen(0.0, "", float(amount), per), NOW).state
    now, turns, asks = NOW, [], 0
    while len(turns) < 3 * amount + 30:
        reply = learn(state, Turn(), now)
        state = reply.state
        asks += 1
        if reply.granted:
            turns.append(reply.at)
        now = max(now, reply.at - 5.0) if not reply.granted else now + draw.choice([0.0, 0.0, 0.0, per / amount / 2])
    assert turns == sorted(turns)
    for index, turn in enumerate(turns):
        within = bisect_left(turns, turn + per) - index
        assert within <= amount, (index, within)
    if amount >= 10:
        assert len(turns) / (turns[-1] - turns[0]) >= 0.85 * amount / per


def test_those_who_come_too_early_come_back_one_after_another() -> None:
    """Each gets another time, at the pace of the host."""
    state = learn(HostState(), Frozen(20.0, "a", 10.0, 1.0), NOW).state
    times = []
    for _ in range(50):
        reply = learn(state, Turn(), NOW)
        assert not reply.granted
        state = reply.state
        times.append(reply.at)
    assert times[0] >= NOW + 20.0
    assert all(later - earlier > 0.1 for earlier, later in pairwise(times))


def test_a_pace_that_nobody_waits_for_is_forgotten() -> None:
    """Whoever called too often once is not slowed down for ever."""
    state = learn(HostState(), Frozen(0.0, "a", 10.0, 1.0), NOW).state
    assert state.is_paced(NOW + PACED_SECONDS - 1)
    assert not state.is_paced(NOW + PACED_SECONDS)
    assert learn(state, Turn(), NOW + PACED_SECONDS).granted
    assert state.is_plain(NOW + PACED_SECONDS)
