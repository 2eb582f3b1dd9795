"""Carrying out a step of a schedule: one commit, or none.

Owns: how what was decided becomes operations.
Must not know: what is decided, when.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, assert_never

from holdfast.controller.schedules.decision import Cancel, Start, Step
from holdfast.controller.schedules.state import Schedule, encode_state
from holdfast.errors import HoldfastError, UnknownNameError
from holdfast.history import decrypted, encode_attributes
from holdfast.ports.engine import Begin, Engine, StartRequest
from holdfast.ports.operations import Deliver, Moved, MoveSchedule, Operation
from holdfast.ports.program import Versioned
from holdfast.ports.store import Store


class Actor:
    """Takes the steps of schedules."""

    def __init__(self, store: Store, engine: Engine, find: Callable[[str], Versioned]) -> None:
        """Act on `store` through `engine`.

        Args:
            store: where schedules are.
            engine: starts runs, and tells them to stop.
            find: returns a workflow that is known here; raises UnknownNameError for others, which are started all the
                same: whoever knows them claims them.
        """
        self._store = store
        self._engine = engine
        self._find = find

    async def take(self, schedule: Schedule, step: Step, action: str = "") -> Moved:
        """Take a step, unless another one was taken since `schedule` was read: then nothing is done.

        Args:
            schedule: as it was read.
            step: what was decided about it.
            action: what somebody does by it, for the audit log; empty where nobody does.

        Raises:
            EncryptionError: the schedule's input was encrypted with a key that is not here.
            StoreError: it could not be written.
        """

        def note(act: Operation | None) -> MoveSchedule:
            return MoveSchedule(
                act=act,
                name=schedule.name,
                revision=schedule.record.revision,
                state=encode_state(step.state),
                next_at=step.next_at,
                fires=step.fires,
                settled=step.settled,
                action=action,
            )

        result: Any
        match step.act:
            case None:
                (result,) = await self._store.write([note(None)])
                if isinstance(result, HoldfastError):
                    raise result
            case Start():
                result = await self._engine.carry_out(Begin(self._request(schedule, step.act)), note)
            case Cancel(run_id, due):
                words = f"schedule {schedule.name} is due again".encode()
                told = Deliver(run_id, "cancel", "", words, f"schedule/{schedule.name}/{due}")
                result = await self._engine.carry_out(told, note)
            case _:
                assert_never(step.act)
        assert isinstance(result, Moved), "an engine makes an act anew that was overtaken"
        return result

    def _request(self, schedule: Schedule, start: Start) -> StartRequest:
        spec = schedule.spec
        version, pin = "", ""
        try:
            program = self._find(spec.workflow)
        except UnknownNameError:
            pass
        else:
            version = program.code_version
            pin = version if program.pinned else ""
        what = f"the input of schedule {schedule.name}"
        return StartRequest(
            spec.workflow,
            start.run_id,
            decrypted(schedule.record.input, None, b"", what),
            version,
            pin=pin,
            timeout=spec.timeout,
            attributes=encode_attributes(
                {"schedule": schedule.name, "scheduled_for": datetime.fromtimestamp(start.due, UTC)}
            ),
        )
