"""What a fleet knows together of a host that it calls: whether to call it now, and how fast.

Owns: the state of a host, and what each thing that is learned makes of it.
Must not know: HTTP, where states are kept, who asks.

Theory of operation
===================

A host is *frozen* when it said to come again later. It is *paced* when it said how much it takes within some time and
was asked for more. Its *circuit* is open when it fails:

    closed ── FAILURES_MIN failures within WINDOW_SECONDS, and FAILED_SHARE of all calls ──► open
    open ── COOL_SECONDS, doubled with each opening in a row ──► half-open
    half-open ── one caller probes: it answers ──► closed; it fails ──► open; it says nothing for PROBE_SECONDS ──►
    another

Nothing of it is counted in one process alone. A state is a value; `learn` says what a fact makes of it, so that a store
and a process without one decide alike.

Pace. Calls of a paced host take turns, which are spaced so that no window of its length sees more than it allows: 0.9
of what was announced as a steady stream, and nearly all of the rest as a burst (this is the generic cell rate algorithm
of ITU-T I.371). A turn within TURN_AHEAD_SECONDS is the caller's. Whoever comes when it would be later gets a time at
which to ask again, each another one, so that thousands that wait do not all come at once.
"""

from __future__ import annotations

from typing import Final, TypeAlias, assert_never

import msgspec

from holdfast.ports.mappings import Step

FAILURES_MIN: Final = 5
"""Fewer failures within the window open no circuit."""
FAILED_SHARE: Final = 0.5
"""Nor does a smaller share of all calls that were counted."""
WINDOW_SECONDS: Final = 30.0
COOL_SECONDS: Final = 15.0
"""How long a circuit stays open the first time ..."""
COOL_SECONDS_MAX: Final = 300.0
"""... and at most."""
PROBE_SECONDS: Final = 30.0
"""Whoever probes and says nothing for so long has died."""
FREEZE_SECONDS_MAX: Final = 86_400.0
"""A host that wants more than this is asked again after it."""
STEADY_SHARE: Final = 0.9
TURN_AHEAD_SECONDS: Final = 5.0
PACED_SECONDS: Final = 3_600.0
"""A pace nobody had to wait for is forgotten after this."""


class HostState(msgspec.Struct, frozen=True, gc=False):
    """What is known of one host. Times are seconds since the epoch, 0 for never. Kept: fields are only appended."""

    frozen_until: float = 0.0
    frozen_by: str = ""
    """Whose call was told to come again later."""
    amount: float = 0.0
    """How many calls the host takes within `per` seconds; 0 where it did not say so, or nobody exceeds it."""
    per: float = 0.0
    paced_until: float = 0.0
    turn_at: float = 0.0
    """When the calls that have had their turns so far would be through as a steady stream."""
    line_at: float = 0.0
    """When the last one that was told to ask again was told to."""
    since: float = 0.0
    """When the window began in which calls are counted."""
    failed: int = 0
    succeeded: int = 0
    """As far as it was told: callers tell it along with failures."""
    open_until: float = 0.0
    """0 while the circuit is closed."""
    openings: int = 0
    """How often it opened in a row."""
    reason: str = ""
    """How the last call failed that opened it."""
    probe_until: float = 0.0
    probe_by: str = ""
    closed_at: float = 0.0
    """When the circuit last closed."""
    drifting: dict[str, int] = msgspec.field(default_factory=dict)
    """Numbers of open reports by what is called: answers are not as code expects them, and nobody calls that."""
    mappings: dict[str, tuple[Step, ...]] = msgspec.field(default_factory=dict)
    """By what is called, how an answer of a new shape is read as one of the old; somebody approved it."""

    def circuit(self, now: float) -> str:
        """Return `closed`, `open` or `half-open`."""
        if not self.open_until:
            return "closed"
        return "open" if now < self.open_until else "half-open"

    def is_paced(self, now: float) -> bool:
        """Say whether calls have to take turns."""
        return self.amount > 0.0 and now < self.paced_until

    def is_plain(self, now: float) -> bool:
        """Say whether there is nothing that anybody has to know."""
        return not (self.open_until or self.failed or self.drifting or self.frozen_until > now or self.is_paced(now))


class Outcomes(msgspec.Struct, frozen=True, tag=True):
    """Calls ended; one at least of them failed."""

    failed: int
    succeeded: int
    """Since the caller last said so."""
    reason: str
    at: float = 0.0
    """When the last one that failed began, 0 for now: one from before the circuit closed says nothing about it."""


class Frozen(msgspec.Struct, frozen=True, tag=True):
    """The host said to come again in so many seconds, and maybe what it takes."""

    seconds: float
    by: str
    amount: float = 0.0
    per: float = 0.0


