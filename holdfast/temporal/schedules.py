"""Schedules that a Temporal cluster keeps.

Owns: the port `Schedules` over Temporal's own requests, and what a schedule's memo says.
Must not know: what a schedule's times are in Temporal's words, who asks.

What we have written stands in the memo, so that it is shown as it was written. A schedule that somebody else has made
is listed, too; of its times only those are known that Temporal says come next.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any, Final
from uuid import uuid4

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Memo, WorkflowType
from temporalio.api.schedule.v1 import (
    BackfillRequest,
    Schedule,
    ScheduleAction,
    ScheduleInfo,
    SchedulePatch,
    ScheduleState,
    TriggerImmediatelyRequest,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import NewWorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    DeleteScheduleRequest,
    DescribeScheduleRequest,
    DescribeScheduleResponse,
    ListSchedulesRequest,
    PatchScheduleRequest,
    UpdateScheduleRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from holdfast.authoring.schedules import ScheduleSpec, decode_spec
from holdfast.errors import UnknownNameError
from holdfast.history.temporal import QUEUE
from holdfast.ports.schedules import KeptFire, KeptSchedule
from holdfast.temporal.encryption import service_of
from holdfast.temporal.ends import STATUSES
from holdfast.temporal.failures import unavailable
from holdfast.temporal.own import NAME, Note, digest_of, write_memo
from holdfast.temporal.payloads import NULL, read_payload, write_payload, write_payloads
from holdfast.temporal.times import write_policies, write_times

PAGE: Final = 100
"""How many schedules are asked for at a time."""
ELSEWHERE: Final = "elsewhere"
"""The source of a schedule that somebody else has made."""


class Written(msgspec.Struct, frozen=True):
    """The memo of a schedule: what was written, and where."""

    source: str
    spec: msgspec.Raw
    digest: str
    """Tells its input from another."""


class TemporalSchedules:
    """Schedules of a namespace. Implements `holdfast.ports.schedules.Schedules`."""

    def __init__(self, client: Client, identity: str) -> None:
        """Speak through `client`, as `identity`."""
        self._service = service_of(client)
        self._namespace = client.namespace
        self._identity = identity

    async def put(self, wanted: KeptSchedule) -> bool:
        """Create a schedule, or change it. See `Schedules.put`."""
        spec = decode_spec(wanted.spec)
        memo = _memo_of(wanted)
        schedule = Schedule(
            spec=write_times(wanted.name, spec),
            action=_action_of(wanted.name, spec, wanted.input),
            policies=write_policies(spec),
            state=ScheduleState(),
        )
        try:
            before = await self._described(wanted.name)
        except UnknownNameError:
            request = CreateScheduleRequest(
                namespace=self._namespace,
                schedule_id=wanted.name,
                schedule=schedule,
                memo=memo,
                identity=self._identity,
                request_id=uuid4().hex,
            )
            try:
                await self._service.create_schedule(request)
            except RPCError as error:
                if error.status != RPCStatusCode.ALREADY_EXISTS:
                    raise unavailable(error) from error
                return await self.put(wanted)  # somebody else was faster; it may say something else
            return True
        if before.memo.fields.get(NAME) == memo.fields[NAME]:
            return False
        schedule.state.CopyFrom(before.schedule.state)
        update = UpdateScheduleRequest(
            namespace=self._namespace,
            schedule_id=wanted.name,
            schedule=schedule,
            conflict_token=before.conflict_token,
            memo=memo,
            identity=self._identity,
            request_id=uuid4().hex,
        )
        await self._asked(wanted.name, self._service.update_schedule, update)
        return True

    async def read(self, name: str) -> KeptSchedule:
        """Return a schedule. See `Schedules.read`."""
        found = await self._described(name)
        payloads = found.schedule.action.start_workflow.input.payloads
        return msgspec.structs.replace(
            _kept(name, found.memo, found.schedule.action.start_workflow.workflow_type.name, found.info),
            input=read_payload(payloads[0]) if payloads else NULL,
            paused=found.schedule.state.paused,
            notes=found.schedule.state.notes,
        )

    async def all(self) -> list[KeptSchedule]:
        """Return all schedules, by name. See `Schedules.all`."""
        found: list[KeptSchedule] = []
        token = b""
        while True:
            request = ListSchedulesRequest(namespace=self._namespace, maximum_page_size=PAGE, next_page_token=token)
            try:
                page = await self._service.list_schedules(request)
            except RPCError as error:
                raise unavailable(error) from error
            for each in page.schedules:
                info = ScheduleInfo(future_action_times=each.info.future_action_times)
                kept = _kept(each.schedule_id, each.memo, each.info.workflow_type.name, info)
                found.append(msgspec.structs.replace(kept, paused=each.info.paused, notes=each.info.notes))
            token = page.next_page_token
            if not token:
                return sorted(found, key=lambda each: each.name)

    async def delete(self, name: str) -> None:
        """Delete a schedule. See `Schedules.delete`."""
        request = DeleteScheduleRequest(namespace=self._namespace, schedule_id=name, identity=self._identity)
        await self._asked(name, self._service.delete_schedule, request)

    async def pause(self, name: str, note: str) -> None:
        """Keep a schedule from starting anything. See `Schedules.pause`."""
        await self._patch(name, SchedulePatch(pause=note or "paused"), uuid4().hex)

    async def resume(self, name: str, note: str) -> None:
        """Let a schedule go on. See `Schedules.resume`."""
        await self._patch(name, SchedulePatch(unpause=note or "resumed"), uuid4().hex)

    async def run_now(self, name: str, operation_id: str) -> None:
        """Have a run started at once. See `Schedules.run_now`."""
        await self._patch(name, SchedulePatch(trigger_immediately=TriggerImmediatelyRequest()), operation_id)

    async def backfill(self, name: str, start: int, end: int, operation_id: str) -> None:
        """Have runs started for times that are over. See `Schedules.backfill`."""
        wanted = BackfillRequest(start_time=Timestamp(seconds=start), end_time=Timestamp(seconds=end))
        await self._patch(name, SchedulePatch(backfill_request=[wanted]), operation_id)

    async def _patch(self, name: str, patch: SchedulePatch, operation_id: str) -> None:
        request = PatchScheduleRequest(
            namespace=self._namespace,
            schedule_id=name,
            patch=patch,
            identity=self._identity,
            request_id=operation_id,
        )
        await self._asked(name, self._service.patch_schedule, request)

    async def _described(self, name: str) -> DescribeScheduleResponse:
        request = DescribeScheduleRequest(namespace=self._namespace, schedule_id=name)
        found: DescribeScheduleResponse = await self._asked(name, self._service.describe_schedule, request)
        return found

    async def _asked(self, name: str, ask: Callable[[Any], Any], request: Any) -> Any:
        try:
            return await ask(request)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                raise UnknownNameError("schedule", name) from None
            raise unavailable(error) from error


def _memo_of(wanted: KeptSchedule) -> Memo:
    written = Written(wanted.source, msgspec.Raw(wanted.spec), digest_of(wanted.input))
    return Memo(fields={NAME: write_payload(msgspec.json.encode(written))})


def _action_of(name: str, spec: ScheduleSpec, input: bytes) -> ScheduleAction:
    """Return what is started: Temporal adds the due time to the workflow id."""
    action = NewWorkflowExecutionInfo(
        workflow_id=name,
        workflow_type=WorkflowType(name=spec.workflow),
        task_queue=TaskQueue(name=QUEUE),
        input=write_payloads(input),
        memo=Memo(fields=write_memo({"schedule": name}, Note(1, digest_of(input)))),
    )
    if spec.timeout:
        action.workflow_execution_timeout.FromTimedelta(timedelta(seconds=spec.timeout))
    return ScheduleAction(start_workflow=action)


def _kept(name: str, memo: Memo, workflow: str, info: ScheduleInfo) -> KeptSchedule:
    payload = memo.fields.get(NAME)
    written = None if payload is None else msgspec.json.decode(payload.data, type=Written)
    return KeptSchedule(
        name,
        ELSEWHERE if written is None else written.source,
        msgspec.json.encode(ScheduleSpec(workflow)) if written is None else bytes(written.spec),
        next=tuple(map(_seconds, info.future_action_times)),
        running=tuple(each.workflow_id for each in info.running_workflows),
        waiting=info.buffer_size,
        fired=info.action_count,
        skipped=info.overlap_skipped,
        missed=info.missed_catchup_window,
        created_at=_seconds(info.create_time),
        changed_at=_seconds(info.update_time) or _seconds(info.create_time),
        fires=tuple(
            KeptFire(
                _seconds(each.schedule_time),
                _seconds(each.actual_time),
                each.start_workflow_result.workflow_id,
                STATUSES.get(each.start_workflow_status, ""),
            )
            for each in reversed(info.recent_actions)
        ),
    )


def _seconds(time: Timestamp) -> float:
    return time.ToDatetime(UTC).timestamp() if time.seconds else 0.0
