"""Changes to a file of Temporal's after which it is no history of the same code.

Owns: what is changed, and that numbers of events still fit.
Must not know: who judges the files.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, Final

Events = list[dict[str, Any]]
Edit = Callable[[Events], None]

_NUMBERS: Final = (
    "scheduledEventId",
    "startedEventId",
    "initiatedEventId",
    "acceptedEventId",
    "acceptedRequestSequencingEventId",
    "workflowTaskCompletedEventId",
)


def mutated(content: bytes, edit: Edit) -> bytes:
    """Return a file with a change in it."""
    events = json.loads(content)["events"]
    edit(events)
    return json.dumps({"events": events}).encode()


def _find(events: Events, kind: str, which: int = 0) -> dict[str, Any]:
    return [each for each in events if each["eventType"] == f"EVENT_TYPE_{kind}"][which]


def _attributes(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = event[_key(event)]
    return found


def _key(event: dict[str, Any]) -> str:
    return next(each for each in event if each.endswith("EventAttributes"))


def _renumber(events: Events) -> None:
    """Give events the numbers of their places, also where others name them."""
    places = {each["eventId"]: str(place) for place, each in enumerate(events, 1)}
    for each in events:
        each["eventId"] = places[each["eventId"]]
        said = _attributes(each)
        said.update({name: places.get(said[name], said[name]) for name in _NUMBERS if name in said})


def setting(kind: str, which: int = 0, **changes: Any) -> Edit:
    """Return an edit that changes what an event says."""

    def edit(events: Events) -> None:
        _attributes(_find(events, kind, which)).update(changes)

    return edit


def becoming(kind: str, other: str, *lost: str, which: int = 0, **more: Any) -> Edit:
    """Return an edit that makes an event one of another kind."""

    def edit(events: Events) -> None:
        event = _find(events, kind, which)
        said = {name: value for name, value in event.pop(_key(event)).items() if name not in lost}
        words = other.split("_")
        event["eventType"] = f"EVENT_TYPE_{other}"
        event[words[0].lower() + "".join(map(str.capitalize, words[1:])) + "EventAttributes"] = {**said, **more}

    return edit


def without(kind: str, which: int = 0) -> Edit:
    """Return an edit that takes an event out; what came of it then comes of nothing."""

    def edit(events: Events) -> None:
        events.remove(_find(events, kind, which))
        _renumber(events)

    return edit


def swapped(kind: str, one: int, other: int) -> Edit:
    """Return an edit that lets two events change places."""

    def edit(events: Events) -> None:
        first, second = _find(events, kind, one), _find(events, kind, other)
        here, there = events.index(first), events.index(second)
        events[here], events[there] = second, first
        _renumber(events)

    return edit


def twice(kind: str, which: int = 0, **changes: Any) -> Edit:
    """Return an edit that has an event stand there a second time, changed."""

    def edit(events: Events) -> None:
        event = _find(events, kind, which)
        again = {**event, "eventId": "again", _key(event): {**_attributes(event), **changes}}
        events.insert(events.index(event), again)
        _renumber(events)

    return edit


def noting(**changes: Any) -> Edit:
    """Return an edit that changes what the first side effect's marker notes of it."""

    def edit(events: Events) -> None:
        (payload,) = _attributes(_find(events, "MARKER_RECORDED"))["details"]["data"]["payloads"]
        noted = {**json.loads(base64.b64decode(payload["data"])), **changes}
        payload["data"] = base64.b64encode(json.dumps(noted).encode()).decode()

    return edit


_PATCH: Final = base64.b64encode(b'{"id":"dearer","deprecated":false}').decode()
_JSON: Final = base64.b64encode(b"json/plain").decode()
_PATCHED: Final = {"patch-data": {"payloads": [{"metadata": {"encoding": _JSON}, "data": _PATCH}]}}
_CHILD: Final = "START_CHILD_WORKFLOW_EXECUTION_INITIATED"

