"""The JSON Schema of history files says what the reader reads and the writer writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.errors import HistoryError
from holdfast.history import (
    AnyEvent,
    Attempt,
    CapturedFailure,
    CaptureNote,
    Failure,
    WorkflowStarted,
    from_json,
    schema,
    to_json,
)
from tests.json_schemas import problems

SCHEMA = json.loads((Path(schema.__file__).parent / schema.FILE_NAME).read_text("utf-8"))
GOLDEN = sorted((Path(__file__).parents[2] / "golden").glob("v*/*.json"))
START = WorkflowStarted(1.5, 0, "W", "w-1", "w-1", b"null", 1, 0, "", "3.11", {"who": "me"})
FAILURE = Failure("E", "message", "traceback", False, Failure("F", "cause"))
NOTE = CaptureNote(
    reason="failed", status="FAILED", captured_at="2026-11-29T00:00:00Z", created_at="2026-11-28T00:00:00Z",
    failure=CapturedFailure("E", "message"), secrets=2,
)  # fmt: skip
VALUES = {
    str: "text",
    int: 3,
    float: 1.5,
    bytes: b"\1\2",
    bool: True,
    Failure: FAILURE,
}


def example(kind: Any) -> AnyEvent:
    """Return an event of a kind with all its fields filled."""
    values: dict[str, Any] = {}
    for each in msgspec.structs.fields(kind):
        if each.name in {"input", "result"}:
            values[each.name] = b'{"a":[1]}'
        elif each.name == "attempts":
            values[each.name] = (Attempt(1, 1.0, 2.0, "w", FAILURE), Attempt(2, 2.0, 3.0, "w", None))
        elif each.type in VALUES:
            values[each.name] = VALUES[each.type]
        else:
            options = [VALUES[kind] for kind in VALUES if kind in getattr(each.type, "__args__", ())]
            origin = getattr(each.type, "__origin__", None)
            values[each.name] = {"key": "text"} if origin is dict else (("text",) if origin is tuple else options[0])
    return kind(**values)


def test_every_event_fits() -> None:
    """A file with one event of every kind, all fields filled, and all other members, fits."""
    events = [START, *(example(kind) for kind in AnyEvent.__args__)]
    text = to_json(events, outcomes={"map#1": [b"1", b"{ }", b"\xff", FAILURE]}, about={"a": "b"}, capture=NOTE)
    assert list(problems(json.loads(text), SCHEMA)) == []


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_golden_files_fit(path: Path) -> None:
    """What earlier versions wrote fits today's schema."""
    assert list(problems(json.loads(path.read_bytes()), SCHEMA)) == []


def test_there_are_golden_files() -> None:
    """The test above has something to look at."""
    assert GOLDEN


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "holdfast-history/2"},
        {"run": {"workflow": 1}},
        {"more": 1},
        {"events": []},
        {"events": [{"id": 1, "event": "Unheard"}]},
        {"events": [{**json.loads(to_json([START]))["events"][0], "seed": "x"}]},
        {"events": [{**json.loads(to_json([START]))["events"][0], "extra": 1}]},
        {"events": [{k: v for k, v in json.loads(to_json([START]))["events"][0].items() if k != "input"}]},
        {"outcomes": {"map#1": [{"failure": {"message": "no type"}}]}},
        {"outcomes": {"map#1": [{}]}},
        {"capture": {"reason": "failed"}},
        {"capture": {**msgspec.to_builtins(NOTE), "extra": 1}},
    ],
    ids=str,
)
def test_what_does_not_fit_is_not_read_either(changes: dict[str, Any]) -> None:
    """Schema and reader refuse the same files."""
    changed = {**json.loads(to_json([START])), **changes}
    assert list(problems(changed, SCHEMA)) != []
    with pytest.raises(HistoryError):
        from_json(json.dumps(changed).encode())


def test_a_note_comes_back() -> None:
    """What a capture says of its run is read as it was written."""
    assert from_json(to_json([START], capture=NOTE)).capture == NOTE
    assert from_json(to_json([START])).capture is None
