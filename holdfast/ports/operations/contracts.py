"""What answers, results and bodies have been like so far, as the fleet knows it together; and what hosts give up.

Owns: keeping a contract, learning one anew, noting what a host retires; and how they are shown.
Must not know: how a contract is learned, what is done about a difference.

Whoever learned something reads the newest version, and keeps what that makes of it under the next revision. Of two that
do so at once, one is told to look again: nothing that was learned is lost, and nobody waits.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class ContractRecord(Value, frozen=True):
    """A version of what was learned of an endpoint."""

    host: str
    """A host; `task NAME` or `webhook NAME` for what is not called."""
    endpoint: str
    """What is called, `GET /rooms/{}/price`; `result` or `body`."""
    version: int
    """From 1."""
    revision: int
    """Counts what was written of the endpoint, over all versions."""
    is_learned: bool
    """Whether enough answers were seen: until then, nothing is held against it."""
    answers: int = 0
    """From how many it was learned."""
    body: bytes = b""
    """The contract, and how it differs from the version before: see `holdfast.ports.contracts.decode_learned`."""
    since: float = 0.0
    """When it was last written."""


class KeepContract(Value, frozen=True):
    """Keep what was learned. Result: whether it is kept; not where somebody else kept something of it meanwhile.

    What is kept has the revision after the newest one, and the newest version or the one after it.
    """

    record: ContractRecord


class RelearnContract(Value, frozen=True):
    """Learn a contract anew, as its next version. Result: that version; 0 where nothing was learned.

    Nothing is held against it until enough answers were seen.
    """

    host: str
    endpoint: str
    by: str


class NoteRetirement(Value, frozen=True):
    """Note that a host says it gives something up. Result: whether that is news."""

    host: str
    endpoint: str
    deprecated_at: float | None
    sunset_at: float | None
    link: str
    run_id: str


class RetirementRecord(Value, frozen=True):
    """What a host says it gives up. Times are seconds since the epoch."""

    host: str
    endpoint: str
    deprecated_at: float | None
    """Since when it is not to be used any more; None where it did not say so."""
    sunset_at: float | None
    """From when on it may be gone; None where it did not say so."""
    link: str
    """Where to read more; empty where it did not say so."""
    first_seen: float
    first_run: str
    """The run that was told first."""
