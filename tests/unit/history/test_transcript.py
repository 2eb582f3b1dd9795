"""A history as a file for people, and what the reader says about files that are none."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import HistoryError
from holdfast.history import (
    AnyEvent,
    BlobRef,
    Failure,
    FanOutCompleted,
    SignalReceived,
    TaskCompleted,
    TaskScheduled,
    UpdateCompleted,
    WorkflowStarted,
    from_json,
    to_json,
    transcript,
)
from holdfast.replay import WorkflowReplayer, load_history
from holdfast.replay.redaction import RedactionRules, redact_history
from tests.conformance.temporal import kin

KIN = Path(kin.__file__).parent / "kin"

START = WorkflowStarted(1795549081.5, 0, "nightly", "n-1", "n-1", b'{"day":1}', 7, 3, "code", "3.11")
EVENTS: list[AnyEvent] = [
    START,
    TaskScheduled(1795549081.5, 1, 0, "fetch#1", "fetch", b'["a",1]'),
    TaskCompleted(1795549082.25, 1, "fetch#1", b'"result"'),
]


def file(**changes: Any) -> bytes:
    """Return a small file with changes to its outermost object."""
    return json.dumps({**json.loads(to_json(EVENTS)), **changes}).encode()


def event(**changes: Any) -> bytes:
    """Return a small file with changes to its second event; None removes a member."""
    content = json.loads(to_json(EVENTS))
    changed = {**content["events"][1], **changes}
    content["events"][1] = {name: value for name, value in changed.items() if value is not None}
    return json.dumps(content).encode()


def test_the_file_is_for_people() -> None:
    """One line for each event, names and values as in the code, defaults left out."""
    assert to_json(EVENTS).decode() == (
        "{\n"
        ' "format": "holdfast-history/1",\n'
        ' "run": {"workflow":"nightly","run_id":"n-1","execution":"n-1"},\n'
        ' "events": [\n'
        '  {"id":1,"event":"WorkflowStarted","time":"2026-11-24T19:38:01.500000Z","at":1795549081.5,"issued":0,'
        '"workflow":"nightly","run_id":"n-1","execution":"n-1","input":{"day":1},"seed":7,"flags":3,'
        '"code_version":"code","python":"3.11"},\n'
        '  {"id":2,"event":"TaskScheduled","time":"2026-11-24T19:38:01.500000Z","at":1795549081.5,"cause":1,'
        '"ordinal":0,"step":"fetch#1","task":"fetch","input":["a",1]},\n'
        '  {"id":3,"event":"TaskCompleted","time":"2026-11-24T19:38:02.250000Z","at":1795549082.25,"issued":1,'
        '"step":"fetch#1","result":"result"}\n'
        " ]\n"
        "}\n"
    )


@pytest.mark.parametrize(
    ("payload", "member"),
    [
        (b'{"a":1}', '"input":{"a":1}'),
        (b"null", '"input":null'),
        (b'{"a": 1}', '"input_text":"{\\"a\\": 1}"'),
        (b"1e5", '"input_text":"1e5"'),
        (b"[" * 100 + b"]" * 100, '"input_text":"[[['),
        (b"\xff\x00", '"input_base64":"/wA="'),
        (b"{", '"input_base64":"ew=="'),
    ],
)
def test_payloads_stand_as_what_they_are_where_that_brings_them_back(payload: bytes, member: str) -> None:
    """And otherwise as text, or as base64."""
    signal = SignalReceived(1.0, 0, "go", payload, "id")
    content = to_json([START, signal])
    assert member in content.decode()
    assert from_json(content).events[1] == signal


def test_no_payload_is_not_null() -> None:
    """An update without an answer stays without."""
    answers = [UpdateCompleted(1.0, 1, 0, "u", None, Failure("E", "x")), UpdateCompleted(1.0, 1, 1, "v", b"null")]
    assert list(from_json(to_json([START, *answers])).events[1:]) == answers


def test_fan_outs_bring_their_outcomes() -> None:
    """As an execution asks for them."""
    done = FanOutCompleted(1.0, 0, "map#1", b"\x01\xff", 2, 1, Failure("E", "x"), 1)
    history = from_json(to_json([START, done], outcomes={"map#1": [b"5", Failure("E", "x")]}))
    assert history.events[1] == done
    opened = history.open_fan_out("map#1", done)
    assert (opened.count, opened.failed, opened.get(0)) == (2, 1, (True, b"5"))
    assert opened.get(1)[0] is False
    with pytest.raises(HistoryError, match=r"outcomes of map#2 are not in this history"):
        history.open_fan_out("map#2", done)


def test_a_time_beyond_the_calendar_is_exact_all_the_same() -> None:
    """Only its words for people are missing."""
    late = TaskCompleted(1e300, 0, "fetch#1", b"1")
    assert from_json(to_json([START, late])).events[1] == late


def test_a_time_in_words_alone_will_do() -> None:
    """For histories written by hand."""
    assert from_json(event(at=None)).events[1].time == 1795549081.5
    assert from_json(event(time=None)).events[1].time == 1795549081.5


def test_what_is_stored_elsewhere_cannot_be_written() -> None:
    """A file has to stand alone."""
    signal = SignalReceived(1.0, 0, "go", BlobRef(bytes(16), 9999), "id")
    with pytest.raises(HistoryError, match=r"input of SignalReceived is stored elsewhere  \(event 2\)"):
        to_json([START, signal])
    with pytest.raises(HistoryError, match="does not begin with WorkflowStarted"):
        to_json([signal])
    with pytest.raises(HistoryError, match="does not begin with WorkflowStarted"):
        to_json([])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is no history"),
        (b"hello", "the file is no history"),
        (b"[]", "the file is no history"),
        (b"{}", "the file is no holdfast-history/1, but of no format"),
        (b"[" * 100_000, "the file is no history: Expected `object`"),
        (b'{"x":' + b"[" * 100_000, "it is nested too deeply"),
        (file(format="holdfast-history/2"), "but holdfast-history/2"),
        (file(events={}), "the file is no history: Expected `array`"),
        (file(events=[]), "does not begin with WorkflowStarted  (event 1)"),
        (file(surprise=1), "unknown field `surprise`"),
        (file(run={"run_id": "other"}), "run.run_id is 'other', and event 1 says otherwise"),
        (file(run={"shoe": "n-1"}), "run.shoe"),
        (file(outcomes={"map#1": [{}]}), "the outcome of item 0 of map#1: it has to have one of result and failure"),
        (file(outcomes={"map#1": [{"result": 1, "x": 2}]}), "item 0 of map#1"),
        (file(outcomes={"map#1": [{"failure": 3}]}), "item 0 of map#1: Expected `object`"),
        (event(event="TaskVanished"), "there is no event called 'TaskVanished'  (event 2)"),
        (event(event=None), "Expected `str`"),
        (event(id=3), "the ids do not count from 1  (event 2)"),
        (event(id="2"), "Expected `int`, got `str`  (event 2)"),
        (event(step=None), "step is missing  (event 2)"),
        (event(step=5), "Expected `str`, got `int`  (event 2)"),
        (event(cause=1.5), "Expected `int`"),
        (event(extra=5), "TaskScheduled has no extra  (event 2)"),
        (event(input=None), "input is missing  (event 2)"),
        (event(input_text="1"), "input and input_text say the same twice  (event 2)"),
        (event(input=None, input_base64="?"), "input_base64 is not base64"),
        (event(at=None, time=None), "time is missing  (event 2)"),
        (event(at=None, time="yesterday"), "Invalid isoformat string"),
        (event(at=None, time="2026-11-23T19:38:01"), "time has no time zone"),
        (event(at="now"), "Expected `float`"),
    ],
)
def test_what_is_wrong_is_said_with_the_event(content: bytes, words: str) -> None:
    """A hostile or damaged file gives one clear error."""
    with pytest.raises(HistoryError) as caught:
        from_json(content)
    assert words in str(caught.value)


def test_limits_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of bytes and of events."""
    content = to_json(EVENTS)
    monkeypatch.setattr(transcript, "EVENTS_MAX", 2)
    with pytest.raises(HistoryError, match="EVENTS_MAX"):
        from_json(content)
    monkeypatch.setattr(transcript, "TRANSCRIPT_BYTES_MAX", 100)
    with pytest.raises(HistoryError, match="TRANSCRIPT_BYTES_MAX"):
        from_json(content)


