"""What is answered: runs and events as JSON, payloads only when asked for, times that any date fits."""

from __future__ import annotations

import msgspec
import pytest

from holdfast import history
from holdfast.controller.documents import run_document
from holdfast.controller.events import event_document
from holdfast.controller.times import LAST, iso_time
from holdfast.history import Attempt, BlobRef, Failure
from holdfast.ports.engine import Outcome, RecordedEvent
from holdfast.ports.operations import RunRecord

TIME = 1_700_000_000.25
SECRET = b'{"password":"hunter2"}'
FAILURE = Failure("ValueError", "no", "File hunter2.py", cause=Failure("KeyError", "x", "File hunter2.py"))

EVENTS = [
    history.WorkflowStarted(TIME, 0, "W", "r", "r", SECRET, 2**62, 1, "v", "3.11", {"by": "me"}),
    history.TaskCompleted(TIME, 1, "fetch#1", SECRET, (Attempt(1, TIME, TIME, "w", FAILURE),), "w"),
    history.TaskCompleted(TIME, 1, "fetch#1", BlobRef(b"\xab" * 16, 99)),
    history.TaskFailed(TIME, 1, "fetch#1", FAILURE),
    history.TaskTimedOut(TIME, 1, "fetch#1", "attempt", FAILURE),
    history.TimerFired(TIME, 1, "sleep#1"),
    history.SignalReceived(TIME, 1, "approve", SECRET, "s-1"),
    history.UpdateAccepted(TIME, 1, "u-1", "add", SECRET),
    history.CancelRequested(TIME, 1, "enough"),
    history.LockGranted(TIME, 1, "lock#1", 7),
    history.FanOutCompleted(TIME, 1, "map#1", b"\xcd" * 16, 3, 1, FAILURE, 2),
    history.ChildStarted(TIME, 1, "pay#1", "r:pay#1"),
    history.ChildCompleted(TIME, 1, "pay#1", SECRET),
    history.ChildFailed(TIME, 1, "pay#1", "FAILED", FAILURE),
    history.MessageDelivered(TIME, 1, "signal#1"),
    history.MessageDelivered(TIME, 1, "signal#1", FAILURE),
    history.SideEffectRecorded(TIME, 1, "side_effect#1", SECRET),
    history.SideEffectRecorded(TIME, 1, "side_effect#1", None, FAILURE),
    history.RunResumed(TIME, 1, "park#1"),
    history.ChildScheduled(TIME, 1, 0, "pay#1", "Pay", "r:pay#1", SECRET, "terminate"),
    history.ChildCancelRequested(TIME, 1, 0, "pay#1", "enough"),
    history.MessageSent(TIME, 1, 0, "signal#1", "other", "signal", "approve", SECRET),
    history.PatchMarked(TIME, 1, -1, "in-euro", True),
    history.SideEffectRequested(TIME, 1, 0, "side_effect#1"),
    history.SideEffectCancelled(TIME, 1, 0, "side_effect#1"),
    history.AttributesSet(TIME, 1, 0, {"region": '"eu"', "stage": ""}),
    history.CallbackOpened(TIME, 1, 0, "callback#1", "https://flows.example.com/hunter2"),
    history.RunParked(TIME, 1, 0, "park#1", "enough"),
    history.TaskScheduled(TIME, 1, 0, "fetch#1", "fetch", SECRET),
    history.TaskCancelled(TIME, 1, 0, "fetch#1"),
    history.TimerStarted(TIME, 1, 0, "sleep#1", 5.0, TIME + 5),
    history.TimerCancelled(TIME, 1, 0, "sleep#1"),
    history.UpdateCompleted(TIME, 1, 0, "u-1", SECRET),
    history.UpdateCompleted(TIME, 1, 0, "u-1", None, FAILURE),
    history.LockRequested(TIME, 1, 0, "lock#1", "account", 1),
    history.LockReleased(TIME, 1, 0, "lock#1", "account"),
    history.FanOutStarted(TIME, 1, 0, "map#1", "fetch", 3, b"\xcd" * 16),
    history.FanOutCancelled(TIME, 1, 0, "map#1"),
    history.WorkflowCompleted(TIME, 1, 0, SECRET),
    history.WorkflowFailed(TIME, 1, 0, FAILURE),
    history.WorkflowContinued(TIME, 1, 0, SECRET),
    history.WorkflowCancelled(TIME, 1, 0, "enough"),
    history.WorkflowTerminated(TIME, "enough"),
    history.WorkflowTimedOut(TIME, "its time was up"),
]


