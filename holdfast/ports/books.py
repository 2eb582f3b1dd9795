"""Where a process writes down what requests to language models cost, what they answer, and which prefixes are warm.

Owns: the shape of it; on whose behalf a model is asked; which books the code of a step finds.
Must not know: stores, models, prices.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol

from holdfast.ports.operations import (
    FreezeRate,
    KeepModelAnswer,
    NotePrefix,
    OpenStream,
    PrefixWarmth,
    Reservation,
    ReserveModelCall,
    Say,
    SettleModelCall,
    WarmPrefix,
)
from holdfast.ports.served import Served
from holdfast.ports.task import current_task


class Books(Protocol):
    """Written in from any event loop."""

    async def reserve(self, operation: ReserveModelCall) -> Reservation:
        """Set aside what a request may cost, durably. Raises StoreError."""

    async def settle(self, operation: SettleModelCall) -> None:
        """Write down what a request cost. Raises StoreError."""

    async def recall(self, digest: str) -> bytes | None:
        """Return the answer that is kept under a digest, as JSON text; None for none. Raises StoreError."""

    async def keep(self, operation: KeepModelAnswer) -> None:
        """Keep an answer. Raises StoreError."""

    async def open_stream(self, operation: OpenStream) -> int:
        """Begin to say something; return the epoch, 0 where nothing is to be said. Raises StoreError."""

    async def say(self, operation: Say) -> bool:
        """Say something; return whether more is wanted. Raises StoreError."""

    async def freeze(self, operation: FreezeRate) -> float:
        """Let nobody take of a rate for some time; return for how many seconds nobody may. Raises StoreError."""

    async def warm(self, operation: WarmPrefix) -> PrefixWarmth:
        """Ask how a prefix is found, and whether to warm it. Raises StoreError."""

    async def note(self, operation: NotePrefix) -> None:
        """Say what came of warming a prefix. Raises StoreError."""


@dataclass(frozen=True, slots=True)
class Asker:
    """The step of a run that asks a model."""

    run_id: str
    step: str
    attempt: int = 1


books: Final[Served[Books]] = Served()

current_asker: ContextVar[Asker] = ContextVar("holdfast_asker")
"""Set while a side effect of a run is carried out; unset everywhere else."""


def asker_here() -> Asker | None:
    """Return the step that the running code belongs to: a task, or a side effect. None outside of runs."""
    task = current_task.get(None)
    if task is None:
        return current_asker.get(None)
    info = task.info
    return Asker(info.run_id, info.step, info.attempt)


def books_here() -> Books | None:
    """Return what the running step writes in; None outside of steps, and where no store is behind them."""
    return books.newest() if asker_here() is not None else None
