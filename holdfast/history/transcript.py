"""A history as a file: JSON that a person can read, and that comes back event for event, byte for byte.

Owns: the format `holdfast-history/1`, and that a hostile file gives an error and never harm.
Must not know: where histories are stored, and who reads such files.

```json
{
 "format": "holdfast-history/1",
 "run": {"workflow": "nightly", "run_id": "n-1", "execution": "n-1"},
 "events": [
  {"id": 1, "event": "WorkflowStarted", "time": "2026-11-23T19:38:01.500000Z", "at": 1795549081.5, ...},
  {"id": 2, "event": "TaskScheduled", ..., "cause": 1, "ordinal": 0, "step": "fetch#1", "input": ["a", 1]}
 ]
}
```

- `time` is for people; `at` is the exact time, in seconds since the epoch. Where only one is given it counts.
- Payloads stand as JSON values. One whose bytes would not come back that way (spaces, long numbers, doubled keys)
  stands as `input_text`; one that is no JSON at all as `input_base64`.
- Fields that have their default are left out. Bytes such as digests are hexadecimal.
- `outcomes` holds the outcomes of fan-outs, which live beside a history; `about` whatever its writer wants to say;
  `places` where in the code decisions were made, by event id.
- `exchanges` holds the calls of attempts that came to nothing, by step: a replay answers them from there.
- `capture` says what run a capture was made of, and why; see `holdfast.history.captures`.
- `engine` says which engine recorded it, where that was another one, and `drains` which inputs each end a drain there.
  `singly` says how many of its first events are older: the embedded engine recorded them, and the run was forked.

The format only ever grows: a reader of `/1` reads all `/1` files of older writers.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import msgspec

from holdfast.errors import HistoryError
from holdfast.history.attributes import decode_attributes
from holdfast.history.captures import CaptureNote
from holdfast.history.events import AnyEvent, Attempt, AttributesSet, BlobRef, FanOutCompleted, Input, WorkflowStarted
from holdfast.history.exchanges import Exchange
from holdfast.history.failures import Failure

FORMAT: Final = "holdfast-history/1"
HOLDFAST: Final = "holdfast"
TRANSCRIPT_BYTES_MAX: Final = 1 << 30
EVENTS_MAX: Final = 5_000_000
PAYLOAD_DEPTH_MAX: Final = 64
"""A payload that is nested deeper stands as text, so that reading the file does not depend on the reader's stack."""

ItemOutcome = bytes | Failure
"""How one item of a fan-out ended: with a result, as JSON text, or a failure."""


@dataclass(frozen=True, slots=True)
class History:
    """A history and what belongs to it, outside any store."""

    events: Sequence[AnyEvent]
    """From event 1; never empty, and the first is WorkflowStarted."""
    outcomes: Mapping[str, Sequence[ItemOutcome]] = field(default_factory=dict)
    """What came of each item of each fan-out, by step."""
    about: Mapping[str, str] = field(default_factory=dict)
    """What its writer wanted to say."""
    places: Mapping[int, str] = field(default_factory=dict)
    """Where in the code of then decisions were made, by event id, as far as known: `file:line, in function`."""
    capture: CaptureNote | None = None
    """What run it was captured from, and why, when it is a capture."""
    engine: str = HOLDFAST
    """Which engine recorded it: `holdfast` or `temporal`. A verdict on it holds for that engine."""
    drains: Sequence[int] = ()
    """Ids of the inputs that end a drain, where the engine drained several at once; empty when each is a drain."""
    singly: int = 0
    """So many events at its beginning were recorded by the embedded engine, before the run was forked to another."""
    sources: Sequence[int] = ()
    """For each event the number of the one in the file that it came from; empty when they are the same."""
    exchanges: Mapping[str, Sequence[Exchange]] = field(default_factory=dict)
    """What the last attempt at each step that came to nothing asked of outside systems, and was answered."""

    @property
    def started(self) -> WorkflowStarted:
        """Return event 1, which names the workflow, the run and the execution."""
        first = self.events[0]
        assert isinstance(first, WorkflowStarted)
        return first

    def open_fan_out(self, step: str, _: FanOutCompleted) -> RecordedOutcomes:
        """Return the outcomes of a fan-out, as an execution asks for them.

        Raises:
            HistoryError: the file does not hold them.
        """
        try:
            return RecordedOutcomes(self.outcomes[step])
        except KeyError:
            raise HistoryError(f"the outcomes of {step} are not in this history") from None


