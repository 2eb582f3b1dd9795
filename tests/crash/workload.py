"""A workload: which runs there are, and a feeder that starts them and talks to them until it is heard.

Owns: the draw of runs from a seed, the journal of what was acknowledged, and trying again.
Must not know: when or how processes die.

A feeder may die itself, at any moment. Its journal says what it was told; what it does not say is asked again, with the
same ids.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

from holdfast.errors import NoOrchestratorError, RunClosedError, RunNotFoundError, StoreError
from tests.crash.shapes import SENDERS, SHAPES, Job, Message, Piece

RETRY_SECONDS: Final = 0.05
ANSWER_SECONDS: Final = 2.0
LOCKS: Final = 3
"""How many locks there are to fight for."""

_encode: Final = msgspec.json.encode
_piece: Final = msgspec.json.Decoder(Piece, dec_hook=lambda _, value: Job(**value)).decode


def make_pieces(seed: int, count: int, *, first: int = 0, only: Iterable[str] = ()) -> list[Piece]:
    """Draw `count` runs, numbered from `first`, of all shapes or `only` of some."""
    random = Random(f"{seed}/{first}")
    names = list(only) or list(SHAPES)
    weights = [SHAPES[name].weight for name in names]
    pieces = []
    for number in range(first, first + count):
        name = random.choices(names, weights)[0]
        shape = SHAPES[name]
        job = Job(
            size=random.randint(*shape.size),
            pace=random.choice((0.0, 0.01, 0.05, 0.2)) if name != "naps" else random.choice((0.02, 0.1, 0.3)),
            name=f"lock-{random.randrange(LOCKS)}",
        )
        run_id = f"{name}-{number}"
        pieces.append(Piece(run_id, name, job, random.choice(SENDERS), tuple(shape.messages(run_id, job))))
    return pieces


def write_pieces(pieces: Iterable[Piece], path: Path) -> None:
    """Append runs to a file that feeders read."""
    lines = b"".join(_encode(each, enc_hook=lambda job: job.model_dump()) + b"\n" for each in pieces)
    with path.open("ab") as file:
        file.write(lines)


def read_pieces(path: Path) -> list[Piece]:
    """Return the runs of a file."""
    return [_piece(line) for line in path.read_bytes().splitlines()] if path.exists() else []


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a feeder was told."""

    name: str
    """`start RUN`, or the operation id of a message."""
    run_id: str
    kind: str
    """`start`, `signal`, `update`, `cancel`, or `closed` for a message that came too late."""
    answer: Any
    at: float
    """Seconds of the system's monotonic clock."""


class Journal:
    """What one sender was told, kept where no crash can take it."""

    def __init__(self, path: Path) -> None:
        """Keep it in `path`."""
        self._path = path

    def read(self) -> list[Acknowledged]:
        """Return all entries."""
        if not self._path.exists():
            return []
        return [Acknowledged(*json.loads(line)) for line in self._path.read_text(encoding="utf-8").splitlines()]

    def write(self, name: str, run_id: str, kind: str, answer: Any = None) -> None:
        """Add an entry."""
        line = json.dumps([name, run_id, kind, answer, time.monotonic()]) + "\n"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


class Feeder:
    """One sender, on one client."""

    def __init__(self, sender: str, client: Any, pieces: Path, journal: Journal) -> None:
        """Speak as `sender`."""
        self._sender = sender
        self._client = client
        self._pieces = pieces
        self._journal = journal
        self._told = {each.name: each for each in journal.read()}
        self._read = 0
        self._fed: set[asyncio.Task[None]] = set()

    async def feed(self) -> None:
        """Feed every run there is and every run that comes, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    data = self._pieces.read_bytes() if self._pieces.exists() else b""
                    end = data.rfind(b"\n") + 1
                    for line in data[self._read : end].splitlines():
                        group.create_task(self._feed(_piece(line)))
                    self._read = end
                    await asyncio.sleep(0.1)
        except* asyncio.CancelledError:
            pass

    async def _feed(self, piece: Piece) -> None:
        mine = [each for each in piece.messages if each.sender == self._sender]
        if piece.starter == self._sender:
            await self._start(piece)
        elif not mine:
            return
        handle = self._client.handle(piece.run_id, SHAPES[piece.shape].definition)
        for message in mine:
            if message.operation_id not in self._told:
                await self._send(handle, message, SHAPES[piece.shape].definition)

    async def _start(self, piece: Piece) -> None:
        name = f"start {piece.run_id}"
        while name not in self._told:
            try:
                await self._client.start(SHAPES[piece.shape].definition, piece.job, id=piece.run_id)
            except StoreError:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._tell(name, piece.run_id, "start")

    async def _send(self, handle: Any, message: Message, workflow: Any) -> None:
        while True:
            try:
                answer = None
                match message.kind:
                    case "signal":
                        await handle.signal(workflow.say, message.word, operation_id=message.operation_id)
                    case "update":
                        answer = await handle.update(
                            workflow.add, message.word, operation_id=message.operation_id, timeout=ANSWER_SECONDS
                        )
                    case "cancel":
                        await handle.cancel(message.word, operation_id=message.operation_id)
            except RunClosedError:
                self._tell(message.operation_id, handle.run_id, "closed")
                return
            except (RunNotFoundError, NoOrchestratorError, StoreError):
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._tell(message.operation_id, handle.run_id, message.kind, answer)
                return

    def _tell(self, name: str, run_id: str, kind: str, answer: Any = None) -> None:
        self._journal.write(name, run_id, kind, answer)
        self._told[name] = Acknowledged(name, run_id, kind, answer, time.monotonic())
