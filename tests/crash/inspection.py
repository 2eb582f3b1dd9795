"""Whether a store, a receiver and the feeders' journals agree, after each death and in the end.

Owns: every check; what is wrong, in words.
Must not know: how processes are started and killed.

After a death, whatever was acknowledged is there, and what was ended stays as it ended. In the end each run has come to
what its shape says, and each step had its effect once. In between, a step is only asked for again when a process died
before its outcome was recorded.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from holdfast.history import (
    CLOSING,
    CancelRequested,
    Input,
    SignalReceived,
    TaskCompleted,
    TimerFired,
    TimerStarted,
    UpdateCompleted,
    open_page,
    outside_payloads,
)
from holdfast.ports.engine import Outcome
from holdfast.ports.operations import TERMINAL, RunRecord
from holdfast.ports.store import Store
from holdfast.testing.receiver import Receiver, Request
from tests.crash.shapes import SHAPES, Expected, Piece, numbered
from tests.crash.workload import Acknowledged, Journal, read_pieces

PROBLEMS_SHOWN = 20
CLOCKS_SECONDS = 0.003
"""How far the system's clocks may move against each other while a timer runs."""

_decode_outcome = msgspec.msgpack.Decoder(Outcome).decode


@dataclass(slots=True)
class View:
    """What is known of one run."""

    record: RunRecord
    events: list[Any] = field(default_factory=list)
    signals: Counter[str] = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)
    recorded: set[str] = field(default_factory=set)
    """Steps whose outcome is in history."""
    outcome: bytes = b""