class RecordedOutcomes:
    """The outcomes of one fan-out. See `holdfast.ports.runtime.FanOutOutcome`."""

    __slots__ = ("_items", "count", "failed")

    def __init__(self, items: Sequence[ItemOutcome]) -> None:
        """Give access to `items`."""
        self._items = items
        self.count = len(items)
        self.failed = sum(isinstance(each, Failure) for each in items)

    def get(self, index: int) -> tuple[bool, bytes]:
        """Return (True, result as JSON text) or (False, encoded Failure) of one item."""
        item = self._items[index]
        return (True, item) if isinstance(item, bytes) else (False, msgspec.msgpack.encode(item))


# --- Writing -----------------------------------------------------------------------------------------------------


def to_json(  # noqa: PLR0913 - what a file may hold
    events: Sequence[AnyEvent],
    *,
    outcomes: Mapping[str, Sequence[ItemOutcome]] | None = None,
    about: Mapping[str, str] | None = None,
    places: Mapping[int, str] | None = None,
    capture: CaptureNote | None = None,
    exchanges: Mapping[str, Sequence[Exchange]] | None = None,
    engine: str = HOLDFAST,
    drains: Sequence[int] = (),
    singly: int = 0,
) -> bytes:
    """Return a history as a file's content: UTF-8, one line for each event.

    Args:
        events: from event 1, with every payload inside (see `outside_payloads`).
        outcomes: of its fan-outs, by step.
        about: what else to say of it.
        places: where in the code decisions were made, by event id.
        capture: what run it was captured from, and why.
        exchanges: calls of attempts that came to nothing, by step.
        engine: which engine recorded it.
        drains: ids of the inputs that end a drain, where that engine drained several at once.
        singly: how many events at the beginning the embedded engine recorded.

    Raises:
        HistoryError: it does not begin with WorkflowStarted, or a payload is outside.
    """
    if not events or not isinstance(events[0], WorkflowStarted):
        raise HistoryError("history does not begin with WorkflowStarted", "event 1")
    first = events[0]
    run = {"workflow": first.workflow, "run_id": first.run_id, "execution": first.execution}
    parts = [b'{\n "format": ', _encode(FORMAT), b',\n "run": ', _encode(run)]
    if about:
        parts += [b',\n "about": ', _encode(dict(about))]
    if capture is not None:
        parts += [b',\n "capture": ', _encode(capture)]
    if places:
        parts += [b',\n "places": ', _encode({str(event_id): place for event_id, place in places.items()})]
    if outcomes:
        written = {step: [_item_value(each) for each in items] for step, items in outcomes.items()}
        parts += [b',\n "outcomes": ', _encode(written)]
    if exchanges:
        calls = {step: [_exchange_value(each) for each in found] for step, found in exchanges.items()}
        parts += [b',\n "exchanges": ', _encode(calls)]
    if engine != HOLDFAST:
        parts += [b',\n "engine": ', _encode(engine), b',\n "drains": ', _encode(list(drains))]
        parts += [b',\n "singly": ', _encode(singly)] if singly else []
    parts.append(b',\n "events": [\n  ')
    parts.append(b",\n  ".join(_encode(_event_value(event, number)) for number, event in enumerate(events, 1)))
    parts.append(b"\n ]\n}\n")
    return b"".join(parts)


def _event_value(event: AnyEvent, number: int) -> dict[str, Any]:
    value: dict[str, Any] = {"id": number, "event": type(event).__name__}
    for each in _fields_of(type(event).__name__):
        content = getattr(event, each.name)
        if content == each.default and each.default is not msgspec.NODEFAULT:
            continue
        if each.name == "time":
            value.update(_time_value(content))
        elif each.is_payload:
            if isinstance(content, BlobRef):
                raise HistoryError(f"the {each.name} of {type(event).__name__} is stored elsewhere", f"event {number}")
            if content is not None:
                value.update(_payload_value(each.name, content))
        else:
            value[each.name] = _plain(content)
    return value


