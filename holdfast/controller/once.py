"""Requests that are carried out once, however often they are sent.

Owns: idempotency keys as a controller treats them: whose they are, what counts as the same request, what is under way.
Must not know: HTTP, what is asked for.

What a request does and the note that it was done are one commit, so that another process, or this one after a crash,
finds both or neither. An update is carried out elsewhere: its key is claimed before, and settled with the answer
afterwards. Whoever dies in between leaves a claim that lapses; the update itself is known by its operation id, so that
asking again is harmless.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import msgspec

from holdfast.controller.inputs import RUN_ID
from holdfast.controller.keys import LOCAL
from holdfast.errors import HoldfastError, KeyInUseError
from holdfast.ports.operations import Carrying, DoneBefore, DoOnce, Operation, Settle, Unclaim
from holdfast.ports.store import Store

KEEP_SECONDS: Final = 86_400.0
"""How long an answer stands after its run has ended, where nobody says otherwise."""
ANSWER_BYTES_MAX: Final = 256 * 1024
"""The largest answer of an update that is kept; a larger one is asked for again."""
CLAIM_SECONDS: Final = 5.0
"""How much longer than what is waited for a claim lasts."""

_encode: Final = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class OnceKey:
    """An idempotency key, and whose it is."""

    caller: str
    key: str


def operation_id(caller: str, name: str) -> str:
    """Return what a run knows a message by: names that callers choose are their own."""
    return name if caller in {"", LOCAL} else f"{caller}:{name}"


def run_id_of(caller: str, key: str) -> str | None:
    """Return the run id that a key stands for where none is given; None when it cannot be one.

    Run ids belong to everybody. So the key of somebody in particular is theirs by its name, too.
    """
    named = operation_id(caller, key)
    return named if RUN_ID.fullmatch(named) else None


def fingerprint(*parts: Any) -> bytes:
    """Return a digest of what was asked for: equal for equal requests."""
    return blake2b(_encode(parts), digest_size=16, person=b"holdfast once").digest()


class Once:
    """The idempotency keys of a store."""

    def __init__(self, store: Store, keep_seconds: float) -> None:
        """Keep answers for `keep_seconds` after their runs have ended."""
        self._store = store
        self._keep_seconds = keep_seconds
        self._doing: set[OnceKey] = set()

    @contextlib.contextmanager
    def doing(self, key: OnceKey) -> Iterator[None]:
        """Be the only request under a key, in this process. Raises KeyInUseError: there is one."""
        if key in self._doing:
            raise KeyInUseError(key.key)
        self._doing.add(key)
        try:
            yield
        finally:
            self._doing.discard(key)

    def note(self, key: OnceKey, asked: bytes, run_id: str) -> Callable[[Operation], Carrying]:
        """Return what makes an operation one that is carried out once, for `Engine.carry_out`."""
        return lambda act: DoOnce(
            act=act,
            caller=key.caller,
            key=key.key,
            fingerprint=asked,
            run_id=run_id,
            keep_seconds=self._keep_seconds,
        )

    async def claim(self, key: OnceKey, asked: bytes, run_id: str, seconds: float) -> DoneBefore | None:
        """Claim a key for what is done within `seconds`; return what came of it when it was done before.

        Raises:
            KeyReusedError, KeyInUseError.
        """
        until = await self._store.now() + seconds + CLAIM_SECONDS
        (result,) = await self._store.write(
            [
                DoOnce(
                    caller=key.caller,
                    key=key.key,
                    fingerprint=asked,
                    run_id=run_id,
                    keep_seconds=self._keep_seconds,
                    claimed_until=until,
                )
            ]
        )
        if isinstance(result, HoldfastError):
            raise result
        return result if isinstance(result, DoneBefore) else None

    async def settle(self, key: OnceKey, answer: bytes) -> None:
        """Note the answer to what a key was claimed for."""
        await self._store.write([Settle(key.caller, key.key, answer if len(answer) <= ANSWER_BYTES_MAX else b"")])

    async def unclaim(self, key: OnceKey) -> None:
        """Give a claimed key back: nothing was done."""
        await self._store.write([Unclaim(key.caller, key.key)])
