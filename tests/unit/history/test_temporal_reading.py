"""Temporal's histories in every dialect, and what is said of files that are damaged, encrypted or hostile."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import HistoryError
from holdfast.history import (
    Attempt,
    AttributesSet,
    Failure,
    History,
    SignalReceived,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TaskTimedOut,
    WorkflowStarted,
    WorkflowTerminated,
    WorkflowTimedOut,
)
from holdfast.history.temporal import ENGINE, from_temporal, to_temporal
from holdfast.history.temporal.members import Members
from holdfast.replay import WorkflowReplayer, load_history
from tests.conformance.temporal import ours

HISTORIES = Path(__file__).resolve().parents[2] / "conformance/temporal/histories"
SECONDS_MAX = 1.0


def recorded(name: str) -> dict[str, Any]:
    """Return a history that a Temporal server recorded, as its SDK writes it."""
    content: dict[str, Any] = json.loads((HISTORIES / f"{name}.json").read_text(encoding="utf-8"))
    return content


def read(file: Any) -> History:
    """Read a file that is one of Temporal's."""
    history = from_temporal(json.dumps(file).encode())
    assert history is not None
    return history


def each_value(value: Any, change: Callable[[str, Any], Any]) -> Any:
    """Return JSON with each member and each value changed."""
    if isinstance(value, dict):
        return {key: change(key, each_value(each, change)) for key, each in value.items()}
    if isinstance(value, list):
        return [each_value(each, change) for each in value]
    return value


# --- Dialects ----------------------------------------------------------------------------------------------------


def older(key: str, value: Any) -> Any:
    """Spell enumerations as older tools did: `TimerFired`."""
    prefixes = {"eventType": "EVENT_TYPE", "kind": "TASK_QUEUE_KIND", "timeoutType": "TIMEOUT_TYPE"}
    if key not in prefixes:
        return value
    return "".join(each.capitalize() for each in value.removeprefix(prefixes[key] + "_").split("_"))


def decoded(key: str, value: Any) -> Any:
    """Show payloads as the web interface exports them decoded."""
    if key != "payloads":
        return value
    return [
        {
            "metadata": {**each["metadata"], "encodingDecoded": "json/plain"},
            "data": json.loads(base64.b64decode(each["data"])),
        }
        if "data" in each
        else each
        for each in value
    ]


def bare(key: str, value: Any) -> Any:
    """Show payloads as nothing but their values."""
    if key != "payloads":
        return value
    return [json.loads(base64.b64decode(each["data"])) if "data" in each else None for each in value]


def counted(key: str, value: Any) -> Any:
    """Write ids as numbers, and times as what a protobuf timestamp is made of."""
    if key.endswith("EventId") or key == "eventId":
        return int(value)
    if key == "startToFireTimeout":
        seconds = float(value[:-1])
        return {"seconds": int(seconds), "nanos": round(seconds % 1 * 1e9)}
    return value


def snake(value: Any) -> Any:
    """Name members as protobuf does."""
    if isinstance(value, dict):
        return {
            re.sub(r"(?<=[a-z])([A-Z])", lambda found: "_" + found[1].lower(), k): snake(v) for k, v in value.items()
        }
    return [snake(each) for each in value] if isinstance(value, list) else value


DIALECTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "older tools": lambda file: each_value(file, older),
    "a bare list": lambda file: file["events"],
    "inside of an answer": lambda file: {"history": file, "nextPageToken": None},
    "decoded by the web interface": lambda file: each_value(each_value(file, decoded), older),
    "payloads as values": lambda file: each_value(file, bare),
    "numbers for texts": lambda file: each_value(file, counted),
    "protobuf's own names": snake,
    "attributes under one name": lambda file: [
        {("attributes" if key.endswith("EventAttributes") else key): value for key, value in event.items()}
        for event in file["events"]
    ],
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", ["Order", "Shipment", "Refused", "Race", "Patient", "Doomed"])
def test_every_dialect_says_the_same(name: str, dialect: str) -> None:
    """As what the SDK writes."""
    file = recorded(name)
    assert read(DIALECTS[dialect](file)) == read(file)