def _plain(content: Any) -> Any:
    match content:
        case Failure():
            return _failure_value(content)
        case bytes():
            return content.hex()
        case tuple():
            return [_attempt_value(each) for each in content]
        case _:
            return content


def _attempt_value(attempt: Any) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.structs.asdict(attempt)
    value["failure"] = _failure_value(attempt.failure) if attempt.failure is not None else None
    return value


def _failure_value(failure: Failure) -> dict[str, Any]:
    value: dict[str, Any] = {"type": failure.type, "message": failure.message}
    if failure.traceback:
        value["traceback"] = failure.traceback
    if not failure.retryable:
        value["retryable"] = False
    if failure.cause is not None:
        value["cause"] = _failure_value(failure.cause)
    return value


def _item_value(item: ItemOutcome) -> dict[str, Any]:
    return {"failure": _failure_value(item)} if isinstance(item, Failure) else _payload_value("result", item)


def _exchange_value(exchange: Exchange) -> dict[str, Any]:
    value: dict[str, Any] = {"method": exchange.method, "url": exchange.url}
    for name in ("status", "reason", "headers", "cut"):
        if content := getattr(exchange, name):
            value[name] = content
    for name in ("request", "body"):
        if content := getattr(exchange, name):
            value |= _payload_value(name, content)
    return value


