"""Fan-outs: many items of one task.

Owns: taking chunks of items, and the outcomes of items.
Must not know: what items are.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class ClaimChunks(Value, frozen=True):
    """Claim chunks of fan-outs, as ClaimTasks does rows. Result: tuple[ClaimedChunk]."""

    pools: tuple[tuple[str, int], ...]
    """(pool, how many chunks at most) pairs."""
    tasks: tuple[str, ...]


class ClaimedChunk(Value, frozen=True):
    """Items the writing member is to run."""

    chunk_id: int
    fan_out_id: int
    execution_id: int
    run_id: str
    execution: str
    step: str
    task: str
    pool: str
    options: bytes
    attempt: int
    items: tuple[tuple[int, bytes], ...]
    """(index in the fan-out, input as JSON text) of the items that have no outcome yet."""
    token: int
    recoveries: int = 0
    traceparent: str = ""
    """As it was queued."""
    one_by_one: bool = False
    """Its pool is limited: one of the items runs at a time."""


class ItemOutcome(Value, frozen=True, array_like=True):
    """The final outcome of one item."""

    index: int
    ok: bool
    body: bytes
    """Result as JSON text, or an encoded Failure."""


class RecordItems(Value, frozen=True):
    """Record outcomes of a claimed chunk's items, as they finish. Result: ChunkState, or FencedError.

    Outcomes are final and kept once. `retry` moves items to a new chunk of the same fan-out that is claimable at
    `retry_at` as attempt `attempt` + 1. `done` ends the chunk: items without outcome or retry go back as a chunk
    that is claimable at once with the same attempt. When the last item of the fan-out has its outcome (or more
    than `failures_max` failed), the store puts a `fan_out` message into the run's inbox and drops open chunks.
    """

    chunk_id: int
    token: int
    outcomes: tuple[ItemOutcome, ...]
    retry: tuple[int, ...] = ()
    retry_at: float = 0.0
    done: bool = False
    fan_out_id: int = 0
    """Whose items they are, as the claim said: a body that is encrypted is so for its place."""
    put_off: tuple[int, ...] = ()
    """Items that were told to come again later: like `retry`, but the attempt does not count."""
    put_off_until: float = 0.0


class ChunkState(Value, frozen=True):
    """Whether a chunk is still wanted."""

    wanted: bool
    """False when the fan-out was cancelled or given up: stop working on it."""
    finished: bool = False
    """This write gave the fan-out its last outcome."""


class FanOutSummary(Value, frozen=True, array_like=True):
    """Body of a `fan_out` message (msgpack)."""

    step: str
    digest: bytes
    """BLAKE2b-128 over the (ok, body) pairs in index order."""
    count: int
    failed: int
    first_failed_index: int = -1
    first_failure: bytes = b""


class FanOutRecord(Value, frozen=True):
    """How far a fan-out is."""

    fan_out_id: int
    execution_id: int
    step: str
    task: str
    count: int
    done: int
    failed: int
    closed: bool


class ChunkRecord(Value, frozen=True):
    """A chunk of a fan-out that is not done yet."""

    chunk_id: int
    pending: int
    """How many of its items have no outcome."""
    attempt: int
    recoveries: int
    owner: str
    """Name of the member that has claimed it, or ''."""