REFUSED: Final[dict[str, tuple[str, Edit]]] = {
    "another task": ("effects", setting("ACTIVITY_TASK_SCHEDULED", activityType={"name": "undo"})),
    "another task's id": ("effects", setting("ACTIVITY_TASK_SCHEDULED", activityId="fetch#9")),
    "two tasks swapped": ("effects", swapped("ACTIVITY_TASK_SCHEDULED", 1, 2)),
    "a task too many": ("effects", twice("ACTIVITY_TASK_SCHEDULED", activityId="fetch#9")),
    "a failed task for one that is done": (
        "effects",
        becoming("ACTIVITY_TASK_COMPLETED", "ACTIVITY_TASK_FAILED", "result", failure={"message": "no"}),
    ),
    "no timer": ("effects", without("TIMER_STARTED", 1)),
    "no side effect": ("effects", without("MARKER_RECORDED")),
    "another side effect": ("effects", noting(activity_id="side_effect#9")),
    "a patch too many": (
        "effects",
        twice("MARKER_RECORDED", which=0, markerName="core_patch", details=_PATCHED),
    ),
    "another child": ("parent", setting(_CHILD, workflowType={"name": "fail"})),
    "another child's id": ("parent", setting(_CHILD, which=1, workflowId="other")),
    "two children swapped": ("parent", swapped(_CHILD, 1, 2)),
    "a child that is not stopped": ("parent", without("REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED")),
    "a signal for a cancellation": (
        "sender",
        becoming(
            "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
            "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED",
            "reason",
        ),
    ),
    "another message for the run": ("counter@1", setting("WORKFLOW_EXECUTION_SIGNALED", signalName="other")),
    "a result for going on": (
        "counter@1",
        becoming(
            "WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
            "WORKFLOW_EXECUTION_COMPLETED",
            *("newExecutionRunId", "workflowType", "taskQueue", "input", "memo"),
            *("workflowRunTimeout", "workflowTaskTimeout"),
        ),
    ),
    "going on for a result": (
        "effects",
        becoming("WORKFLOW_EXECUTION_COMPLETED", "WORKFLOW_EXECUTION_CONTINUED_AS_NEW", "result"),
    ),
    "a failure for a result": (
        "effects",
        becoming("WORKFLOW_EXECUTION_COMPLETED", "WORKFLOW_EXECUTION_FAILED", "result"),
    ),
    "nothing parked": ("parked", without("WORKFLOW_PROPERTIES_MODIFIED")),
    "another chunk's id": ("mapped", setting("ACTIVITY_TASK_SCHEDULED", activityId="map#1/9")),
    "another task mapped": ("mapped", setting("ACTIVITY_TASK_SCHEDULED", activityType={"name": "holdfast:map:rest"})),
    "a chunk too many": ("mapped", twice("ACTIVITY_TASK_SCHEDULED", which=7, activityId="map#1/8")),
    "a chunk that is not stopped": ("mapped", without("ACTIVITY_TASK_CANCEL_REQUESTED")),
    "another lock": ("locked", setting("ACTIVITY_TASK_SCHEDULED", activityId="lock(other)#1")),
    "a lock for its end": ("locked", setting("ACTIVITY_TASK_SCHEDULED", activityType={"name": "holdfast:unlock"})),
    "a place too many": ("locked", twice("ACTIVITY_TASK_SCHEDULED", activityId="lock(bank)#9")),
    "no callback": ("asked", without("WORKFLOW_PROPERTIES_MODIFIED")),
    "another answer": (
        "asked",
        becoming("WORKFLOW_EXECUTION_UPDATE_ACCEPTED", "WORKFLOW_EXECUTION_SIGNALED", signalName="other"),
    ),
    "another workflow": ("effects", setting("WORKFLOW_EXECUTION_STARTED", workflowType={"name": "patient"})),
}
"""By what is wrong then: the run, and the change to it."""

UNSEEN: Final[dict[str, tuple[str, Edit]]] = {
    "another receiver": (
        "sender",
        setting("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED", workflowExecution={"workflowId": "other"}),
    ),
    "another signal": ("sender", setting("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED", signalName="other")),
}
"""What Temporal's Replayer does not compare, and ours does."""