class Inspector:
    """Looks at one store and one receiver again and again."""

    def __init__(self, store: Store, folder: Path, *, zombies: bool = False) -> None:
        """Look at `store`, and at what `folder` holds: pieces, journals, members, and the receiver.

        With `zombies`, some that ask the receiver may be late: what others have done meanwhile is asked for again.
        """
        self._store = store
        self._zombies = zombies
        self._folder = folder
        self._receiver = Receiver(folder)
        self._journals = (Journal(folder / "journal-inside"), Journal(folder / "journal-outside"))
        self._views: dict[str, View] = {}
        self._recorded_at: dict[str, int] = {}
        """Key of a step whose outcome was recorded at a death, to how many requests there were at that time."""
        self.problems: list[str] = []

    @property
    def closed(self) -> int:
        """How many runs had ended when last looked."""
        return sum(view.record.status in TERMINAL for view in self._views.values())

    def open_runs(self) -> list[str]:
        """Describe the runs that had not ended when last looked."""
        return [
            f"{run_id} {view.record.status} {view.record.parked} last event {view.record.last_event}: "
            f"{view.events[-1] if view.events else None}"
            for run_id, view in self._views.items()
            if view.record.status not in TERMINAL
        ]

    def report(self) -> str:
        """Return the problems, one a line."""
        more = len(self.problems) - PROBLEMS_SHOWN
        return "\n".join([*self.problems[:PROBLEMS_SHOWN], *([f"... and {more} more"] if more > 0 else [])])

    async def look_after_death(self) -> None:
        """Check what must hold at any time. Nothing of the stack may be running."""
        told = self._told()
        await self._read_runs()
        for each in told:
            await self._check_told(each)
        asked = len(self._receiver.requests())
        for view in self._views.values():
            for step in view.recorded:
                self._recorded_at.setdefault(f"{view.record.execution}/{step}", asked)

    async def look_at_the_end(self) -> None:
        """Check everything. All runs should have ended."""
        told = self._told()
        await self._read_runs()
        for each in told:
            await self._check_told(each)
        requests = self._receiver.requests()
        applied = self._receiver.applied()
        pieces = {each.run_id: each for each in read_pieces(self._folder / "pieces")}
        self._check_requests(requests, pieces)
        by_run: dict[str, dict[str, str]] = defaultdict(dict)
        for key, payload in applied.items():
            run_id, _, step = key.partition("/")
            by_run[run_id][step] = payload
        for foreign in sorted(set(by_run) - set(pieces)):
            self._add(f"foreign keys were applied, for {foreign}: {sorted(by_run[foreign])}")
        answers = {each.name: each.answer for each in told if each.kind == "update"}
        for piece in pieces.values():
            self._check_run(piece, by_run[piece.run_id], answers)

    # --- Reading -----------------------------------------------------------------------------------------------------

    def _told(self) -> list[Acknowledged]:
        # Before the store is read: what is told is durable, what is durable need not have been told.
        return [each for journal in self._journals for each in journal.read()]

    async def _read_runs(self) -> None:
        cursor = None
        while True:
            records, cursor = await self._store.runs(cursor=cursor, limit=1000)
            for record in records:
                await self._read_run(record)
            if cursor is None:
                return

    async def _read_run(self, record: RunRecord) -> None:
        view = self._views.setdefault(record.run_id, View(record))
        before, view.record = view.record, record
        if before.status in TERMINAL and (before.status, before.outcome) != (record.status, record.outcome):
            self._add(f"{record.run_id} had ended {before.status} {before.outcome!r}, now {record}")
        for page in await self._store.pages(record.execution_id, len(view.events)):
            events = open_page(page.body)
            for event, name, reference in outside_payloads(events):
                setattr(event, name, await self._store.blob(reference.digest))
            if page.first != len(view.events) + 1:
                self._add(f"{record.run_id}: a page begins with event {page.first} after {len(view.events)}")
            for event in events:
                self._take(view, event)

    def _take(self, view: View, event: Any) -> None:
        if view.events and isinstance(view.events[-1], CLOSING):
            self._add(f"{view.record.run_id}: its history goes on after its end, with {event}")
        view.events.append(event)
        if isinstance(event, SignalReceived):
            view.signals[event.signal_id] += 1
        elif isinstance(event, UpdateCompleted):
            view.answered.add(event.update_id)
        elif isinstance(event, TaskCompleted):
            view.recorded.add(event.step)

    # --- At any time -------------------------------------------------------------------------------------------------

    async def _check_told(self, told: Acknowledged) -> None:
        view = self._views.get(told.run_id)
        if view is None:
            self._add(f"{told.name} was acknowledged and there is no run {told.run_id}")
        elif told.kind in {"signal", "cancel"} and not _has(view, told):
            rows = await self._store.execution_inbox(view.record.execution_id)
            if not any(row.kind == told.kind and row.operation_id == told.name for row in rows):
                await self._read_run(view.record)  # it may have moved on between the two looks
                if not _has(view, told):
                    self._add(f"{told.kind} {told.name} was acknowledged and is lost")
        elif told.kind == "update" and told.name not in view.answered:
            self._add(f"update {told.name} was answered and its answer is lost")
        elif told.kind == "closed" and view.record.status not in TERMINAL:
            self._add(f"{told.name} was refused because {told.run_id} had ended, which is {view.record.status}")

    # --- In the end --------------------------------------------------------------------------------------------------

    def _check_requests(self, requests: list[Request], pieces: dict[str, Piece]) -> None:
        joins = self._joins()
        by_key: dict[str, list[tuple[int, Request]]] = defaultdict(list)
        tokens: dict[str, int] = {}
        for index, request in enumerate(requests):
            by_key[request.key].append((index, request))
            if request.token and not self._zombies:
                name = request.payload.split()[0]
                if request.token < tokens.get(name, 0):
                    self._add(f"{request.key} came with token {request.token} of {name}, after {tokens[name]}")
                tokens[name] = max(request.token, tokens.get(name, 0))
        expected = {each.run_id: SHAPES[each.shape].expect(each.job) for each in pieces.values()}
        for key, asked in by_key.items():
            run_id, _, step = key.partition("/")
            if run_id not in expected:
                self._add(f"a foreign key was asked for: {key}")
                continue
            if len({request.payload for _, request in asked if request.applies}) > 1:
                self._add(f"{key} was asked for with several payloads: {[request.payload for _, request in asked]}")
            if self._zombies:
                continue
            if step not in expected[run_id].repeated:
                self._check_repeats(key, [request for _, request in asked], joins)
            known = self._recorded_at.get(key)
            if known is not None and asked[-1][0] >= known:
                self._add(f"{key} was asked for again, when its outcome had been recorded")
        for run_id, each in expected.items():
            if not self._zombies:
                self._check_stages(run_id, each, by_key)
        for piece in pieces.values():
            if piece.shape == "naps":
                self._check_pace(piece, by_key)

    def _joins(self) -> list[float]:
        path = self._folder / "members"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [float(line.split()[1]) for line in lines]

    def _check_repeats(self, key: str, asked: list[Request], joins: list[float]) -> None:
        for first, second in pairwise(asked):
            if not any(first.at <= join <= second.at for join in joins):
                self._add(f"{key} was asked for twice and nothing died: {first}, {second}")

    def _check_stages(self, run_id: str, expected: Expected, by_key: dict[str, list[tuple[int, Request]]]) -> None:
        for stage, following in pairwise(expected.stages):
            last = max((index for step in stage for index, _ in by_key.get(f"{run_id}/{step}", ())), default=-1)
            first = min(
                (index for step in following for index, _ in by_key.get(f"{run_id}/{step}", ())), default=1 << 62
            )
            if last > first:
                self._add(f"{run_id}: a step of {stage[:3]} was asked for after {following[:3]} had begun")

    def _check_pace(self, piece: Piece, by_key: dict[str, list[tuple[int, Request]]]) -> None:
        steps = [f"{piece.run_id}/{step}" for step in numbered("apply", piece.job.size)]
        first = [by_key[step][0][1].at for step in steps if step in by_key]
        for index, (before, after) in enumerate(pairwise(first), 1):
            if after - before < piece.job.pace - CLOCKS_SECONDS:
                self._add(f"{piece.run_id}: timer {index} of {piece.job.pace} s lasted {after - before} s")

    def _check_run(self, piece: Piece, applied: dict[str, str], answers: dict[str, Any]) -> None:
        run_id = piece.run_id
        expected = SHAPES[piece.shape].expect(piece.job)
        steps = {step for stage in expected.stages for step in stage} - expected.noted
        if set(applied) != steps:
            self._add(
                f"{run_id}: applied but not expected {sorted(set(applied) - steps)}, "
                f"expected but not applied {sorted(steps - set(applied))}"
            )
        view = self._views.get(run_id)
        if view is None:
            self._add(f"{run_id} does not exist")
            return
        if view.record.status != expected.status:
            self._add(f"{run_id} is {view.record.status} {view.record.parked}, not {expected.status}: {_end(view)}")
            return
        for problem in (*_check_history(view), *_check_messages(piece, view, expected, applied, answers)):
            self._add(f"{run_id}: {problem}")

    def _add(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def _has(view: View, told: Acknowledged) -> bool:
    if told.kind == "cancel":
        return any(isinstance(event, CancelRequested) for event in view.events)
    return told.name in view.signals


def _end(view: View) -> str:
    return str(_decode_outcome(view.record.outcome)) if view.record.outcome else str(view.events[-1:])


def _result(view: View) -> Any:
    outcome = _decode_outcome(view.record.outcome)
    return json.loads(outcome.result) if outcome.result is not None else None


def _check_history(view: View) -> Iterator[str]:
    closings = [event for event in view.events if isinstance(event, CLOSING)]
    if len(closings) != 1 or view.events[-1] is not closings[0]:
        yield f"its history ends {closings}"
    if len(view.events) != view.record.last_event:
        yield f"its history has {len(view.events)} events of {view.record.last_event}"
    due = {event.step: event.due for event in view.events if isinstance(event, TimerStarted)}
    fired = Counter(event.step for event in view.events if isinstance(event, TimerFired))
    for event in view.events:
        if isinstance(event, TimerFired) and event.time < due[event.step]:
            yield f"timer {event.step} fired {due[event.step] - event.time} s early"
    if any(times > 1 for times in fired.values()):
        yield f"timers fired more than once: {fired}"
    outcomes = Counter(event.step for event in view.events if isinstance(event, Input) and hasattr(event, "attempts"))
    if any(times > 1 for times in outcomes.values()):
        yield f"steps have several outcomes: {outcomes}"
    times = [event.time for event in view.events if isinstance(event, Input)]
    if view.record.closed_at is None or view.record.closed_at < max(times) - 1:
        yield f"it was closed at {view.record.closed_at}, after an event at {max(times)}"


def _check_messages(
    piece: Piece, view: View, expected: Expected, applied: dict[str, str], answers: dict[str, Any]
) -> Iterable[str]:
    for signal_id, times in view.signals.items():
        if times > 1:
            yield f"signal {signal_id} is {times} times in its history"
    result = _result(view)
    if expected.result is not None and result != expected.result(applied):
        yield f"its result is {result}, and {expected.result(applied)} was applied"
    if piece.shape == "collect":
        heard = [event.signal_id for event in view.events if isinstance(event, SignalReceived)]
        for sender in {each.sender for each in piece.messages}:
            sent = [each.operation_id for each in piece.messages if each.sender == sender]
            mine = [each for each in heard if each in set(sent)]
            if mine != sent[: len(mine)]:
                yield f"signals of {sender} are {mine} in history, and were sent as {sent}"
        words = {each.operation_id: each.word for each in piece.messages}
        if result != [words[each] for each in heard][: piece.job.size]:
            yield f"its result is {result}, and its signals were {heard}"
    if piece.shape == "count":
        if sorted(result) != sorted(each.word for each in piece.messages):
            yield f"its result is {result}, and it was sent {[each.word for each in piece.messages]}"
        if sorted(result) != sorted(applied.values()):
            yield f"its result is {result}, and it applied {applied}"
        for each in piece.messages:
            place = answers.get(each.operation_id)
            if place is not None and (place >= len(result) or result[place] != each.word):
                yield f"update {each.operation_id} was answered {place}, and its result is {result}"
