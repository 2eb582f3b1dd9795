"""What can be read from a store, on any SQL database.

Owns: which function answers which read of `holdfast.ports.store.Store`.
Must not know: connections; each store runs these functions in its own way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from holdfast.history import unchained
from holdfast.ports.operations import RunFilter, Totals
from holdfast.stores.sql import (
    audit,
    captures,
    chunks,
    contracts,
    deliveries,
    drifts,
    exchanges,
    executions,
    fan_outs,
    feed,
    gatherings,
    hosts,
    inbox,
    keys,
    ledger,
    lines,
    locks,
    log,
    members,
    model_answers,
    model_calls,
    notices,
    pools,
    prefixes,
    requests,
    schedules,
    streams,
    tasks,
)

if TYPE_CHECKING:
    from holdfast.history import Page
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
        PoolRecord,
        PoolRule,
        Position,
        QueueRecord,
        RecordedExchanges,
        RetirementRecord,
        RunRecord,
        Said,
        ScheduleRecord,
        StreamRecord,
    )
    from holdfast.stores.sql.session import Reader

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Reads(ABC):
    """The reads of a store, which asks with its own kind of reader."""

    @abstractmethod
    async def _ask(
        self,
        read: Callable[Concatenate[Reader, Parameters], Result],
        *args: Parameters.args,
        **kwargs: Parameters.kwargs,
    ) -> Result:
        """Call `read` with a reader. Raises StoreError."""

    async def check_room(self) -> None:  # noqa: B027 - a server's disk is its own business
        """Make sure that there is room for new work. Raises StoreFullError."""

    @abstractmethod
    async def now(self) -> float:
        """Return the store's time, which never goes back."""

    async def pages(self, execution_id: int, after: int = 0) -> list[Page]:
        """Return an execution's pages with events after event id `after`, in order."""
        return await self._ask(log.read_pages, execution_id, after)

    async def blob(self, digest: bytes) -> bytes:
        """Return a payload stored by content hash.

        Raises:
            StoreCorruptError: it is missing or is not what was stored.
        """
        return await unchained(await self.link(digest), self.link)

    async def link(self, digest: bytes) -> bytes:
        """Return what is stored under a content hash, unresolved. Raises StoreCorruptError."""
        return await self._ask(log.read_blob, digest)

    async def inbox(self, membership: Membership) -> list[InboxRow]:
        """Return the unread messages of all executions the member owns, oldest first."""
        return await self._ask(inbox.read_member_inbox, membership.member)

    async def execution_inbox(self, execution_id: int) -> list[InboxRow]:
        """Return the unread messages of one execution, oldest first."""
        return await self._ask(inbox.read_execution_inbox, execution_id)

    async def run(self, run_id: str) -> RunRecord | None:
        """Return a run's newest execution; `run_id` may also name one execution, such as `ord-1@2`."""
        return await self._ask(executions.read_by_name, run_id)

    async def execution(self, execution_id: int) -> RunRecord | None:
        """Return one execution."""
        return await self._ask(executions.read, execution_id)

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

        Raises:
            ValueError: the cursor is not one of ours.
        """
        wanted = where or RunFilter(workflow, (status,) if status else ())
        return await self._ask(executions.read_page, wanted, cursor, limit)

    async def count(self, where: RunFilter, limit: int) -> int:
        """Return how many runs `where` means, but no more than `limit`."""
        return await self._ask(executions.count_found, where, limit)

    async def waiting(self, limit: int) -> int:
        """Return how many executions are ready to be claimed and nobody has, but no more than `limit`."""
        return await self._ask(executions.count_waiting, limit)

    async def outcomes(self, fan_out_id: int, start: int, stop: int) -> list[ItemOutcome]:
        """Return the outcomes recorded for items `start` to `stop` (exclusive) of a fan-out, by index."""
        return await self._ask(fan_outs.read_outcomes, fan_out_id, start, stop)

    async def fan_outs(self, execution_id: int) -> list[FanOutRecord]:
        """Return an execution's fan-outs."""
        return await self._ask(fan_outs.read_records, execution_id)

    async def chunks(self, fan_out_id: int) -> list[ChunkRecord]:
        """Return the chunks of a fan-out that are not done yet."""
        return await self._ask(chunks.read_chunks, fan_out_id)

    async def queue(self, execution_id: int) -> list[QueueRecord]:
        """Return an execution's queued tasks."""
        return await self._ask(tasks.read_queue, execution_id)

    async def members(self) -> list[MemberRecord]:
        """Return all members that did not leave, newest first."""
        return await self._ask(members.read, await self.now())

    async def pools(self) -> list[PoolRecord]:
        """Return every pool that has work or somebody to do it."""
        return await self._ask(pools.read_pools, await self.now())

    async def pool_rules(self) -> list[PoolRule]:
        """Return what people decided about pools, by name."""
        return await self._ask(pools.read_rules)

    async def limits(self) -> list[LimitRecord]:
        """Return every limit that somebody holds, every rate there is, and every host of which anything is known."""
        now = await self.now()
        return [*await self._ask(lines.read_limits, now), *await self._ask(hosts.read_limits, now)]

    async def hosts(self) -> list[HostRecord]:
        """Return every host of which anything is known, by name."""
        return await self._ask(hosts.read_hosts)

    async def drifts(self) -> list[DriftRecord]:
        """Return the newest reports of answers that are not as expected, the newest first."""
        return await self._ask(drifts.read_drifts)

    async def drifted(self, drift: int, limit: int) -> list[int]:
        """Return executions that are parked under a report and have recorded calls, oldest first."""
        return await self._ask(lambda reader: drifts.read_drifted(reader, drift, limit))

    async def contract(self, host: str, endpoint: str) -> ContractRecord | None:
        """Return the newest version of what was learned of an endpoint's answers."""
        return await self._ask(contracts.read_contract, host, endpoint)

    async def contract_versions(self, host: str, endpoint: str) -> list[ContractRecord]:
        """Return what is kept of an endpoint's contract, the newest version first."""
        return await self._ask(contracts.read_versions, host, endpoint)

    async def contracts(self) -> list[ContractRecord]:
        """Return the newest version of every contract, by host and endpoint."""
        return await self._ask(contracts.read_contracts)

    async def retirements(self) -> list[RetirementRecord]:
        """Return what hosts say they give up, by host and endpoint."""
        return await self._ask(contracts.read_retirements)

    async def exchanges(self, execution_id: int) -> list[RecordedExchanges]:
        """Return the calls of an execution's attempts that came to nothing, by step."""
        return await self._ask(lambda reader: exchanges.read_exchanges(reader, execution_id))

    async def budgets(self, scope: str = "") -> list[BudgetRecord]:
        """Return the budgets from which anything was paid or set aside, by name: those of a scope, or 1,000 of all."""
        return await self._ask(model_calls.read_budgets, scope)

    async def model_answer(self, digest: str) -> ModelAnswer | None:
        """Return the answer that is kept under a digest; its time may be over."""
        return await self._ask(model_answers.read_answer, digest)

    async def streams(self, run_id: str) -> list[StreamRecord]:
        """Return what steps of a run say beside its history, in the order in which they began."""
        return await self._ask(streams.read_streams, run_id)

    async def said(self, execution: str, name: str, epoch: int = 0, start: int = 0) -> Said | None:
        """Return what comes behind a place in a stream; None where there is no such stream."""
        return await self._ask(streams.read_stream, execution, name, epoch, start)

    async def model_usage(self, by: str, since: float) -> list[ModelUsageRecord]:
        """Return what requests to models used since the day of a time, by `day`, `workflow`, `model` or `prefix`."""
        return await self._ask(model_calls.read_usage, by, since)

    async def run_model_usage(self, run_id: str) -> list[ModelUsageRecord]:
        """Return what a run's requests to models used, by step."""
        return await self._ask(model_calls.read_run_usage, run_id)

    async def locks(self) -> list[LockRecord]:
        """Return every place in every lock's queue: by name, holders first, then in line."""
        return await self._ask(locks.read_locks)

    async def place(self, name: str, holder: str) -> LinePlace | None:
        """Return where a request by lease stands in the line of the lock `name`; None when it has no place there."""
        return await self._ask(locks.read_place, name, holder)

    async def entry(self, name: str) -> EntryRecord | None:
        """Return a ledger entry."""
        return await self._ask(ledger.read_entry, name)

    async def keys(self) -> list[KeyRecord]:
        """Return all API keys."""
        return await self._ask(keys.read_keys)

    async def newest_change(self) -> Position:
        """Return where a reader of changes stands who has read everything."""
        return await self._ask(feed.newest)

    async def changes(self, after: Position, limit: int) -> Changes:
        """Return how runs changed after a position, in order; `limit` pages of histories are looked at, at most."""
        return await self._ask(feed.read, after, limit)

    async def audit(
        self, where: AuditFilter, cursor: str | None = None, limit: int = 50
    ) -> tuple[list[AuditEntry], str | None]:
        """Return entries of the audit log, newest first, and the cursor of the next page (None at the end).

        Raises:
            ValueError: the cursor is not one of ours.
        """
        return await self._ask(audit.read_page, where, cursor, limit)

    async def deliveries(
        self, where: DeliveryFilter, cursor: str | None = None, limit: int = 50
    ) -> tuple[list[DeliveryRecord], str | None]:
        """Return deliveries to webhooks, newest first, without headers and bodies, and the next page's cursor.

        Raises:
            ValueError: the cursor is not one of ours.
        """
        return await self._ask(deliveries.read_page, where, cursor, limit)

    async def delivery(self, delivery_id: int) -> DeliveryRecord | None:
        """Return a delivery with its headers and its body."""
        return await self._ask(deliveries.read, delivery_id)

    async def schedules(self) -> list[ScheduleRecord]:
        """Return all schedules, by name."""
        return await self._ask(schedules.read_all)

    async def schedule(self, name: str) -> ScheduleRecord | None:
        """Return one schedule."""
        return await self._ask(schedules.read, name)

    async def due_schedules(self, now: float, limit: int) -> list[ScheduleRecord]:
        """Return schedules that have to be looked at: their time has come by `now`, or one of their runs has ended."""
        return await self._ask(schedules.read_due, now, limit)

    async def next_schedule(self) -> tuple[float | None, bool]:
        """Return when a schedule has to be looked at next, and whether the end of some run is a reason to, before."""
        return await self._ask(schedules.read_next)

    async def fires(self, schedule: str, limit: int) -> list[FireRecord]:
        """Return what was noted of a schedule's due times, newest first."""
        return await self._ask(schedules.read_fires, schedule, limit)

    async def gatherings(self, cursor: str | None = None, limit: int = 50) -> tuple[list[GatheringRecord], str | None]:
        """Return gatherings, newest first, and the cursor of the next page (None at the end).

        Raises:
            ValueError: the cursor is not one of ours.
        """
        return await self._ask(gatherings.read_page, cursor, limit)

    async def gathering(self, gathering_id: int) -> GatheringRecord | None:
        """Return one gathering."""
        return await self._ask(gatherings.read, gathering_id)

    async def due_gatherings(self, now: float, limit: int) -> list[GatheringRecord]:
        """Return gatherings whose time has come, the first ones first."""
        return await self._ask(gatherings.read_due, now, limit)

    async def gathered(self, record: GatheringRecord) -> list[bytes]:
        """Return the events of a gathering that its run is to have, in order."""
        return await self._ask(gatherings.read_events, record.gathering_id)

    async def next_gathering(self) -> float | None:
        """Return when a gathering is due next; None when there is none."""
        return await self._ask(gatherings.read_next)

    async def uncaptured(self, limit: int) -> list[RunRecord]:
        """Return executions that failed, timed out or are parked and are not marked captured, newest first."""
        return await self._ask(captures.read_uncaptured, limit)

    async def notices(
        self, *, status: str = "", run_id: str = "", before: int | None = None, limit: int = 50
    ) -> list[NoticeRecord]:
        """Return notices, the newest first. See `Store.notices`."""
        return await self._ask(notices.read_notices, status, run_id, before, limit)

    async def next_notice(self) -> float | None:
        """Return when the next notice is due, None when there is none."""
        return await self._ask(notices.next_due)

    async def answer(self, request_id: int) -> bytes | None:
        """Return the answer to a request, None while there is none."""
        return await self._ask(requests.read_answer, request_id)

    async def next_wake(self, after: float) -> float | None:
        """Return the earliest time after `after` at which something becomes due: a timer, a retry, an expiry."""
        return await self._ask(_next_wake, after)

    async def totals(self) -> Totals:
        """Return counts over the whole store."""
        return await self._ask(_totals, await self.now())


def _next_wake(reader: Reader, after: float) -> float | None:
    row = reader.row("next_wake", (after,))
    assert row is not None, "it is one row of expressions"
    *times, has_prefixes = row
    if has_prefixes:
        times.append(prefixes.next_wake(reader, after))
    return min((time for time in times if time is not None), default=None)


def _totals(reader: Reader, now: float) -> Totals:
    late, late_seconds = executions.count_late(reader, now)
    return Totals(
        executions.count(reader),
        members.count_refused(reader),
        executions.count_waiting(reader, -1),
        late,
        late_seconds,
    )
