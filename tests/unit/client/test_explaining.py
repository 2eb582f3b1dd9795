"""What is said of a run that does not move, from its records alone."""

from __future__ import annotations

import msgspec
import pytest

from holdfast.client.explaining import ASKED_EVENTS_MAX, Situation, can_answer, decide_causes, gist
from holdfast.history import (
    Attempt,
    CallbackOpened,
    ChildCancelRequested,
    ChildScheduled,
    ChildStarted,
    Failure,
    FanOutStarted,
    LockRequested,
    MessageSent,
    SignalReceived,
    TaskCompleted,
    TaskScheduled,
    TimerStarted,
)
from holdfast.ports.callbacks import Callbacks, name_of, token_of, unsigned
from holdfast.ports.engine import Waiting
from holdfast.ports.operations import (
    FanOutRecord,
    InboxRow,
    LockRecord,
    MemberRecord,
    PoolRecord,
    QueueRecord,
    RunRecord,
)
from tests.unit.controller.rig import on_loop, serving

NOW = 1_000.0
TASK = TaskScheduled(900.0, 1, 0, "charge#1", "charge", b"1", "gpu")


def run(status: str = "RUNNING", **more: object) -> RunRecord:
    """Return a run."""
    record = RunRecord(1, "r", "r", "W", status, 0.0, None, "", b"", "", 3, "", 0, None)
    return msgspec.structs.replace(record, **more)


def member(
    kind: str = "stack",
    state: str = "alive",
    workflows: tuple[str, ...] = ("W",),
    versions: dict[str, str] | None = None,
) -> MemberRecord:
    """Return a member with a lease."""
    return MemberRecord(1, "m", kind, "here", 1, 1, state, 0.0, NOW + 9, workflows, (), 0, 0, 0, versions or {})


def queued(owner: str = "", visible_at: float = 0.0, failures: bytes = b"") -> QueueRecord:
    """Return a row of the queue."""
    return QueueRecord(1, 1, "charge#1", "charge", "gpu", 4, visible_at, owner, b"", failures)


def lock(holder: str, expires_at: float | None = None) -> LockRecord:
    """Return who holds the till."""
    return LockRecord("till", 1, holder, True, 7, 0.0, expires_at)


FAILURES = msgspec.msgpack.encode((Attempt(3, 1.0, 2.0, "", Failure("ConnectionError", "no route")),))
WAITS = (LockRequested(900.0, 1, 0, "lock(till)#1", "till", 1),)
CHILD = ChildScheduled(900.0, 1, 0, "pay#1", "pay", "r:pay#1", b"1", "terminate")
ASKED = CallbackOpened(900.0, 1, 0, "callback#1", unsigned("r@1", "callback#1", 0.0))
LATE = CallbackOpened(900.0, 1, 0, "callback#1", Callbacks(b"key").sign("r@1", "callback#1", NOW - 1))
ANSWERED = SignalReceived(950.0, -1, name_of(token_of(ASKED.url)), b"1", "op")
BEGUN = ChildStarted(901.0, -1, "pay#1", "r:pay#1")
STOPPING = ChildCancelRequested(902.0, 2, 0, "pay#1")
SENT = MessageSent(903.0, 1, 0, "signal(go)#1", "q", "signal", "go", b"[]")
HERE = {"members": (member(),)}


