"""Locks and semaphores for everybody: in workflows they belong to the run, elsewhere they are leased.

Owns: `lock` and `semaphore` as users import them; places held by scripts and tasks.
Must not know: lines, renewals.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from holdfast import authoring
from holdfast.authoring import HeldLock, LockBlock
from holdfast.errors import LockLost, StoreError
from holdfast.ports.task import current_task

if TYPE_CHECKING:
    from holdfast.app.connection import Connection
    from holdfast.locks import PlaceLease


class SharedPlaces:
    """Grants places through this process's connection to the store. Implements `holdfast.authoring.Places`."""

    @contextlib.contextmanager
    def hold_blocking(self, name: str, slots: int) -> Iterator[HeldLock]:
        """Hold one of `slots` places of `name`; waiting blocks the thread."""
        # Imported here, so that a module of workflows does not load a store.
        from holdfast.app.connection import connect
        from holdfast.app.default_store import default_settings

        settings = default_settings()
        connection = connect(settings)
        place = connection.portal.call(connection.take_place, name, slots, _holder())
        pid = os.getpid()

        def leave(connection: Connection) -> None:  # another one, when the first was closed meanwhile
            connection.portal.call(connection.leave_place, place)

        try:
            yield HeldLock(name, place.token)
        except BaseException:
            if os.getpid() == pid:  # a forked child has nothing to give back
                with contextlib.suppress(LockLost, StoreError):  # the block's own error matters more
                    leave(connect(settings))
            raise
        if os.getpid() == pid:
            leave(connect(settings))

    @contextlib.asynccontextmanager
    async def hold(self, name: str, slots: int) -> AsyncIterator[HeldLock]:
        """Hold one of `slots` places of `name`; waiting lets others run."""
        from holdfast.app.connection import connect_without_blocking
        from holdfast.app.default_store import default_settings

        settings = default_settings()
        connection = await connect_without_blocking(settings)
        place = await connection.portal.wait(connection.take_place, name, slots, _holder())
        try:
            yield HeldLock(name, place.token)
        except BaseException:
            with contextlib.suppress(LockLost, StoreError):  # the block's own error matters more
                await _leave(await connect_without_blocking(settings), place)
            raise
        await _leave(await connect_without_blocking(settings), place)


def lock(name: str) -> LockBlock:
    """Hold a lock for the length of a block; whoever comes later waits in line.

    ```python
    async with lock(f"account:{account}") as held:
        await charge(account, fence=held.token)
    ```

    In a workflow the lock belongs to the run: it does not expire, survives the death of any process, and is given back
    at the end of the block or of the run, whichever way it ends. In a task or a script it is leased: renewed while the
    process lives, and somebody else's a few seconds after it died or was stopped. There, `with` works too.

    Args:
        name: names the lock, for everybody who uses the same store.

    Raises:
        DefinitionError: it is no name.
        LockLost: on leaving, when the lock was lost on the way; what came late is for receivers of the token to refuse.
    """
    return semaphore(name, 1)


def semaphore(name: str, slots: int) -> LockBlock:
    """Hold one of `slots` places for the length of a block; whoever comes when all are taken waits in line.

    Args:
        name: names the semaphore, for everybody who uses the same store.
        slots: how many may hold it at once. All users have to agree.

    Raises:
        DefinitionError: it is no name, or no number of places.
        LockLost: on leaving, when the place was lost on the way.
    """
    return authoring.semaphore(name, slots).granted_elsewhere_by(SharedPlaces())


async def _leave(connection: Connection, place: PlaceLease) -> None:
    # Shielded: a task that is cancelled while it leaves must not keep the place.
    await asyncio.shield(connection.portal.wait(connection.leave_place, place))


def _holder() -> str:
    here = f"{socket.gethostname()}:{os.getpid()}#{secrets.token_hex(3)}"  # each request has a name of its own
    context = current_task.get(None)
    return here if context is None else f"{context.info.execution}/{context.info.step} on {here}"