def test_memos_are_not_shared() -> None:
    """Two histories without one have one each."""
    first, second = (from_json(to_json([START])).started.memo for _ in range(2))
    assert first is not second


def test_an_attribute_that_is_no_literal_is_refused() -> None:
    """Code would be told something that no run can be found by."""
    text = to_json([WorkflowStarted(1.0, 0, "W", "r", "r", b"null", 1, 0, "", "", attributes={"region": '"eu"'})])
    assert from_json(text).started.attributes == {"region": '"eu"'}
    with pytest.raises(HistoryError, match="event 1"):
        from_json(text.replace(b'\\"eu\\"', b"eu"))


def test_where_another_engine_drained_comes_back_and_has_to_be_inputs() -> None:
    """So that a capture replays as it ran there; a file that says nothing of it drains after each input."""
    recorded = load_history(KIN / "mapped.json")
    written = to_json(recorded.events, outcomes=recorded.outcomes, engine=recorded.engine, drains=recorded.drains)
    again = from_json(written)
    assert (again.engine, again.drains, again.outcomes) == (recorded.engine, recorded.drains, recorded.outcomes)
    assert from_json(to_json(recorded.events)).drains == ()
    file = json.loads(written)
    decision = next(each["id"] for each in file["events"] if "cause" in each)
    for drains in ([decision], [1, 1], [10**6]):
        with pytest.raises(HistoryError, match="a drain ends"):
            from_json(json.dumps({**file, "drains": drains}).encode())


def test_a_capture_of_a_run_on_another_engine_replays_to_the_same_verdict() -> None:
    """Redacted, written and read; as drains of ours it would not."""
    recorded = load_history(KIN / "effects.json")
    cleaned, _ = redact_history(dataclasses.replace(recorded, sources=()), RedactionRules())
    again = from_json(to_json(cleaned.events, engine=cleaned.engine, drains=cleaned.drains))
    result = WorkflowReplayer(kin.effects).replay(again)
    assert (result.verdict, result.engine) == ("IDENTICAL", "temporal")