class Turn(msgspec.Struct, frozen=True, tag=True):
    """Somebody wants to call a paced host. Reply: when, and whether that is a turn or only a time to ask again."""


class Probe(msgspec.Struct, frozen=True, tag=True):
    """Somebody wants to find out whether a host with an open circuit is back. Reply: whether it may, else when."""

    by: str


class Probed(msgspec.Struct, frozen=True, tag=True):
    """A probe ended."""

    by: str
    succeeded: bool
    reason: str = ""


HostFact: TypeAlias = Outcomes | Frozen | Turn | Probe | Probed


class HostReply(msgspec.Struct, frozen=True, gc=False):
    """What became of a host's state, and what whoever told or asked may do."""

    state: HostState
    granted: bool = True
    at: float = 0.0
    """When a turn is, or when to ask again."""


def learn(state: HostState, fact: HostFact, now: float) -> HostReply:
    """Return what a fact that is told at `now` makes of a host's state."""
    match fact:
        case Outcomes():
            return HostReply(_count(state, fact, now))
        case Frozen():
            return HostReply(_freeze(state, fact, now))
        case Turn():
            return _take_turn(state, now)
        case Probe():
            return _let_probe(state, fact.by, now)
        case Probed():
            return HostReply(_end_probe(state, fact, now))
        case _:
            assert_never(fact)


def _count(state: HostState, fact: Outcomes, now: float) -> HostState:
    if state.open_until or 0.0 < fact.at < state.closed_at:  # these are calls that were under way
        return state
    if now - state.since >= WINDOW_SECONDS:
        state = msgspec.structs.replace(state, since=now, failed=0, succeeded=0)
    failed, succeeded = state.failed + fact.failed, state.succeeded + fact.succeeded
    state = msgspec.structs.replace(state, failed=failed, succeeded=succeeded)
    if failed >= FAILURES_MIN and failed >= FAILED_SHARE * (failed + succeeded):
        return _open(state, fact.reason, now)
    return state


def _open(state: HostState, reason: str, now: float) -> HostState:
    cool = min(COOL_SECONDS_MAX, COOL_SECONDS * 2.0 ** min(state.openings, 10))
    return msgspec.structs.replace(
        state,
        open_until=now + cool,
        openings=state.openings + 1,
        reason=reason,
        since=now,
        failed=0,
        succeeded=0,
        probe_until=0.0,
        probe_by="",
    )


def _let_probe(state: HostState, by: str, now: float) -> HostReply:
    match state.circuit(now):
        case "closed":
            return HostReply(state)
        case "open":
            return HostReply(state, granted=False, at=state.open_until)
        case _ if state.probe_until > now:
            return HostReply(state, granted=False, at=state.probe_until)
        case _:
            return HostReply(msgspec.structs.replace(state, probe_until=now + PROBE_SECONDS, probe_by=by))


def _end_probe(state: HostState, fact: Probed, now: float) -> HostState:
    if not state.open_until:
        return state
    if fact.succeeded:
        return msgspec.structs.replace(
            state,
            open_until=0.0,
            openings=0,
            reason="",
            since=now,
            failed=0,
            succeeded=0,
            probe_until=0.0,
            probe_by="",
            closed_at=now,
        )
    return _open(state, fact.reason, now) if state.probe_by == fact.by else state


def _freeze(state: HostState, fact: Frozen, now: float) -> HostState:
    until = now + min(max(0.0, fact.seconds), FREEZE_SECONDS_MAX)
    if until > state.frozen_until:
        state = msgspec.structs.replace(state, frozen_until=until, frozen_by=fact.by)
    if fact.amount > 0.0 and fact.per > 0.0:
        state = msgspec.structs.replace(state, amount=fact.amount, per=fact.per, paced_until=now + PACED_SECONDS)
    return msgspec.structs.replace(state, turn_at=max(state.turn_at, until))


def _take_turn(state: HostState, now: float) -> HostReply:
    if not state.is_paced(now):
        return HostReply(state, at=max(now, state.frozen_until))
    spacing = state.per / (state.amount * STEADY_SHARE)
    burst = max(0.0, state.amount * (1.0 - STEADY_SHARE) // 1 - 1.0)
    steady = max(now, state.turn_at)
    at = max(now, state.frozen_until, steady - burst * spacing)
    if at - now <= TURN_AHEAD_SECONDS:
        paced_until = max(state.paced_until, now + PACED_SECONDS) if at > now else state.paced_until
        taken = msgspec.structs.replace(state, turn_at=steady + spacing, paced_until=paced_until)
        return HostReply(taken, at=at)
    again = max(state.line_at, at) + spacing
    return HostReply(msgspec.structs.replace(state, line_at=again), granted=False, at=again)
