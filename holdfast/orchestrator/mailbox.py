"""Messages to the executions in memory.

Owns: that each message is entered once, in its order, and what a message that cannot be read means to its run.
Must not know: what a message becomes (`mail`); when entries are written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from holdfast.errors import EncryptionError
from holdfast.history import RunResumed, TaskFailed, WorkflowTerminated
from holdfast.observe import Meters, logger
from holdfast.orchestrator.aside import Aside
from holdfast.orchestrator.departures import Departures
from holdfast.orchestrator.dispatch import Dispatcher
from holdfast.orchestrator.live import Live
from holdfast.orchestrator.mail import decide_entry, fan_out_in
from holdfast.orchestrator.memory import Memory
from holdfast.orchestrator.standing import Standing
from holdfast.ports.operations import Append, InboxRow
from holdfast.ports.store import Store

POISON: Final = "PoisonTaskError"
"""What a task failed with that workers died of."""

log = logger("holdfast.orchestrator")


class Mailbox:
    """Reads inboxes, and enters what is in them."""

    def __init__(
        self,
        store: Store,
        standing: Standing,
        aside: Aside,
        memory: Memory,
        dispatcher: Dispatcher,
        departures: Departures,
        meters: Meters,
        writing: asyncio.Lock,
    ) -> None:
        """Enter messages into the executions of `memory`; `writing` is held while their pages are written."""
        self._store = store
        self._standing = standing
        self._aside = aside
        self._memory = memory
        self._dispatcher = dispatcher
        self._departures = departures
        self._meters = meters
        self._writing = writing

    async def read(self) -> None:
        """Enter all new messages to executions in memory, and let go of those that were taken from this member."""
        membership = self._standing.membership
        if membership is None:
            return
        rows = await self._store.inbox(membership)
        prepared = await self._prepare(rows)
        for row in rows:
            live = self._memory.by_id.get(row.execution_id)
            if prepared.get(row.execution_id, live) is not live:
                continue  # it is another one by now, which reads its messages itself
            if row.kind == "taken":
                if live is None or not live.flying:  # else the write tells, or the next look does
                    self._departures.give_up(row.execution_id, live)
            elif live is not None:
                self._enter(live, row)

    async def read_of(self, live: Live) -> None:
        """Enter all new messages to one execution."""
        rows = await self._store.execution_inbox(live.execution_id)
        await self._prepare(rows, live)
        for row in rows:
            self._enter(live, row)

    async def _prepare(self, rows: Iterable[InboxRow], live: Live | None = None) -> dict[int, Live]:
        """Fetch what messages lead to, where that takes waiting; return whom it was fetched for, by number."""
        prepared: dict[int, Live] = {}
        for row in rows:
            if step := fan_out_in(row):
                found = live or prepared.get(row.execution_id) or self._memory.by_id.get(row.execution_id)
                if found is not None and found.fan_outs is not None:
                    await found.fan_outs.fetch([step])
                    prepared[row.execution_id] = found
        return prepared

    def read_unread(self, live: Live) -> None:
        """Have an execution written again with the messages that it could not close without."""
        self._aside.spawn(self._read_unread, live)

    async def _read_unread(self, live: Live) -> None:
        await self.read_of(live)
        self._memory.touch(live)

    def _enter(self, live: Live, row: InboxRow) -> None:
        if row.inbox_id <= live.inbox_read:
            return
        try:
            entry = decide_entry(row, live.execution)
        except EncryptionError as error:
            self._aside.spawn(self._park_unreadable, live, error)
            return
        live.inbox_read = row.inbox_id
        if type(entry) is RunResumed and any(type(each) is RunResumed for each in live.entries):
            entry = None  # it was told twice, and goes on once
        if isinstance(entry, WorkflowTerminated):
            self._dispatcher.abandon(live)
            live.closing = entry
        elif entry is not None:
            if type(entry) is TaskFailed and entry.failure.type == POISON:
                entry = self._dispatcher.remedied(live, entry)
            live.entries.append(entry)
            live.mailed.append(entry)
        else:
            live.stable = True  # an empty write, that the row goes
        self._memory.touch(live)

    async def _park_unreadable(self, live: Live, error: EncryptionError) -> None:
        """Park a run with a message that cannot be decrypted here. The message stays where it is."""
        async with self._writing:  # no write of it is under way
            if self._memory.by_id.get(live.execution_id) is not live:
                return
            self._departures.forget(live)
            reason = f"UNREADABLE {error}"
            log.error("run parked", **live.about, reason=reason)
            self._meters.park(reason)
            await self._store.write([Append(live.execution_id, None, park=reason)], self._standing.membership)