@pytest.mark.parametrize(
    ("situation", "kind", "words"),
    [
        (Situation(NOW, run("COMPLETED")), "ended", "it is COMPLETED"),
        (Situation(NOW, run("PAUSED", paused_by="ada", paused_reason="bad deploy")), "paused", "by ada: bad deploy"),
        (Situation(NOW, run("PARKED", parked="DIVERGED at 3")), "parked", "parked: DIVERGED at 3"),
        (Situation(NOW, run()), "no-orchestrator", "no orchestrator is alive"),
        (Situation(NOW, run(), members=(member("worker"),)), "no-orchestrator", "no orchestrator is alive"),
        (Situation(NOW, run(), members=(member(workflows=("V",)),)), "no-code", "has workflow 'W' (there is: V)"),
        (
            Situation(NOW, run(pin="1"), members=(member(versions={"W": "2"}), member(versions={"W": "3"}))),
            "no-code",
            "it is pinned to version '1' of W, and live members have '2', '3'",
        ),
        (Situation(NOW, run(pin="1"), members=(member(versions={"W": "1"}),)), "message", "a signal or"),
        (Situation(NOW, run(pin="1"), **HERE), "message", "a signal or"),
        (
            Situation(NOW, run(owner="m"), members=(member(state="blocked at x.py:3"),)),
            "owner",
            "its owner m is blocked at x.py:3",
        ),
        (Situation(NOW, run(), (TASK,), (queued(),), **HERE), "no-worker", "pool 'gpu', which no live worker serves"),
        (
            Situation(NOW, run(), (TASK,), (queued(),), pools=(PoolRecord("gpu", 5, 2, 1.0, 2),), **HERE),
            "slots",
            "waits for a slot in pool 'gpu': 2 of 2 busy, 5 queued",
        ),
        (
            Situation(NOW, run(), (TASK,), (queued(visible_at=NOW + 37, failures=FAILURES),), **HERE),
            "retry",
            "(attempt 4) in 37 s because ConnectionError: no route",
        ),
        (Situation(NOW, run(), (TASK,), (queued("m"),), **HERE), "running", "runs on m, attempt 4"),
        (Situation(NOW, run(), (TASK,), **HERE), "task", "on its way"),
        (Situation(NOW, run(), (TimerStarted(9.0, 1, 0, "sleep#1", 1.0, NOW + 5),), **HERE), "timer", "due in 5 s"),
        (Situation(NOW, run(), WAITS, locks=(lock("q/lock(till)#1"),), **HERE), "lock", "held by run q/lock(till)#1"),
        (Situation(NOW, run(), WAITS, locks=(lock("script", 1e9),), **HERE), "lock", "held by script"),
        (
            Situation(
                NOW,
                run(),
                (FanOutStarted(9.0, 1, 0, "map#1", "ocr", 9, b""),),
                fan_outs=(FanOutRecord(1, 1, "map#1", "ocr", 9, 4, 1, False),),
                **HERE,
            ),
            "fan-out",
            "map#1 of ocr: 4 of 9 items done, 1 failed",
        ),
        (Situation(NOW, run(), (CHILD,), **HERE), "child", "its child pay#1, run r:pay#1"),
        (Situation(NOW, run(), (CHILD, BEGUN, STOPPING), **HERE), "child", "its child pay#1, run r:pay#1"),
        (Situation(NOW, run(), (SENT,), **HERE), "step", "whether signal(go)#1 reached run q"),
        (Situation(NOW, run(), (ASKED,), **HERE), "callback", "callback#1 has no answer yet"),
        (Situation(NOW, run(), (LATE,), **HERE), "callback", "has expired"),
        (Situation(NOW, run(), (ASKED, ANSWERED), **HERE), "message", "a signal or"),
        (
            Situation(NOW, run(), waiting=Waiting(("go", "no"), "a.py:7, in f"), **HERE),
            "message",
            "'go' or 'no'  (a.py:7",
        ),
        (Situation(NOW, run(), waiting=Waiting((), "a.py:7, in f"), **HERE), "message", "an update  (a.py:7"),
        (Situation(NOW, run("CONTINUED_AS_NEW")), "ended", "it is CONTINUED_AS_NEW"),
        (Situation(NOW, run(), (TASK, TaskCompleted(950.0, -1, "charge#1", b"1")), **HERE), "message", "a signal or"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_first_cause_is_named(situation: Situation, kind: str, words: str) -> None:
    """Each cause has its word for programs, and says what a person wants to know."""
    cause = decide_causes(situation)[0]
    assert cause.kind == kind
    assert words in cause.text


def test_a_cancellation_that_waits_is_said() -> None:
    """A run that does not move does not see that it was cancelled."""
    row = InboxRow(1, 1, "cancel", "", b"", "op", "", 990.0)
    causes = decide_causes(Situation(NOW, run("PARKED", parked="x"), inbox=(row,)))
    assert [each.kind for each in causes] == ["parked", "cancel"]


def test_without_anybody_what_it_waits_for_is_said_too() -> None:
    """Who starts an orchestrator wants to know what comes next."""
    causes = decide_causes(Situation(NOW, run(), (TASK,), (queued(),)))
    assert [each.kind for each in causes] == ["no-orchestrator", "no-worker"]


def test_a_signal_is_named_beside_the_timer_that_limits_its_wait() -> None:
    """A wait with a time-out is two causes; the remedy is the command that ends it."""
    timer = TimerStarted(9.0, 1, 0, "sleep#1", 1.0, NOW + 5)
    causes = decide_causes(Situation(NOW, run(), (timer,), waiting=Waiting(("go",)), **HERE))
    assert [each.kind for each in causes] == ["timer", "message"]
    assert causes[1].remedy == "holdfast signal r go"


@pytest.mark.parametrize(
    ("parked", "advice"),
    [
        ("DIVERGED run 'r' diverged", "holdfast replay r MODULE; deploy code that fits, and it goes on by itself"),
        ("COMPENSATION refund (1) failed", "mend what the compensation needs, then: holdfast runs resume r"),
        ("UNREADABLE a page", "holdfast verify"),
        ("its members died", "holdfast runs resume r; or give it up: holdfast runs terminate r"),
    ],
)
def test_a_parked_run_says_what_to_type(parked: str, advice: str) -> None:
    """Each reason has the command that belongs to it."""
    (cause,) = decide_causes(Situation(NOW, run("PARKED", parked=parked)))
    assert advice in cause.remedy


def test_a_long_run_is_not_replayed_to_be_explained() -> None:
    """Whoever owns it is asked what its code waits for only where that takes a moment."""
    assert can_answer(Situation(NOW, run(last_event=ASKED_EVENTS_MAX), **HERE))
    assert not can_answer(Situation(NOW, run(last_event=ASKED_EVENTS_MAX + 1), **HERE))
    assert not can_answer(Situation(NOW, run("PAUSED"), **HERE))
    assert not can_answer(Situation(NOW, run()))


def test_the_gist_of_a_history_says_what_all_of_it_would() -> None:
    """Wherever it was read up to: what came before is told by what was under way then."""
    done = TaskCompleted(950.0, -1, "charge#1", b"1")
    timer = TimerStarted(951.0, 2, 0, "sleep#1", 1.0, NOW + 5)
    spread = FanOutStarted(952.0, 3, 0, "map#1", "ocr", 9, b"")
    events = (TASK, ASKED, CHILD, BEGUN, STOPPING, done, timer, ANSWERED, SENT, *WAITS, ASKED, ANSWERED, spread, done)
    for end in range(len(events) + 1):
        whole = decide_causes(Situation(NOW, run(), events[:end], **HERE))
        for read in range(end + 1):
            known = gist(gist(events[: read // 2]) + list(events[read // 2 : read]))
            assert len(known) <= min(read, 6)
            assert decide_causes(Situation(NOW, run(), (*known, *events[read:end]), **HERE)) == whole, (read, end)


@on_loop
async def test_a_long_history_is_read_once_and_none_where_the_record_says_it(tmp_path, monkeypatch) -> None:
    """Who asks again has what came since read; of a run that somebody paused nothing is read."""
    monkeypatch.setattr("holdfast.client.embedded.LONG_EVENTS", 0)
    async with serving(tmp_path) as api:
        await api.service.starts.start("idle", b"", "r-1")
        reads: list[tuple[int, int]] = []
        read = api.engine._read

        async def noted(record, after):
            found = await read(record, after)
            reads.append((after, len(found)))
            return found

        monkeypatch.setattr(api.engine, "_read", noted)
        first = await api.engine.explain("r-1")
        assert first.causes[0].kind == "no-orchestrator"
        assert await api.engine.explain("r-1") == first
        assert reads == [(0, 1), (1, 0)]
        await api.service.operating.pause("r-1", "ada", "", "")
        assert (await api.engine.explain("r-1")).causes[0].kind == "paused"
        assert len(reads) == 2
