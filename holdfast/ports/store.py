"""The only truth.

Owns: the shape of a store.
Must not know: which database is behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from holdfast.history import Codec, Page
from holdfast.ports.operations import (
    AuditEntry,
    AuditFilter,
    BudgetRecord,
    Changes,
    ChunkRecord,
    ContractRecord,
    DeliveryFilter,
    DeliveryRecord,
    DriftRecord,
    EntryRecord,
    FanOutRecord,
    FireRecord,
    GatheringRecord,
    HostRecord,
    InboxRow,
    ItemOutcome,
    KeyRecord,
    LimitRecord,
    LinePlace,
    LockRecord,
    MemberRecord,
    Membership,
    ModelAnswer,
    ModelUsageRecord,
    NoticeRecord,
    Operation,
    PoolRecord,
    PoolRule,
    Position,
    QueueRecord,
    RecordedExchanges,
    RetirementRecord,
    RunFilter,
    RunRecord,
    Said,
    ScheduleRecord,
    StreamRecord,
    Totals,
)


class Store(Protocol):
    """Durable state, changed by operations and read by records.

    Every method may raise StoreError: nothing of a write that raised is known to be there or not to be there;
    writing the same operations again is harmless wherever they carry an operation id or a fencing token.
    """

    @property
    def codec(self) -> Codec | None:
        """What pages are sealed and opened with; None leaves them readable."""

    @property
    def reads_at_once(self) -> bool:
        """Whether reads never wait for anything, so that code that cannot wait may read, too."""

    async def open(self) -> None:
        """Open the store and bring its schema up to date, or raise SchemaError."""

    async def close(self) -> None:
        """Close the store, and leave nothing behind."""

    async def now(self) -> float:
        """Return the store's time, which never goes back."""

    async def check_room(self) -> None:
        """Make sure that there is room for new work. Raises StoreFullError.

        A store whose disk is not this machine's finds out when it is written to, and raises nothing here.
        """

    async def write(self, operations: Sequence[Operation], membership: Membership | None = None) -> list[Any]:
        """Carry out `operations` in order, in one durable transaction; return each one's result or HoldfastError.

        Args:
            operations: what to do; see `holdfast.ports.operations`.
            membership: who writes. Needed for operations that own something.

        Raises:
            FencedError: the member has lost its lease; nothing was written, and the refusal was counted.
            StoreError: see the class.
        """

    async def pages(self, execution_id: int, after: int = 0) -> list[Page]:
        """Return an execution's pages with events after event id `after`, in order."""

    async def blob(self, digest: bytes) -> bytes:
        """Return a payload stored by content hash; one that is stored in links is put together.

        Raises:
            StoreCorruptError: it is missing or is not what was stored.
        """

    async def link(self, digest: bytes) -> bytes:
        """Return what is stored under a content hash, unresolved: see `history.chain`. Raises StoreCorruptError."""

    async def inbox(self, membership: Membership) -> list[InboxRow]:
        """Return the unread messages of all executions the member owns, oldest first."""

    async def execution_inbox(self, execution_id: int) -> list[InboxRow]:
        """Return the unread messages of one execution, oldest first."""

    async def run(self, run_id: str) -> RunRecord | None:
        """Return a run's newest execution; `run_id` may also name one execution, such as `ord-1@2`."""

    async def execution(self, execution_id: int) -> RunRecord | None:
        """Return one execution."""

    async def runs(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        where: RunFilter | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[list[RunRecord], str | None]:
        """Return newest executions, newest first, and the cursor of the next page (None at the end).

        Args:
            workflow: only runs of this workflow.
            status: only runs of this status.
            where: which runs, instead of `workflow` and `status`.
            cursor: where the page before ended.
            limit: how many at most.
        """

    async def count(self, where: RunFilter, limit: int) -> int:
        """Return how many runs `where` means, but no more than `limit`."""

    async def waiting(self, limit: int) -> int:
        """Return how many executions are ready to be claimed and nobody has, but no more than `limit`."""

    async def outcomes(self, fan_out_id: int, start: int, stop: int) -> list[ItemOutcome]:
        """Return the outcomes recorded for items `start` to `stop` (exclusive) of a fan-out, by index."""

    async def fan_outs(self, execution_id: int) -> list[FanOutRecord]:
        """Return an execution's fan-outs."""

    async def chunks(self, fan_out_id: int) -> list[ChunkRecord]:
        """Return the chunks of a fan-out that are not done yet."""

    async def queue(self, execution_id: int) -> list[QueueRecord]:
        """Return an execution's queued tasks."""

    async def members(self) -> list[MemberRecord]:
        """Return all members that did not leave, newest first."""

    async def pools(self) -> list[PoolRecord]:
        """Return every pool that has work or somebody to do it."""

    async def pool_rules(self) -> list[PoolRule]:
        """Return what people decided about pools, by name."""

    async def limits(self) -> list[LimitRecord]:
        """Return every limit that somebody holds, every rate there is, and every host of which anything is known."""

    async def hosts(self) -> list[HostRecord]:
        """Return every host of which anything is known, by name."""

    async def drifts(self) -> list[DriftRecord]:
        """Return the newest reports of answers that are not as expected, the newest first."""

    async def drifted(self, drift: int, limit: int) -> list[int]:
        """Return executions that are parked under a report and have recorded calls, oldest first."""

    async def contract(self, host: str, endpoint: str) -> ContractRecord | None:
        """Return the newest version of what was learned of an endpoint's answers."""

    async def contract_versions(self, host: str, endpoint: str) -> list[ContractRecord]:
        """Return what is kept of an endpoint's contract, the newest version first."""

    async def contracts(self) -> list[ContractRecord]:
        """Return the newest version of every contract, by host and endpoint."""

    async def retirements(self) -> list[RetirementRecord]:
        """Return what hosts say they give up, by host and endpoint."""

    async def exchanges(self, execution_id: int) -> list[RecordedExchanges]:
        """Return the calls of an execution's attempts that came to nothing, by step."""

    async def budgets(self, scope: str = "") -> list[BudgetRecord]:
        """Return the budgets from which anything was paid or set aside, by name: those of a scope, or 1,000 of all."""

    async def model_answer(self, digest: str) -> ModelAnswer | None:
        """Return the answer that is kept under a digest; its time may be over."""

    async def streams(self, run_id: str) -> list[StreamRecord]:
        """Return what steps of a run say beside its history, in the order in which they began."""

    async def said(self, execution: str, name: str, epoch: int = 0, start: int = 0) -> Said | None:
        """Return what comes behind a place in a stream; None where there is no such stream.

        Args:
            execution: as it is called: `ord-1`, `ord-1@2`.
            name: the step, and which of its streams.
            epoch: of the place; where it is not the newest one, all of the newest one comes.
            start: how many characters come before the place.
        """

    async def model_usage(self, by: str, since: float) -> list[ModelUsageRecord]:
        """Return what requests to models used since the day of a time.

        Args:
            by: what is summed up: by `day`, `workflow`, `model` or `prefix`.
            since: a time of the first day that counts.
        """

    async def run_model_usage(self, run_id: str) -> list[ModelUsageRecord]:
        """Return what a run's requests to models used, by step."""

    async def locks(self) -> list[LockRecord]:
        """Return every place in every lock's queue: by name, holders first, then in line."""

    async def place(self, name: str, holder: str) -> LinePlace | None:
        """Return where a request by lease stands in the line of the lock `name`; None when it has no place there."""

    async def entry(self, name: str) -> EntryRecord | None:
        """Return a ledger entry."""

    async def keys(self) -> list[KeyRecord]:
        """Return all API keys."""

    async def newest_change(self) -> Position:
        """Return where a reader of changes stands who has read everything."""

    async def changes(self, after: Position, limit: int) -> Changes:
        """Return how runs changed after a position, in order; `limit` pages of histories are looked at, at most."""

    async def audit(
        self, where: AuditFilter, cursor: str | None = None, limit: int = 50
    ) -> tuple[list[AuditEntry], str | None]:
        """Return entries of the audit log, newest first, and the cursor of the next page (None at the end)."""

    async def deliveries(
        self, where: DeliveryFilter, cursor: str | None = None, limit: int = 50
    ) -> tuple[list[DeliveryRecord], str | None]:
        """Return deliveries to webhooks, newest first, without headers and bodies, and the next page's cursor.

        Args:
            where: which are meant.
            cursor: where the page before ended.
            limit: how many at most.
        """

    async def delivery(self, delivery_id: int) -> DeliveryRecord | None:
        """Return a delivery with its headers and its body."""

    async def schedules(self) -> list[ScheduleRecord]:
        """Return all schedules, by name."""

    async def schedule(self, name: str) -> ScheduleRecord | None:
        """Return one schedule."""

    async def due_schedules(self, now: float, limit: int) -> list[ScheduleRecord]:
        """Return schedules that have to be looked at: their time has come by `now`, or one of their runs has ended."""

    async def next_schedule(self) -> tuple[float | None, bool]:
        """Return when a schedule has to be looked at next, and whether the end of some run is a reason to, before."""

    async def fires(self, schedule: str, limit: int) -> list[FireRecord]:
        """Return what was noted of a schedule's due times, newest first."""

    async def gatherings(self, cursor: str | None = None, limit: int = 50) -> tuple[list[GatheringRecord], str | None]:
        """Return gatherings, newest first, and the cursor of the next page (None at the end)."""

    async def gathering(self, gathering_id: int) -> GatheringRecord | None:
        """Return one gathering."""

    async def due_gatherings(self, now: float, limit: int) -> list[GatheringRecord]:
        """Return gatherings whose time has come by `now` and whose runs have not begun, the first ones first."""

    async def gathered(self, record: GatheringRecord) -> list[bytes]:
        """Return the events of a gathering that its run is to have, in order."""

    async def next_gathering(self) -> float | None:
        """Return when a gathering is due next; None when there is none."""

    async def uncaptured(self, limit: int) -> list[RunRecord]:
        """Return executions that failed, timed out or are parked and are not marked captured, newest first.

        It costs no more than what it returns, however many runs there are.
        """

    async def notices(
        self, *, status: str = "", run_id: str = "", before: int | None = None, limit: int = 50
    ) -> list[NoticeRecord]:
        """Return notices, the newest first.

        Args:
            status: only those of this status.
            run_id: only those of this run.
            before: only those with a smaller number.
            limit: how many at most.
        """

    async def next_notice(self) -> float | None:
        """Return when the next notice is due, None when there is none."""

    async def answer(self, request_id: int) -> bytes | None:
        """Return the answer to a request, None while there is none."""

    async def next_wake(self, after: float) -> float | None:
        """Return the earliest time after `after` at which something becomes due: a timer, a retry, an expiry."""

    async def totals(self) -> Totals:
        """Return counts over the whole store."""
