"""The fan-outs of one execution on Temporal: many items of one task, in chunks.

Owns: how items are cut, which chunks are under way, and when a fan-out is over.
Must not know: how a chunk runs its items, drains.

Theory of operation
===================

A chunk is one activity that does its items one after the other. There are so many chunks that each slot of a large
fleet has one, and so few that 10,000 items leave fewer than 2,000 events; only so many of them are under way at once,
in number and in bytes, as Temporal bears in one run and in one request. Outcomes travel in the results of chunks, so a
history replays by itself. A chunk that is full gives back what is left of it, which is the next chunk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec
from temporalio.common import RawValue

from holdfast.history import Failure, FanOutCompleted, InputEvent, StartFanOut
from holdfast.history.temporal import digest_of
from holdfast.ports.runtime import FanOutOutcome
from holdfast.temporal.failures import failure_of
from holdfast.temporal.mapping import Chunk, Done, Item, decode_end, encode
from holdfast.temporal.payloads import read_payload

CHUNKS: Final = 250
"""Into so many chunks items are cut, where there are enough: each takes six events at most."""
CHUNK_BYTES_MAX: Final = 1 << 18
"""How many bytes of items a chunk has, unless one item alone is longer."""
UNDER_WAY_MAX: Final = 250
"""How many chunks of an execution are under way at once; Temporal bears 2,000 activities."""
UNDER_WAY_BYTES_MAX: Final = 1 << 21
"""How many bytes of items they have: all may be asked for in one request, which has 4 MiB."""

_encode_failure: Final = msgspec.msgpack.Encoder().encode
_decode_failure: Final = msgspec.json.Decoder(Failure).decode

BeginChunk = Callable[[StartFanOut, int, bytes], "asyncio.Future[RawValue]"]
"""Begins an activity for a chunk: of which fan-out, the number of the chunk, its argument."""


class KeptOutcomes:
    """The outcomes of a fan-out, in memory. Implements `FanOutOutcome`."""

    def __init__(self, outcomes: Mapping[int, tuple[bool, bytes]], failed: int) -> None:
        """Keep outcomes by index."""
        self.count = len(outcomes)
        self.failed = failed
        self._outcomes = outcomes

    def get(self, index: int) -> tuple[bool, bytes]:
        """Return one item's outcome. See `FanOutOutcome`."""
        return self._outcomes[index]


@dataclass(slots=True, eq=False)
class _FanOut:
    command: StartFanOut
    outcomes: dict[int, tuple[bool, bytes]] = field(default_factory=dict)
    failed: int = 0
    chunks: int = 0
    """How many have begun."""
    running: dict[asyncio.Future[RawValue], int] = field(default_factory=dict)
    """Chunks under way, with their bytes."""

    @property
    def is_given_up(self) -> bool:
        return 0 <= self.command.failures_max < self.failed

    @property
    def is_over(self) -> bool:
        return self.is_given_up or len(self.outcomes) >= len(self.command.items)


