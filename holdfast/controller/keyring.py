"""The keys of a store, as a controller knows them.

Owns: how old what is known of them may be, making and changing them, when each was used last.
Must not know: HTTP, routes; how a key looks (`keys`).

Keys are read again when what is in memory is more than a second old, so that is how long a revoked key may still work
elsewhere. When a key was used is written once a minute, and only by whoever comes first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final

from holdfast.controller.actors import store_of
from holdfast.controller.keys import (
    OVERLAP_SECONDS,
    IssuedKey,
    Principal,
    RenewedKey,
    Scope,
    find_principal,
    issue_key,
    renew_key,
)
from holdfast.errors import HoldfastError, InputError, UnknownNameError
from holdfast.ports.clock import Clock
from holdfast.ports.operations import KeyRecord, NoteUse, Operation, RevokeKey
from holdfast.ports.store import Store

CACHE_SECONDS: Final = 1.0
"""How old the keys in memory may be."""
USE_SECONDS: Final = 60.0
"""How coarse it is known when a key was used last."""
NOTE_SECONDS_MAX: Final = 1.0
"""How long a request waits at most for its key's use to be noted."""


class Keyring:
    """The keys of a store, remembered for a second."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Read keys from `store`."""
        self._store = store
        self._clock = clock
        self._records: list[KeyRecord] = []
        self._read_at: float | None = None
        self._used: dict[str, float] = {}
        """When each key's use was noted last, as far as this process knows."""

    async def records(self) -> list[KeyRecord]:
        """Return all keys, revoked ones included; at most CACHE_SECONDS old."""
        now = self._clock.now()
        if self._read_at is None or not 0 <= now - self._read_at < CACHE_SECONDS:
            self._records = await self._store.keys()
            self._read_at = now
        return self._records

    async def exist(self) -> bool:
        """Say whether a key was ever made.

        A revoked or expired key counts: taking the last key away must not open the door.
        """
        return bool(await self.records())

    async def identify(self, secret: str) -> Principal | None:
        """Return whom a secret belongs to, or None."""
        records = await self.records()
        principal = find_principal(records, secret, self._clock.now())
        if principal is not None:
            await self._note_use(principal.name, records)
        return principal

    async def create(
        self,
        name: str,
        scopes: Iterable[Scope],
        expires_at: float | None = None,
        *,
        workflows: Iterable[str] = (),
        rate_limit: str = "",
        by: str = "",
    ) -> IssuedKey:
        """Make a key and store its hash. See `issue_key`; `by` is who does it, for the audit log.

        Raises:
            InputError: something of it does not fit, or it would have expired already.
            KeyNameError: the name is taken.
        """
        if expires_at is not None and expires_at <= self._clock.now():
            raise InputError("the key", (("/expires_at", "is over already"),))
        issued = issue_key(name, scopes, expires_at, workflows=workflows, rate_limit=rate_limit)
        await self._change(issued.stored, by)
        return issued

    async def rotate(self, name: str, overlap_seconds: float = OVERLAP_SECONDS, by: str = "") -> RenewedKey:
        """Give a key another secret; the one it has stays good for `overlap_seconds`.

        Raises:
            UnknownNameError: there is none of this name.
            KeyNameError: it was revoked.
            InputError: the time does not fit.
        """
        renewed = renew_key(name, overlap_seconds)
        if not await self._change(renewed.stored, by):
            raise await self._unknown(name)
        return renewed

    async def revoke(self, name: str, by: str = "") -> None:
        """Make a key invalid for good, with all its secrets.

        Raises:
            UnknownNameError: there is none of this name.
        """
        if not await self._change(RevokeKey(name), by):
            raise await self._unknown(name)

    async def _change(self, operation: Operation, by: str) -> bool:
        (result,) = await store_of(self._store, by).write([operation])
        self._read_at = None
        if isinstance(result, HoldfastError):
            raise result
        return bool(result)

    async def _unknown(self, name: str) -> UnknownNameError:
        return UnknownNameError("API key", name, tuple(each.name for each in await self.records()))

    async def _note_use(self, name: str, records: list[KeyRecord]) -> None:
        now = self._clock.now()
        if now - self._used.get(name, 0.0) < USE_SECONDS:
            return
        self._used[name] = now  # before the write: those who come meanwhile do not write as well
        stored = next((each.last_used_at for each in records if each.name == name), None)
        if stored is not None and now - stored < USE_SECONDS:
            self._used[name] = stored
            return
        # A store that cannot be written to must not keep anybody from reading.
        with contextlib.suppress(HoldfastError, TimeoutError):
            async with asyncio.timeout(NOTE_SECONDS_MAX):
                await self._store.write([NoteUse(((name, now),))])