def test_a_history_of_temporals_is_known_as_one() -> None:
    """By whoever loads it, with its drains and the numbers of its events."""
    history = load_history(HISTORIES / "Order.json")
    assert history.engine == ENGINE
    assert len(history.sources) == len(history.events)
    assert history.drains[-1] < len(history.events)
    started = history.started
    assert (started.workflow, started.run_id, started.input) == ("Order", "order-1", b'"abc"')


def test_what_one_workflow_task_brought_is_one_drain_at_its_time() -> None:
    """An update stands before what it caused, although Temporal records it after the task that accepted it."""
    kinds = [type(each).__name__ for each in load_history(HISTORIES / "Order.json").events]
    assert kinds[:4] == ["WorkflowStarted", "UpdateAccepted", "TaskScheduled", "TaskScheduled"]
    history = load_history(HISTORIES / "Order.json")
    assert history.drains[0] == 2
    assert history.events[0].time == history.events[1].time
    assert [each.cause for each in history.events[2:4] if isinstance(each, TaskScheduled)] == [2, 2]


@pytest.mark.parametrize("form", ["2025-12-07T09:41:20.483667983Z", {"seconds": 1765100480, "nanos": 483667983}])
def test_a_time_is_the_one_that_the_code_was_told(form: Any) -> None:
    """Temporal's SDK divides nanoseconds; what is nearest to the text is another float, which `now()` was not."""
    told = 1765100480483667983 / 1e9
    assert told != 1765100480.483667983
    assert Members({"at": form}, "an event", "event 1").moment("at") == told


def test_failed_attempts_and_time_outs_are_told() -> None:
    """As far as Temporal tells them."""
    failed = next(each for each in load_history(HISTORIES / "Refused.json").events if isinstance(each, TaskFailed))
    assert (failed.failure.type, failed.failure.message, len(failed.attempts)) == ("ValueError", "no paper", 3)
    timed_out = next(each for each in load_history(HISTORIES / "Race.json").events if isinstance(each, TaskTimedOut))
    assert timed_out.timeout == "attempt"


# --- Single events -----------------------------------------------------------------------------------------------


def event(number: int, kind: str, **attributes: Any) -> dict[str, Any]:
    """Return an event in the SDK's words."""
    words = "EVENT_TYPE" + re.sub(r"(?=[A-Z])", "_", kind).upper()
    name = f"{kind[0].lower()}{kind[1:]}EventAttributes"
    moment = f"2026-11-23T19:38:{number:02}.5Z"
    return {"eventId": str(number), "eventTime": moment, "eventType": words, name: attributes}


def payloads(*values: Any) -> dict[str, Any]:
    """Return values as the SDK writes them."""
    encode = base64.b64encode
    encoding = encode(b"json/plain").decode()
    written = [
        {"metadata": {"encoding": encoding}, "data": encode(json.dumps(each).encode()).decode()} for each in values
    ]
    return {"payloads": written}


def beginning(*given: Any, **more: Any) -> list[dict[str, Any]]:
    """Return the events of a run's first workflow task."""
    return [
        event(1, "WorkflowExecutionStarted", workflowType={"name": "nightly"}, input=payloads(*given), **more),
        event(2, "WorkflowTaskScheduled"),
        event(3, "WorkflowTaskStarted", scheduledEventId="2"),
        event(4, "WorkflowTaskCompleted", scheduledEventId="2", startedEventId="3"),
    ]


@pytest.mark.parametrize(
    ("given", "text"),
    [((), b"null"), ((1,), b"1"), (([1],), b"[1]"), ((1, "b"), b'[1,"b"]'), (({"a": None},), b'{"a":null}')],
)
def test_arguments_become_one_payload(given: tuple[Any, ...], text: bytes) -> None:
    """None is null, one is itself, several are an array."""
    started = read(beginning(*given)).events[0]
    assert isinstance(started, WorkflowStarted)
    assert started.input == text


def test_nothing_and_bytes_have_a_form() -> None:
    """`binary/null` is null, and bytes are their base64."""
    events = [
        *beginning(),
        event(
            5,
            "WorkflowExecutionSignaled",
            signalName="a",
            input={"payloads": [{"metadata": {"encoding": "YmluYXJ5L251bGw="}}]},
        ),
        event(
            6,
            "WorkflowExecutionSignaled",
            signalName="b",
            input={"payloads": [{"metadata": {"encoding": "binary/plain"}, "data": "AAE="}]},
        ),
    ]
    signals = [each for each in read(events).events if isinstance(each, SignalReceived)]
    assert [each.input for each in signals] == [b"null", b'"AAE="']


