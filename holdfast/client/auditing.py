"""Who does what: every act of somebody goes into the audit log in the commit that does it.

Owns: which operations are acts, and what each is called there.
Must not know: who there is, where the log is kept.

This stands between whoever acts and the store, so that no way of doing something leads past it: one run or many, with
an idempotency key or without. What the system does by itself never comes through here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import msgspec

from holdfast.ports.mappings import say_step
from holdfast.ports.operations import (
    Amount,
    Audited,
    BreakLock,
    Carrying,
    Deliver,
    DropSchedule,
    Gather,
    GrantBudget,
    HurryGathering,
    LimitPool,
    Membership,
    MoveAway,
    MoveSchedule,
    Operation,
    Pause,
    PausePool,
    PutKey,
    PutSchedule,
    RelearnContract,
    ResendNotice,
    Resume,
    ResumePool,
    RevokeKey,
    RotateKey,
    SetLimit,
    SettleDrift,
    StartNext,
    StartRun,
)
from holdfast.ports.store import Store

ACTS: Final[dict[type, Callable[[Any], tuple[str, str, str]]]] = {
    StartRun: lambda act: ("start", act.run_id, act.workflow),
    StartNext: lambda act: ("start", act.run_id, act.workflow),
    Deliver: lambda act: (act.kind, act.run_id, act.name),
    Pause: lambda act: ("pause", act.run_id, ""),
    MoveAway: lambda act: ("move", act.run_id, ""),
    Resume: lambda act: ("resume", act.run_id, ""),
    BreakLock: lambda act: ("break-lock", act.name, ""),
    GrantBudget: lambda act: ("grant-budget", act.name if act.more != Amount() else "", act.scope),
    PausePool: lambda act: ("pause-pool", act.pool, act.reason),
    ResumePool: lambda act: ("resume-pool", act.pool, ""),
    LimitPool: lambda act: ("limit-pool", act.pool, "" if act.slots is None else str(act.slots)),
    SettleDrift: lambda act: (
        ("accept-drift", str(act.drift), "; ".join(say_step(each) for each in act.mapping))
        if act.mapping
        else ("resolve-drift", str(act.drift), "")
    ),
    RelearnContract: lambda act: ("relearn-contract", act.host, act.endpoint),
    SetLimit: lambda act: ("set-limit", act.name, "none" if act.amount is None else f"{act.amount:g}"),
    ResendNotice: lambda act: ("resend-notice", str(act.notice_id), ""),
    PutKey: lambda act: ("create-key", act.name, " ".join(act.scopes)),
    RotateKey: lambda act: ("rotate-key", act.name, ""),
    RevokeKey: lambda act: ("revoke-key", act.name, ""),
    PutSchedule: lambda act: ("put-schedule", act.name, ""),
    Gather: lambda act: ("gather", act.workflow, act.key),
    HurryGathering: lambda act: ("hurry-gathering", str(act.gathering_id), ""),
    DropSchedule: lambda act: ("delete-schedule", act.name, ""),
    MoveSchedule: lambda act: (act.action and f"{act.action}-schedule", act.name, ""),
}
"""What each act is called in the log, what it was done to, and what else is said; one that has no name is no act."""


class AuditingStore:
    """A store, as somebody uses it: what they do is noted with it."""

    def __init__(self, store: Store, actor: str, *, source: str = "") -> None:
        """Note `actor` with what goes into `store`; with `source`, what is started there is a fork of that."""
        self._store = store
        self._actor = actor
        self._source = source

    def __getattr__(self, name: str) -> Any:
        """Pass every read on to the store itself."""
        return getattr(self._store, name)

    def forking(self, source: str) -> Store:
        """Return the same, for the one who forks `source`."""
        return audited(self._store, self._actor, source=source)

    async def note(self, action: str, target: str, detail: str) -> None:
        """Note an act that is about to be done elsewhere."""
        await self._store.write([Audited(actor=self._actor, action=action, target=target, detail=detail)])

    async def write(self, operations: Sequence[Operation], membership: Membership | None = None) -> list[Any]:
        """Carry out `operations`, and note the acts among them. See `Store.write`."""
        return await self._store.write([self._noted(each) for each in operations], membership)

    def _noted(self, operation: Operation) -> Operation:
        if isinstance(operation, Carrying):
            if isinstance(operation, Audited):
                return operation
            if operation.act is not None:
                return msgspec.structs.replace(operation, act=self._noted(cast("Operation", operation.act)))
        describe = ACTS.get(type(operation))
        if describe is None:
            return operation
        action, target, detail = describe(operation)
        if not action:
            return operation
        if self._source and action == "start":
            action, detail = "fork", self._source
        return Audited(act=operation, actor=self._actor, action=action, target=target, detail=detail)


def audited(store: Store, actor: str, *, source: str = "") -> Store:
    """Return `store` as `actor` uses it."""
    return cast("Store", AuditingStore(store, actor, source=source))
