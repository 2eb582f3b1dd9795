"""A store whose bodies are encrypted: what stands between those who know what they say and those who keep them.

Owns: what passes on its way in and out; the run ids of executions.
Must not know: ciphers, databases; which parts of an operation are bodies (`bodies`).

Theory of operation
===================

Everything a user's values travel in passes one of two doors. Pages of history, and the payloads outside them, are
sealed with the codec by whoever makes them (`holdfast.history.seal`), because the hash of a page is over what is
stored. Everything else passes here: `write` encrypts the bodies of operations and decrypts those of results, the reads
decrypt those of records. A page that comes unsealed is refused.

What comes out in a batch and cannot be decrypted is left as it is, so that one body does not stop the rest: whoever is
to read it finds it encrypted and says so. What was asked for alone raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from holdfast.errors import EncryptionError
from holdfast.history import BLOB_PLACE, Codec, place_of, unchained
from holdfast.ports import operations as ops
from holdfast.ports.store import Store
from holdfast.stores.bodies import (
    DECRYPTS,
    ENCRYPTS,
    PLAIN,
    contract_place,
    delivery_place,
    exchanges_place,
    gathered_place,
    item_outcome_place,
    model_answer_place,
    open_delivery_reason,
    open_or_leave,
    open_progress,
    open_reason,
    piece_place,
)

NAMES_KEPT: Final = 100_000
"""Of how many executions run id and name are remembered; those of any other are read."""

_replace = msgspec.structs.replace
_encode_summary: Final = msgspec.msgpack.Encoder().encode
_decode_summary: Final = msgspec.msgpack.Decoder(ops.FanOutSummary).decode


class EncryptedStore:
    """Another store, in which nobody reads without the keys."""

    def __init__(self, store: Store, codec: Codec) -> None:
        """Encrypt what goes into `store`, and decrypt what comes out."""
        self._store = store
        self.codec = codec
        self._names: dict[int, tuple[str, str]] = {}
        """Execution to run id and name."""

    def __getattr__(self, name: str) -> Any:
        """Pass on what has no bodies."""
        return getattr(self._store, name)

    # --- Writes ------------------------------------------------------------------------------------------------------

    async def write(self, operations: Sequence[ops.Operation], membership: ops.Membership | None = None) -> list[Any]:
        """Carry out `operations`. See `Store.write`."""
        encrypted = [self._encrypted(each) for each in operations]
        results = await self._store.write(encrypted, membership)
        for index, operation in enumerate(encrypted):
            result, kind = results[index], type(operation)
            if kind is ops.StartRun or kind is ops.StartNext:
                if isinstance(result, ops.Started):
                    self._remember(result.execution_id, operation.run_id, result.execution)
            elif kind is ops.ClaimRuns:
                for each in result if isinstance(result, tuple) else ():
                    self._remember(each.execution_id, each.run_id, each.execution)
            elif (decrypts := DECRYPTS.get(kind)) is not None:
                results[index] = decrypts(self.codec, result)
        return results

    def _encrypted(self, operation: Any) -> Any:
        kind = type(operation)
        if isinstance(operation, ops.Carrying) and operation.act is not None:
            operation = _replace(operation, act=self._encrypted(operation.act))
        encrypts = ENCRYPTS.get(kind)
        if encrypts is not None:
            return encrypts(self.codec, operation)
        assert kind in PLAIN, f"whether {kind.__name__} carries what users wrote is not said in {__name__}"
        return operation

    # --- Reads -------------------------------------------------------------------------------------------------------

    async def blob(self, digest: bytes) -> bytes:
        """Return a payload stored by content hash. See `Store.blob`. Raises EncryptionError."""
        return await unchained(await self.link(digest), self.link)

    async def link(self, digest: bytes) -> bytes:
        """Return what is stored under a hash. See `Store.link`. Raises EncryptionError."""
        return self.codec.decrypt(await self._store.link(digest), BLOB_PLACE)

    async def inbox(self, membership: ops.Membership) -> list[ops.InboxRow]:
        """Return the unread messages of all executions the member owns. See `Store.inbox`."""
        return [await self._open_mail(row) for row in await self._store.inbox(membership)]

    async def execution_inbox(self, execution_id: int) -> list[ops.InboxRow]:
        """Return the unread messages of one execution. See `Store.execution_inbox`."""
        return [await self._open_mail(row) for row in await self._store.execution_inbox(execution_id)]

    async def run(self, run_id: str) -> ops.RunRecord | None:
        """Return a run's newest execution. See `Store.run`."""
        record = await self._store.run(run_id)
        return None if record is None else self._open_record(record)

    async def execution(self, execution_id: int) -> ops.RunRecord | None:
        """Return one execution. See `Store.execution`."""
        record = await self._store.execution(execution_id)
        return None if record is None else self._open_record(record)

    async def runs(self, **filters: Any) -> tuple[list[ops.RunRecord], str | None]:
        """Return newest executions. See `Store.runs`."""
        records, cursor = await self._store.runs(**filters)
        return [self._open_record(each) for each in records], cursor

    async def uncaptured(self, limit: int) -> list[ops.RunRecord]:
        """Return executions to be captured. See `Store.uncaptured`."""
        return [self._open_record(each) for each in await self._store.uncaptured(limit)]

    async def notices(self, **filters: Any) -> list[ops.NoticeRecord]:
        """Return notices. See `Store.notices`."""
        return [
            _replace(each, url=open_or_leave(self.codec, each.url, place_of("notice", each.run_id)))
            for each in await self._store.notices(**filters)
        ]

    async def exchanges(self, execution_id: int) -> list[ops.RecordedExchanges]:
        """Return the calls of attempts that came to nothing. See `Store.exchanges`. Raises EncryptionError."""
        return [
            _replace(each, body=self.codec.decrypt(each.body, exchanges_place(execution_id, each.step)))
            for each in await self._store.exchanges(execution_id)
        ]

    async def model_answer(self, digest: str) -> ops.ModelAnswer | None:
        """Return the answer that is kept under a digest. See `Store.model_answer`. Raises EncryptionError."""
        found = await self._store.model_answer(digest)
        if found is None:
            return None
        return _replace(found, body=self.codec.decrypt(found.body, model_answer_place(digest)))

    async def said(self, execution: str, name: str, epoch: int = 0, start: int = 0) -> ops.Said | None:
        """Return what comes behind a place in a stream. See `Store.said`. Raises EncryptionError."""
        found = await self._store.said(execution, name, epoch, start)
        if found is None:
            return None
        pieces = (
            (place, self.codec.decrypt(body, piece_place(execution, name, found.epoch, place)))
            for place, body in found.pieces
        )
        return _replace(found, pieces=tuple(pieces))

    async def contract(self, host: str, endpoint: str) -> ops.ContractRecord | None:
        """Return the newest version of a contract. See `Store.contract`. Raises EncryptionError."""
        found = await self._store.contract(host, endpoint)
        return None if found is None else self._open_contract(found)

    async def contract_versions(self, host: str, endpoint: str) -> list[ops.ContractRecord]:
        """Return versions of a contract. See `Store.contract_versions`. Raises EncryptionError."""
        return [self._open_contract(each) for each in await self._store.contract_versions(host, endpoint)]

    async def contracts(self) -> list[ops.ContractRecord]:
        """Return the newest version of every contract. See `Store.contracts`. Raises EncryptionError."""
        return [self._open_contract(each) for each in await self._store.contracts()]

    async def outcomes(self, fan_out_id: int, start: int, stop: int) -> list[ops.ItemOutcome]:
        """Return outcomes of a fan-out's items. See `Store.outcomes`. Raises EncryptionError."""
        return [
            _replace(each, body=self.codec.decrypt(each.body, item_outcome_place(fan_out_id, each.index)))
            for each in await self._store.outcomes(fan_out_id, start, stop)
        ]

    async def gathered(self, record: ops.GatheringRecord) -> list[bytes]:
        """Return the events of a gathering. See `Store.gathered`. Raises EncryptionError."""
        place = gathered_place(record.workflow, record.key)
        return [self.codec.decrypt(each, place) for each in await self._store.gathered(record)]

    async def deliveries(
        self, where: ops.DeliveryFilter, cursor: str | None = None, limit: int = 50
    ) -> tuple[list[ops.DeliveryRecord], str | None]:
        """Return deliveries to webhooks. See `Store.deliveries`."""
        records, following = await self._store.deliveries(where, cursor, limit)
        return [_replace(each, reason=open_delivery_reason(self.codec, each)) for each in records], following

    async def delivery(self, delivery_id: int) -> ops.DeliveryRecord | None:
        """Return a delivery with its headers and its body. See `Store.delivery`. Raises EncryptionError."""
        record = await self._store.delivery(delivery_id)
        if record is None:
            return None
        whose = record.webhook, record.key
        return _replace(
            record,
            reason=open_delivery_reason(self.codec, record),
            headers=self.codec.decrypt(record.headers, delivery_place(*whose, "headers")),
            body=self.codec.decrypt(record.body, delivery_place(*whose, "body")),
        )

    async def schedules(self) -> list[ops.ScheduleRecord]:
        """Return all schedules. See `Store.schedules`."""
        return [self._open_schedule(each) for each in await self._store.schedules()]

    async def schedule(self, name: str) -> ops.ScheduleRecord | None:
        """Return one schedule. See `Store.schedule`."""
        record = await self._store.schedule(name)
        return None if record is None else self._open_schedule(record)

    async def due_schedules(self, now: float, limit: int) -> list[ops.ScheduleRecord]:
        """Return schedules that have to be looked at. See `Store.due_schedules`."""
        return [self._open_schedule(each) for each in await self._store.due_schedules(now, limit)]

    async def queue(self, execution_id: int) -> list[ops.QueueRecord]:
        """Return an execution's queued tasks. See `Store.queue`."""
        return [self._open_queued(each) for each in await self._store.queue(execution_id)]

    async def entry(self, name: str) -> ops.EntryRecord | None:
        """Return a ledger entry. See `Store.entry`. Raises EncryptionError."""
        entry = await self._store.entry(name)
        return (
            None
            if entry is None
            else _replace(entry, result=self.codec.decrypt(entry.result, place_of("ledger", name)))
        )

    async def answer(self, request_id: int) -> bytes | None:
        """Return the answer to a request. See `Store.answer`. Raises EncryptionError."""
        body = await self._store.answer(request_id)
        return None if body is None else self.codec.decrypt(body, place_of("answer", request_id))

    def _open_queued(self, record: ops.QueueRecord) -> ops.QueueRecord:
        try:
            progress = open_progress(self.codec, record.progress, record.execution_id, record.step, record.task_id)
        except EncryptionError:
            return record
        place = place_of("failures", record.execution_id, record.step)
        return _replace(record, progress=progress, failures=open_or_leave(self.codec, record.failures, place))

    def _open_record(self, record: ops.RunRecord) -> ops.RunRecord:
        return _replace(
            record,
            outcome=open_or_leave(self.codec, record.outcome, place_of("end", record.execution_id)),
            parked=open_reason(self.codec, record.parked, record.execution_id),
            memo=open_or_leave(self.codec, record.memo, place_of("memo", record.run_id)),
        )

    def _open_schedule(self, record: ops.ScheduleRecord) -> ops.ScheduleRecord:
        return _replace(record, input=open_or_leave(self.codec, record.input, place_of("schedule", record.name)))

    def _open_contract(self, record: ops.ContractRecord) -> ops.ContractRecord:
        place = contract_place(record.host, record.endpoint)
        return _replace(record, body=self.codec.decrypt(record.body, place))

    async def _open_mail(self, row: ops.InboxRow) -> ops.InboxRow:
        match row.kind:
            case "lock":
                return row
            case "fan_out":
                return await self._open_summary(row)
            case "child":  # its end, as the child's own record has it
                return _replace(row, body=open_or_leave(self.codec, row.body, place_of("end", int(row.sender))))
            case "outcome":
                place = place_of("outcome", row.execution_id, row.name)
                return _replace(row, body=open_or_leave(self.codec, row.body, place))
            case _:
                body = row.body
                # Whoever sent it named the run, or this execution of it.
                for name in await self._names_of(row.execution_id):
                    place = place_of("mail", name, row.kind, row.name, row.operation_id)
                    body = open_or_leave(self.codec, body, place)
                return _replace(row, body=body)

    async def _open_summary(self, row: ops.InboxRow) -> ops.InboxRow:
        summary = _decode_summary(row.body)
        if not summary.first_failure:
            return row
        fan_outs = await self._store.fan_outs(row.execution_id)
        fan_out_id = next(each.fan_out_id for each in fan_outs if each.step == summary.step)
        try:
            place = item_outcome_place(fan_out_id, summary.first_failed_index)
            failure = self.codec.decrypt(summary.first_failure, place)
        except EncryptionError:
            return _replace(row, body=summary.first_failure)
        return _replace(row, body=_encode_summary(_replace(summary, first_failure=failure)))

    async def _names_of(self, execution_id: int) -> tuple[str, str]:
        names = self._names.get(execution_id)
        if names is None:
            record = await self._store.execution(execution_id)
            names = ("", "") if record is None else (record.run_id, record.execution)
            self._remember(execution_id, *names)
        return names

    def _remember(self, execution_id: int, run_id: str, name: str) -> None:
        if len(self._names) >= NAMES_KEPT:
            self._names.clear()
        self._names[execution_id] = run_id, name