def test_steps_are_counted_by_name_and_our_own_names_are_kept() -> None:
    """So that runs of Holdfast on Temporal keep theirs."""
    scheduled = [
        event(5, "ActivityTaskScheduled", activityId="1", activityType={"name": "fetch"}),
        event(6, "ActivityTaskScheduled", activityId="2", activityType={"name": "charge"}),
        event(7, "ActivityTaskScheduled", activityId="fetch[doc-7]", activityType={"name": "fetch"}),
        event(8, "ActivityTaskScheduled", activityId="pay-1", activityType={"name": "fetch"}),
    ]
    history = read([*beginning(), *scheduled])
    steps = [each.step for each in history.events if isinstance(each, TaskScheduled)]
    assert steps == ["fetch#1", "charge#1", "fetch[doc-7]", "fetch#2"]
    assert history.sources == (1, 5, 6, 7, 8)


def test_the_outcome_of_what_was_cancelled_is_nobodys() -> None:
    """It came too late."""
    events = [
        *beginning(),
        event(5, "ActivityTaskScheduled", activityId="1", activityType={"name": "fetch"}),
        event(6, "WorkflowExecutionSignaled", signalName="stop"),
        event(7, "WorkflowTaskScheduled"),
        event(8, "WorkflowTaskStarted", scheduledEventId="7"),
        event(9, "WorkflowTaskCompleted", scheduledEventId="7", startedEventId="8"),
        event(10, "ActivityTaskCancelRequested", scheduledEventId="5"),
        event(11, "ActivityTaskCompleted", scheduledEventId="5", result=payloads(1)),
    ]
    kinds = [type(each).__name__ for each in read(events).events]
    assert kinds == ["WorkflowStarted", "TaskScheduled", "SignalReceived", "TaskCancelled"]


def test_a_task_that_failed_hands_its_inputs_to_the_next() -> None:
    """What a workflow task that failed was told, the next one is told again."""
    events = [
        *beginning()[:3],
        event(4, "WorkflowTaskFailed", scheduledEventId="2", startedEventId="3"),
        event(5, "WorkflowExecutionSignaled", signalName="go"),
        event(6, "WorkflowTaskScheduled"),
        event(7, "WorkflowTaskStarted", scheduledEventId="6"),
        event(8, "WorkflowTaskCompleted", scheduledEventId="6", startedEventId="7"),
        event(9, "TimerStarted", timerId="1", startToFireTimeout="1.5s"),
    ]
    history = read(events)
    assert history.drains == (2,)
    assert [each.time % 60 for each in history.events] == [7.5, 7.5, 9.5]


def test_an_end_that_no_code_decided() -> None:
    """What came before it and was not looked at any more is left out."""
    events = [
        *beginning(),
        event(5, "WorkflowExecutionSignaled", signalName="go"),
        event(6, "WorkflowExecutionTerminated", reason="enough"),
    ]
    history = read(events)
    assert [type(each) for each in history.events] == [WorkflowStarted, WorkflowTerminated]
    assert history.events[-1].reason == "enough"  # type: ignore[union-attr]


def test_how_a_run_began_is_told_though_its_code_never_ran() -> None:
    """Of one that was ended before, and of one that waits to begin."""
    begun = [*beginning()[:2], event(3, "WorkflowExecutionSignaled", signalName="go")]
    ended = read([*begun, event(4, "WorkflowExecutionTerminated", reason="enough")])
    assert [type(each) for each in ended.events] == [WorkflowStarted, WorkflowTerminated]
    assert isinstance(read(begun).events[0], WorkflowStarted)


def test_a_run_whose_time_was_up_is_one_here_too() -> None:
    """And is written as one."""
    history = read([*beginning(), event(5, "WorkflowExecutionTimedOut")])
    assert isinstance(history.events[-1], WorkflowTimedOut)
    assert read(json.loads(to_temporal(history.events))).events[-1] == history.events[-1]


