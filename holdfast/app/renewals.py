"""Keeping renewed what this process holds.

Owns: the keeper process's life, and who renews while there is none.
Must not know: what is held, and by whom in this process.

The keeper is started with the first lease, which is not kept waiting for it. Until it has renewed for the first time,
and whenever it is gone, leases are renewed from here: nearly as good, except while user code holds the interpreter's
lock. So a lease that is taken before the keeper is ready is taken for long enough to see it start.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import threading
from typing import Final, assert_never

from holdfast.app.keeper_messages import (
    LINE_BYTES_MAX,
    Drop,
    FromKeeper,
    Hold,
    Lost,
    Ready,
    Setup,
    Trouble,
    decode_from_keeper,
    encode_line,
)
from holdfast.errors import StoreError
from holdfast.locks import Lease, renew
from holdfast.observe import logger, warn_of
from holdfast.ports.store import Store

RENEWALS_PER_LEASE: Final = 3
"""A lease survives this many renewals minus one going wrong."""
START_SECONDS: Final = 5.0
"""A keeper renews for the first time within this, on a busy machine too."""
RESTART_SECONDS: Final = 1.0
"""How long after the end of a keeper that ended by itself another one is started."""
END_SECONDS: Final = 2.0
"""How long a keeper may take to end."""

log = logger("holdfast.app")


class Renewals:
    """The leases of one process in one store. Belongs to the event loop it is used on."""

    def __init__(self, store: Store, setup: Setup) -> None:
        """Renew leases in `store`, which a keeper finds by `setup`."""
        self._store = store
        self._setup = setup
        self._held: dict[int, Lease] = {}
        self._ending: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._ready = False
        self._starting = asyncio.Lock()
        self._listening: asyncio.Task[None] | None = None
        self._standing_in: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def pid(self) -> int | None:
        """Process id of the keeper, None while there is none."""
        return None if self._process is None else self._process.pid

    @property
    def lease_seconds(self) -> float:
        """How long a lease that is taken now has to last until its first renewal."""
        seconds = self._setup.lease_seconds
        return seconds if self._ready else max(seconds, START_SECONDS)

    async def hold(self, lease: Lease) -> None:
        """Renew a lease from now on, until it is dropped or lost."""
        self._held[lease.token] = lease
        async with self._starting:
            if self._writer is None and self._listening is None:
                await self._start()
            else:
                self._say(Hold(lease))
        self._stand_in()

    def expect_end(self, lease: Lease) -> None:
        """Note that a lease is about to end by a write of ours, so that its end is no loss."""
        self._ending.add(lease.token)

    def drop(self, lease: Lease) -> None:
        """Stop renewing a lease."""
        self._ending.discard(lease.token)
        if self._held.pop(lease.token, None) is not None:
            self._say(Drop(lease.token))

    async def close(self) -> None:
        """End the keeper; nothing is renewed any more."""
        self._closing = True
        for lease in list(self._held.values()):
            self.drop(lease)
        for task in (self._standing_in, self._listening):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        process, writer = self._process, self._writer
        if process is not None and not self._ready:
            process.kill()  # it is still starting, and there is nothing left for it to do
        self._hang_up()
        if writer is not None:
            with contextlib.suppress(OSError):
                await writer.wait_closed()  # else the keeper would wait for the end that we wait for
        if process is not None:
            _reap(process)

    def abandon(self) -> None:
        """Close this process's copy of the line, without a word: for a child that forked and is not its parent."""
        if self._writer is not None:
            with contextlib.suppress(OSError):
                os.close(self._writer.get_extra_info("socket").fileno())

    async def _start(self) -> None:
        from holdfast.worker import spawn

        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = spawn("holdfast.app.keeper", (theirs.fileno(), os.getpid()), (theirs.fileno(),))
            reader, self._writer = await asyncio.open_connection(sock=ours, limit=LINE_BYTES_MAX)
        except OSError as error:
            ours.close()
            self._hang_up()
            log.warning("no process could be started to renew leases; they are renewed from here", error=str(error))
            self._listening = asyncio.create_task(self._start_again(), name="holdfast keeper")
            return
        self._writer.write(encode_line(self._setup) + b"".join(encode_line(Hold(each)) for each in self._held.values()))
        self._listening = asyncio.create_task(self._listen(reader), name="holdfast keeper")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                self._heard(decode_from_keeper(line))
        process = self._process
        self._hang_up()
        if process is not None:
            # It has closed its end: it ended, or is about to. Reaping it must not keep the loop.
            threading.Thread(target=_reap, args=(process,), name="holdfast keeper end", daemon=True).start()
        log.warning("the process that renews leases has ended; starting another")
        self._stand_in()
        self._listening = asyncio.create_task(self._start_again(), name="holdfast keeper")

    async def _start_again(self) -> None:
        await asyncio.sleep(RESTART_SECONDS)
        async with self._starting:
            await self._start()

    def _heard(self, message: FromKeeper) -> None:
        match message:
            case Ready():
                self._ready = True
            case Lost():
                self._lose(message.token)
            case Trouble():
                log.warning("leases could not be renewed; trying again", error=message.text)
            case _:
                assert_never(message)

    def _lose(self, token: int) -> None:
        lease = self._held.pop(token, None)
        if lease is not None and token not in self._ending:
            log.warning("a lease was lost; what is done under it will be refused", lease=lease.name, token=token)

    def _say(self, message: Hold | Drop) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode_line(message))

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None
        self._process = None
        self._ready = False

    def _stand_in(self) -> None:
        if self._ready or self._closing or (self._standing_in is not None and not self._standing_in.done()):
            return
        self._standing_in = asyncio.create_task(self._renew_until_ready(), name="holdfast renewals")

    async def _renew_until_ready(self) -> None:
        while not self._ready and self._held:
            await asyncio.sleep(self._setup.lease_seconds / RENEWALS_PER_LEASE)
            try:
                lost = await renew(self._store, list(self._held.values()), self._setup.lease_seconds)
            except StoreError as error:
                warn_of(log, "leases could not be renewed; trying again", error)
            else:
                for lease in lost:
                    self._lose(lease.token)


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