def _payload_value(name: str, payload: bytes) -> dict[str, Any]:
    try:
        value = _decode(payload)
        if _encode(value) == payload and not _is_deep(payload, value):
            return {name: value}
        return {f"{name}_text": payload.decode()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {f"{name}_base64": base64.b64encode(payload).decode("ascii")}


def _is_deep(payload: bytes, value: Any) -> bool:
    if payload.count(b"[") + payload.count(b"{") <= PAYLOAD_DEPTH_MAX:
        return False
    level = [value]
    for _ in range(PAYLOAD_DEPTH_MAX):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return any(isinstance(each, dict | list) for each in level)


def _time_value(seconds: float) -> dict[str, Any]:
    try:
        return {"time": (_EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z"), "at": seconds}
    except OverflowError:  # beyond the calendar
        return {"at": seconds}


# --- Reading -----------------------------------------------------------------------------------------------------


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """The outermost object; what is inside is looked at one by one, to say where something is wrong."""

    format: str
    run: dict[str, str]
    events: list[msgspec.Raw]
    outcomes: dict[str, list[dict[str, msgspec.Raw]]] = {}
    about: dict[str, str] = {}
    places: dict[int, str] = {}
    capture: CaptureNote | None = None
    exchanges: dict[str, list[dict[str, msgspec.Raw]]] = {}
    engine: str = HOLDFAST
    drains: list[int] = []
    singly: int = 0


class _Format(msgspec.Struct):
    """As much of a file as tells what it is."""

    format: str = ""


def from_json(content: bytes) -> History:
    """Return the history that a file holds.

    Raises:
        HistoryError: it is no history, or not one of this format; the event at fault is named.
    """
    if len(content) > TRANSCRIPT_BYTES_MAX:
        raise HistoryError(f"the file has more than {TRANSCRIPT_BYTES_MAX:,} bytes (TRANSCRIPT_BYTES_MAX)")
    file = _read_file(content)
    if len(file.events) > EVENTS_MAX:
        raise HistoryError(f"the file has more than {EVENTS_MAX:,} events (EVENTS_MAX)")
    events = [_read_event(number, raw) for number, raw in enumerate(file.events, 1)]
    if not events or not isinstance(events[0], WorkflowStarted):
        raise HistoryError("history does not begin with WorkflowStarted", "event 1")
    first = events[0]
    for name, given in file.run.items():
        if getattr(first, name, None) != given or name not in {"workflow", "run_id", "execution"}:
            raise HistoryError(f"run.{name} is {given!r}, and event 1 says otherwise", "event 1")
    outcomes = {
        step: tuple(_read_item(step, index, each) for index, each in enumerate(items))
        for step, items in file.outcomes.items()
    }
    exchanges = {step: tuple(_read_exchange(step, each) for each in found) for step, found in file.exchanges.items()}
    _check_drains(file.drains, events)
    return History(
        events,
        outcomes,
        file.about,
        file.places,
        file.capture,
        engine=file.engine,
        drains=tuple(file.drains),
        singly=max(0, file.singly),
        exchanges=exchanges,
    )


def _check_drains(drains: Sequence[int], events: Sequence[AnyEvent]) -> None:
    before = 0
    for each in drains:
        if not before < each <= len(events) or not isinstance(events[each - 1], Input):
            raise HistoryError(f"a drain ends with event {each}, which is no input behind event {before}")
        before = each


def _read_file(content: bytes) -> _File:
    try:
        found = msgspec.json.decode(content, type=_Format).format
        if found != FORMAT:
            raise HistoryError(f"the file is no {FORMAT}, but {found or 'of no format'}")
        return msgspec.json.decode(content, type=_File)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise HistoryError(f"the file is no history: {_words(error)}", _event_at(content, error)) from None


def _event_at(content: bytes, error: Exception) -> str:
    """Return the event in which a file stops being JSON, '' before the first one."""
    byte = re.search(r"\(byte (\d+)\)", str(error))
    begun = len(_EVENT_BEGINS.findall(content, 0, int(byte[1]) if byte else len(content)))
    return f"event {begun}" if begun else ""


def _read_event(number: int, raw: msgspec.Raw) -> AnyEvent:
    where = f"event {number}"
    try:
        members = _decode_members(raw)
        name = _decode_text(members.pop("event", _NULL))
        if name not in _KINDS:
            raise HistoryError(f"there is no event called {name!r}", where)
        if _decode_number(members.pop("id", _NULL)) != number:
            raise HistoryError("the ids do not count from 1", where)
        values = {each.name: each.read(members) for each in _fields_of(name)}
        if members:
            raise HistoryError(f"{name} has no {', '.join(sorted(members)[:5])}", where)
        event: AnyEvent = _KINDS[name](**values)
        if isinstance(event, WorkflowStarted | AttributesSet):
            decode_attributes({name: text for name, text in event.attributes.items() if text})
    except HistoryError as error:
        raise HistoryError(error.what, where) from None
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise HistoryError(_words(error), where) from None
    return event


def _read_item(step: str, index: int, members: dict[str, msgspec.Raw]) -> ItemOutcome:
    try:
        if set(members) == {"failure"}:
            return _read_failure(members["failure"])
        payload = _read_payload(_RESULT_FORMS, dict(members))
        if payload is None or len(members) != 1:
            raise HistoryError("it has to have one of result and failure")
    except (HistoryError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as error:
        words = error.what if isinstance(error, HistoryError) else _words(error)
        raise HistoryError(f"the outcome of item {index} of {step}: {words}") from None
    return payload


def _read_exchange(step: str, members: dict[str, msgspec.Raw]) -> Exchange:
    try:
        request, body = (_read_payload(_forms_of(name), members) or b"" for name in ("request", "body"))
        found = msgspec.convert({name: _decode(raw) for name, raw in members.items()}, Exchange)
    except (HistoryError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as error:
        words = error.what if isinstance(error, HistoryError) else _words(error)
        raise HistoryError(f"a call of {step}: {words}") from None
    return msgspec.structs.replace(found, request=request, body=body)


@cache
def _fields_of(name: str) -> tuple[_Field, ...]:
    return tuple(_Field(info) for info in msgspec.structs.fields(_KINDS[name]))


class _Field:
    """One field of one kind of event, and how it stands in a file."""

    __slots__ = ("_decode", "default", "forms", "is_payload", "may_be_none", "name", "type")

    def __init__(self, info: msgspec.structs.FieldInfo) -> None:
        self.name = info.name
        self.type = info.type
        self.is_payload = self.name in {"input", "result"}
        self.forms = _forms_of(self.name)
        self._decode = msgspec.json.Decoder(info.type).decode
        self.may_be_none = type(None) in getattr(info.type, "__args__", ())
        self.default = info.default if info.default_factory is msgspec.NODEFAULT else info.default_factory()

    def read(self, members: dict[str, msgspec.Raw]) -> Any:
        """Take the field's value out of an event's members."""
        if self.name == "time":
            return _read_time(members)
        if self.is_payload:
            payload = _read_payload(self.forms, members)
            if payload is None and not self.may_be_none:
                raise HistoryError(f"{self.name} is missing")
            return payload
        raw = members.pop(self.name, None)
        if raw is None:
            if self.default is msgspec.NODEFAULT:
                raise HistoryError(f"{self.name} is missing")
            return dict(self.default) if isinstance(self.default, dict) else self.default
        return self._value(raw)

    def _value(self, raw: msgspec.Raw) -> Any:
        if self.type is bytes:
            return bytes.fromhex(_decode_text(raw))
        if self.name == "attempts":
            return tuple(_read_attempt(each) for each in msgspec.json.decode(raw, type=list[msgspec.Raw]))
        if self.name in {"failure", "first_failure"}:
            return None if self.may_be_none and bytes(raw).strip() == b"null" else _read_failure(raw)
        value = self._decode(raw)
        if isinstance(value, float) and not math.isfinite(value):
            raise HistoryError(f"{self.name} is not a finite number")
        return value


class _FailureValue(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    message: str = ""
    traceback: str = ""
    retryable: bool = True
    cause: _FailureValue | None = None


class _AttemptValue(msgspec.Struct, forbid_unknown_fields=True):
    number: int
    started: float
    ended: float
    worker: str = ""
    failure: _FailureValue | None = None


def _read_failure(raw: msgspec.Raw) -> Failure:
    return _failure_of(msgspec.json.decode(raw, type=_FailureValue))


def _failure_of(value: _FailureValue) -> Failure:
    cause = _failure_of(value.cause) if value.cause is not None else None
    return Failure(value.type, value.message, value.traceback, value.retryable, cause)


def _read_attempt(raw: msgspec.Raw) -> Attempt:
    value = msgspec.json.decode(raw, type=_AttemptValue)
    failure = _failure_of(value.failure) if value.failure is not None else None
    return Attempt(value.number, value.started, value.ended, value.worker, failure)


def _forms_of(name: str) -> tuple[str, str, str]:
    """Return the names under which a payload may stand: as a value, as text, as bytes."""
    return name, f"{name}_text", f"{name}_base64"


def _read_payload(forms: tuple[str, str, str], members: dict[str, msgspec.Raw]) -> bytes | None:
    given = [form for form in forms if form in members]
    if not given:
        return None
    if len(given) > 1:
        raise HistoryError(f"{' and '.join(given)} say the same twice")
    (form,) = given
    raw = members.pop(form)
    if form == forms[0]:
        return _encode(_decode(raw))
    text = _decode_text(raw)
    if form == forms[1]:
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise HistoryError(f"{form} is not base64: {error}") from None


def _read_time(members: dict[str, msgspec.Raw]) -> float:
    exact, shown = members.pop("at", None), members.pop("time", None)
    if exact is not None:
        seconds = _decode_seconds(exact)
        if not math.isfinite(seconds):
            raise HistoryError("at is not a finite number")
        return seconds
    if shown is None:
        raise HistoryError("time is missing")
    moment = datetime.fromisoformat(_decode_text(shown))
    if moment.tzinfo is None:
        raise HistoryError("time has no time zone")
    return (moment - _EPOCH).total_seconds()


def _words(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error) or type(error).__name__


_EVENT_BEGINS: Final = re.compile(rb'"id"\s*:\s*\d+\s*,\s*"event"\s*:')
_RESULT_FORMS: Final = _forms_of("result")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NULL: Final = msgspec.Raw(b"null")
_KINDS: Final[dict[str, Any]] = {kind.__name__: kind for kind in AnyEvent.__args__}
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode
_decode_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text: Final = msgspec.json.Decoder(str).decode
_decode_number: Final = msgspec.json.Decoder(int).decode
_decode_seconds: Final = msgspec.json.Decoder(float).decode