def test_attempts_are_counted_up_to_a_limit() -> None:
    """A number of attempts that somebody made up does no harm."""
    events = [
        *beginning(),
        event(5, "ActivityTaskScheduled", activityId="1", activityType={"name": "fetch"}),
        event(6, "ActivityTaskStarted", scheduledEventId="5", attempt=2_000_000_000, lastFailure={"message": "x"}),
        event(7, "ActivityTaskCompleted", scheduledEventId="5", startedEventId="6", result=payloads(1)),
    ]
    done = next(each for each in read(events).events if isinstance(each, TaskCompleted))
    assert len(done.attempts) == 100
    assert done.attempts[-1] == Attempt(
        100, done.attempts[0].started, done.attempts[0].ended, "", Failure("Failure", "x")
    )


# --- What cannot be read -----------------------------------------------------------------------------------------


def after(*more: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a run's beginning, and what follows it."""
    return [*beginning("a"), *more]


SECRET = {"payloads": [{"metadata": {"encoding": "binary/encrypted"}, "data": "AAAA"}]}
DEEP: dict[str, Any] = {"message": "x"}
for _ in range(100):
    DEEP = {"message": "x", "cause": DEEP}

REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "no beginning": (
        [event(1, "TimerFired", startedEventId="1")],
        "does not begin with WorkflowExecutionStarted  (event 1)",
    ),
    "two beginnings": (
        after(event(5, "WorkflowExecutionStarted", workflowType={"name": "x"})),
        "begins once  (event 5)",
    ),
    "an id too few": (
        after(event(6, "WorkflowTaskScheduled")),
        "ids do not count from 1: this one says '6'  (event 5)",
    ),
    "an encrypted payload": (
        after(event(5, "WorkflowExecutionSignaled", signalName="go", input=SECRET)),
        "'binary/encrypted': decode the history with your codec before you export it  (event 5)",
    ),
    "no such activity": (
        after(event(5, "ActivityTaskCompleted", scheduledEventId="4")),
        "ActivityTaskCompleted.scheduledEventId is 4, which is no earlier ActivityTaskScheduled  (event 5)",
    ),
    "an outcome of the future": (
        after(event(5, "TimerFired", startedEventId="9")),
        "is 9, which is no earlier TimerStarted",
    ),
    "a decision out of place": (
        after(event(5, "WorkflowExecutionSignaled", signalName="go"), event(6, "TimerStarted", timerId="1")),
        "TimerStarted does not stand behind a WorkflowTaskCompleted  (event 6)",
    ),
    "a kind that has no words": (after(event(5, "NexusOperationScheduled")), "no words for 'NexusOperationScheduled'"),
    "a kind that there is not": (after(event(5, "Surprise")), "no words for 'Surprise'"),
    "an object for a text": (
        after(event(5, "WorkflowExecutionSignaled", signalName={})),
        "signalName is an object, not a text",
    ),
    "a missing name": (after(event(5, "WorkflowExecutionSignaled")), "WorkflowExecutionSignaled.signalName is missing"),
    "a text for a number": (after(event(5, "TimerFired", startedEventId="four")), "'four', not a whole number"),
    "a huge number": (after(event(5, "TimerFired", startedEventId=10**30)), "not a whole number  (event 5)"),
    "a duration in words": (
        after(event(5, "TimerStarted", timerId="1", startToFireTimeout="an hour")),
        "not a duration",
    ),
    "no list of payloads": (
        after(event(5, "WorkflowExecutionSignaled", signalName="go", input={"payloads": 5})),
        "payloads are not a list  (event 5)",
    ),
    "a failure without end": (
        after(event(5, "WorkflowExecutionFailed", failure=DEEP)),
        "more than 64 causes (CAUSES_MAX)  (event 5)",
    ),
    "no time": ([{**beginning()[0], "eventTime": None}], "an event.eventTime is missing  (event 1)"),
    "a time that is none": ([{**beginning()[0], "eventTime": "yesterday"}], "not a time such as"),
    "attributes of another kind": (
        [{**event(1, "TimerFired"), "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED"}],
        "it is 'WorkflowExecutionStarted' and has 'timerFiredEventAttributes'  (event 1)",
    ),
    "something after the end": (
        after(event(5, "WorkflowExecutionTerminated"), event(6, "WorkflowTaskScheduled")),
        "goes on after its end  (event 6)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_an_error_that_names_the_event(case: str) -> None:
    """And says what is wrong with it."""
    events, words = REFUSED[case]
    with pytest.raises(HistoryError) as caught:
        read(events)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"events": []}', b'{"events": [1, 2]}', b"[" * 100_000, b"\xff"]
)
def test_what_is_none_of_temporals_is_left_to_others(content: bytes) -> None:
    """It may be somebody else's."""
    assert from_temporal(content) is None