class FanOuts:
    """The fan-outs of one execution."""

    def __init__(self, begin: BeginChunk, put: Callable[[InputEvent], None]) -> None:
        """Know of none.

        Args:
            begin: begins a chunk.
            put: takes the outcome of a fan-out.
        """
        self._begin = begin
        self._put = put
        self._open: dict[str, _FanOut] = {}
        self._waiting: deque[tuple[_FanOut, tuple[Item, ...]]] = deque()
        self._running = 0
        self._running_bytes = 0
        self._completed: dict[str, FanOutOutcome] = {}

    def start(self, command: StartFanOut) -> None:
        """Begin a fan-out."""
        fan_out = self._open[command.step] = _FanOut(command)
        self._waiting += [(fan_out, chunk) for chunk in cut(command.items)]
        self._fill()

    def cancel(self, step: str) -> None:
        """End a fan-out that nobody wants any more."""
        fan_out = self._open.pop(step, None)
        if fan_out is not None:
            self._stop(fan_out)
            self._fill()

    def keep(self, outcomes: Mapping[str, FanOutOutcome]) -> None:
        """Know the outcomes of fan-outs that were over before the run began, by step."""
        self._completed |= outcomes

    def open(self, step: str, _: FanOutCompleted) -> FanOutOutcome:
        """Return the outcomes of a fan-out that is over, once."""
        return self._completed.pop(step)

    def _stop(self, fan_out: _FanOut) -> None:
        self._waiting = deque(each for each in self._waiting if each[0] is not fan_out)
        for handle in fan_out.running:
            handle.cancel()

    def _fill(self) -> None:
        """Begin as many chunks as may be under way."""
        while self._waiting and self._running < UNDER_WAY_MAX:
            fan_out, items = self._waiting[0]
            size = _size_of(items)
            if self._running and self._running_bytes + size > UNDER_WAY_BYTES_MAX:
                return
            self._waiting.popleft()
            handle = self._begin(fan_out.command, fan_out.chunks, encode(Chunk(items)))
            fan_out.chunks += 1
            fan_out.running[handle] = size
            self._running += 1
            self._running_bytes += size
            handle.add_done_callback(partial(self._ended, fan_out, items))

    def _ended(self, fan_out: _FanOut, items: tuple[Item, ...], handle: asyncio.Future[RawValue]) -> None:
        self._running -= 1
        self._running_bytes -= fan_out.running.pop(handle)
        if handle.cancelled():
            return  # the run leaves memory
        if self._open.get(fan_out.command.step) is fan_out:
            self._take(fan_out, items, handle)
        self._fill()

    def _take(self, fan_out: _FanOut, items: tuple[Item, ...], handle: asyncio.Future[RawValue]) -> None:
        error = handle.exception()
        if error is not None:
            # It ends by itself whatever becomes of its items: Temporal has given it up.
            failure = failure_of(error)
            for each in items:
                self._note(fan_out, each.index, False, _encode_failure(failure))
        else:
            end = decode_end(read_payload(handle.result().payload))
            for done in end.done:
                self._note(fan_out, done.index, done.ok, body_of(done))
            attempts = {each.index: each.attempt for each in end.left}
            left = tuple(Item(each.index, attempts[each.index], each.input) for each in items if each.index in attempts)
            if left:
                self._waiting.appendleft((fan_out, left))
        if fan_out.is_over:
            self._finish(fan_out)

    def _note(self, fan_out: _FanOut, index: int, ok: bool, body: bytes) -> None:  # noqa: FBT001 - as outcomes have it
        if index not in fan_out.outcomes:
            fan_out.outcomes[index] = (ok, body)
            fan_out.failed += not ok

    def _finish(self, fan_out: _FanOut) -> None:
        step = fan_out.command.step
        del self._open[step]
        self._stop(fan_out)
        outcomes = dict(sorted(fan_out.outcomes.items()))
        self._completed[step] = KeptOutcomes(outcomes, fan_out.failed)
        first = next(((index, body) for index, (ok, body) in outcomes.items() if not ok), None)
        self._put(
            FanOutCompleted(
                0.0,
                -1,
                step,
                digest_of(outcomes),
                len(fan_out.command.items),
                fan_out.failed,
                None if first is None else msgspec.msgpack.decode(first[1], type=Failure),
                -1 if first is None else first[0],
            )
        )


def cut(inputs: tuple[bytes, ...]) -> list[tuple[Item, ...]]:
    """Return the chunks of a fan-out's items: at least one, which is empty where there are none."""
    most = max(1, -(-len(inputs) // CHUNKS))
    chunks: list[tuple[Item, ...]] = []
    chunk: list[Item] = []
    size = 0
    for index, each in enumerate(inputs):
        if chunk and (len(chunk) >= most or size + len(each) > CHUNK_BYTES_MAX):
            chunks.append(tuple(chunk))
            chunk, size = [], 0
        chunk.append(Item(index, 1, msgspec.Raw(each)))
        size += len(each)
    return [*chunks, tuple(chunk)]


def body_of(done: Done) -> bytes:
    """Return an outcome as results have it: JSON text, or an encoded failure."""
    body = bytes(done.body)
    return body if done.ok else _encode_failure(_decode_failure(body))


def _size_of(items: tuple[Item, ...]) -> int:
    return sum(len(bytes(each.input)) for each in items)
