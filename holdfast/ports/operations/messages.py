"""Messages to runs.

Owns: how one is delivered, and how it is read.
Must not know: what it says.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class Deliver(Value, frozen=True):
    """Put a message into the inbox of a run's newest execution. Result: Delivered.

    Refused with RunNotFoundError or RunClosedError. The same `operation_id` twice for one execution is one message.

    A `terminate` ends an execution that nobody owns in the same transaction, whatever its status: no code of it is
    needed for that. Told to an owner that gives the execution up or dies before it acts on it, it does so then.
    A `cancel` makes a parked execution claimable, with the recoveries it had: its code has to see it. When it is parked
    again the message stays.
    """

    run_id: str
    kind: str
    """`signal`, `cancel` or `terminate`; the store itself writes `outcome`, `lock`, `fan_out`, `resume`, `taken`,
    `sent`, `child_started`, `child_refused` and `child`."""
    name: str
    body: bytes
    operation_id: str
    sender: str = ""
    once: bool = False
    """A second delivery under this operation id is refused with CallbackGoneError, not taken for the same message."""
    number: int = 0
    """Which execution of the run it is for, and for no other; 0 is the newest, whichever that is."""


class Delivered(Value, frozen=True):
    """A message that will reach its run."""

    execution_id: int
    inbox_id: int
    owner: int | None
    """Number of the member that owns the execution now."""
    run_id: str = ""


class InboxRow(Value, frozen=True):
    """A message an execution has not read yet."""

    inbox_id: int
    execution_id: int
    kind: str
    name: str
    body: bytes
    operation_id: str
    sender: str
    received_at: float