def mutated(content: bytes, draw: random.Random) -> bytes:
    """Return a file with something in it that no server writes."""
    events = json.loads(content)["events"]
    target = draw.randrange(len(events))
    match draw.randrange(7):
        case 0:
            return content[: draw.randrange(len(content))]
        case 1:
            changed = bytearray(content)
            for _ in range(draw.randrange(1, 20)):
                changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
            return bytes(changed)
        case 2:
            draw.shuffle(events)
        case 3:
            events[target]["eventId"] = draw.choice([10**40, -1, 1e300, "0x1", None, [], {}])
        case 4:
            return content.replace(b'"ImFiYyI="', ("[" * 5_000 + "]" * 5_000).encode())
        case 5:
            for key in events[target]:
                events[target][key] = draw.choice([None, 5, "x", [], {"a": []}, True])
        case _:
            del events[target]
    return json.dumps({"events": events}).encode()


@pytest.mark.parametrize("seed", range(200))
def test_hostile_files_end_at_once_and_in_one_kind_of_error(seed: int) -> None:
    """Cut, flipped, shuffled, with huge numbers, deep nesting and foreign types: an error, or a verdict after all."""
    draw = random.Random(seed)
    name = draw.choice(["Order", "Race", "Refused"])
    content = mutated((HISTORIES / f"{name}.json").read_bytes(), draw)
    began = time.process_time()
    with contextlib.suppress(HistoryError):
        result = WorkflowReplayer(ours.WORKFLOWS[name]).replay(load_history(content))
        assert result.engine == ENGINE
    assert time.process_time() - began < SECONDS_MAX


def test_search_attributes_are_read_and_written() -> None:
    """Each of our types goes out and comes back; what Temporal adds is left alone, lists of one are single values."""
    changes = {"region": '"eu"', "total": "12.5", "count": "3", "paid": "true", "gone": ""}
    changes["since"] = "2026-11-29T08:00:00+00:00"
    started = WorkflowStarted(1.0, 0, "W", "r", "r", b"null", 1, 0, "", "", attributes={"region": '"us"'})
    written = json.loads(to_temporal([started, AttributesSet(1.0, 1, 0, changes)], for_sdk=True))
    upsert = written["events"][-1]
    assert upsert["eventType"] == "EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES"
    fields = upsert["upsertWorkflowSearchAttributesEventAttributes"]["searchAttributes"]["indexedFields"]
    assert base64.b64decode(fields["since"]["metadata"]["type"]) == b"Datetime"
    again = read(written).events
    assert [each.attributes for each in again if isinstance(each, WorkflowStarted)] == [{"region": '"us"'}]
    assert [each.attributes for each in again if isinstance(each, AttributesSet)] == [changes]
    fields.clear()
    fields |= {"TemporalChangeVersion": ["a", "b"], "region": ["eu"], "gone": []}
    assert [each.attributes for each in read(written).events if isinstance(each, AttributesSet)] == [
        {"region": '"eu"', "gone": ""}
    ]
    del fields["region"], fields["gone"]
    assert not [each for each in read(written).events if isinstance(each, AttributesSet)]


@pytest.mark.parametrize(
    ("field", "words"),
    [({"tags": ["a", "b"]}, "no single value"), ({"no name": "a"}, "expected a name"), ({"status": 1}, "another name")],
)
def test_search_attributes_that_no_run_has_here_are_refused(field: dict[str, Any], words: str) -> None:
    """The event and the attribute are named."""
    started = WorkflowStarted(1.0, 0, "W", "r", "r", b"null", 1, 0, "", "")
    written = json.loads(to_temporal([started, AttributesSet(1.0, 1, 0, {"region": '"eu"'})], for_sdk=True))
    upsert = written["events"][-1]["upsertWorkflowSearchAttributesEventAttributes"]
    upsert["searchAttributes"]["indexedFields"] = field
    with pytest.raises(HistoryError, match=f"{words}.*event 5"):
        read(written)