def test_every_kind_of_event_is_here():
    """A kind of event that is added has to be shown to look right."""
    kinds = {each for each in vars(history).values() if isinstance(each, type) and issubclass(each, history.Event)}
    abstract = {history.Event, history.Input, history.Decision}
    assert {type(each) for each in EVENTS} == kinds - abstract


@pytest.mark.parametrize("event", EVENTS, ids=lambda each: type(each).__name__)
def test_an_event_is_readable_json_without_payloads(event):
    """An event tells its type, its time and its fields, and of payloads only their size."""
    document = event_document(RecordedEvent(3, event))
    text = msgspec.json.encode(document)
    assert (document["id"], document["type"], document["time"]) == (
        3,
        type(event).__name__,
        "2023-11-14T22:13:20.250000Z",
    )
    assert b"hunter2" not in text
    assert b"password" not in text
    assert "seed" not in document
    shown = {name.removesuffix("_bytes") for name in document} - {"id", "type"}
    assert shown == set(event.__struct_fields__) - {"seed", "url"}


@pytest.mark.parametrize("event", EVENTS, ids=lambda each: type(each).__name__)
def test_an_event_shows_its_payloads_when_asked(event):
    """With payloads every field is there, and payloads are JSON values."""
    document = event_document(RecordedEvent(3, event), payloads=True)
    msgspec.json.encode(document)
    assert set(document) == {"id", "type", *event.__struct_fields__}
    for name in ("input", "result"):
        if document.get(name) is not None and not isinstance(getattr(event, name), BlobRef):
            assert document[name] == {"password": "hunter2"}


def test_failures_nest():
    """A failure has its cause, and its traceback with payloads only."""
    shown = event_document(RecordedEvent(1, history.TaskFailed(TIME, 1, "s", FAILURE)))["failure"]
    assert shown == {"type": "ValueError", "message": "no", "cause": {"type": "KeyError", "message": "x"}}
    with_payloads = event_document(RecordedEvent(1, history.TaskFailed(TIME, 1, "s", FAILURE)), payloads=True)
    assert with_payloads["failure"]["cause"]["traceback"] == "File hunter2.py"


def test_a_timer_is_due_at_a_date():
    """Times in fields are dates, durations are numbers."""
    document = event_document(RecordedEvent(1, history.TimerStarted(TIME, 1, 0, "sleep#1", 5.0, TIME + 5)))
    assert (document["seconds"], document["due"]) == (5.0, "2023-11-14T22:13:25.250000Z")


@pytest.mark.parametrize("seconds", [1e12, 1e30, float("inf"), float("nan")])
def test_a_time_beyond_all_dates_is_the_last_one(seconds):
    """A timer set for longer than dates go does not break the answer that shows it."""
    assert iso_time(seconds) == LAST


def record(status, outcome=None):
    """Return a run as a store knows it."""
    return RunRecord(
        execution_id=1,
        run_id="r",
        execution="r@2",
        workflow="W",
        status=status,
        created_at=TIME,
        closed_at=TIME if outcome is not None else None,
        parked="poison" if status == "PARKED" else "",
        outcome=msgspec.msgpack.encode(outcome) if outcome is not None else b"",
        owner="",
        last_event=4,
        code_version="v",
        recoveries=0,
        wake_at=None,
    )


@pytest.mark.parametrize(
    ("status", "outcome", "end"),
    [
        ("RUNNING", None, {}),
        ("PARKED", None, {}),
        ("COMPLETED", Outcome("COMPLETED", b"null"), {"result": None}),
        ("COMPLETED", Outcome("COMPLETED", SECRET), {"result": {"password": "hunter2"}}),
        ("FAILED", Outcome("FAILED", failure=Failure("E", "no", "tb")), {"error": {"type": "E", "message": "no"}}),
        ("CANCELLED", Outcome("CANCELLED", reason="me"), {"error": {"type": "RunCancelledError", "message": "me"}}),
        ("TERMINATED", Outcome("TERMINATED", reason="me"), {"error": {"type": "RunTerminatedError", "message": "me"}}),
        ("TIMED_OUT", Outcome("TIMED_OUT"), {"error": {"type": "RunTimedOutError", "message": ""}}),
    ],
)
def test_a_run_has_a_result_or_an_error_or_neither(status, outcome, end):
    """A run that has ended has exactly one of result and error, and shows neither without payloads."""
    shown = msgspec.to_builtins(run_document(record(status, outcome)))
    assert {name: shown[name] for name in ("result", "error") if name in shown} == end
    assert shown["parked"] == ("poison" if status == "PARKED" else None)
    hidden = msgspec.to_builtins(run_document(record(status, outcome), payloads=False))
    assert hidden.keys() == shown.keys() - {"result", "error"}
