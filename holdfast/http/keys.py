"""Idempotency keys of calls: the same in every attempt at a task, another one for each effect.

Owns: how a key is made from the attempt's key and what is called.
Must not know: headers' names, answers.

A key is `<the attempt's key>/<method>-<digest of the target>`, with `/2` for the second call of the same target, and so
on. The target is in it because an attempt may leave out what an earlier one did: counted through all calls, what comes
after it would have another key than before, and be done twice. The query and the body are not in it: times and nonces
in them change with every attempt.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final
from weakref import WeakKeyDictionary

import httpx

from holdfast.ports.task import TaskContext

KEY_CHARACTERS_MAX: Final = 255
"""What receivers take; a longer key, or one that is no ASCII, is replaced by its digest."""


class KeysOfAttempts:
    """The keys of calls under way, by attempt."""

    def __init__(self) -> None:
        """Begin without any."""
        self._calls: WeakKeyDictionary[TaskContext, dict[str, int]] = WeakKeyDictionary()

    def key(self, context: TaskContext, method: str, url: httpx.URL) -> str:
        """Return the key of an attempt's next call of a target."""
        target = f"{method} {url.scheme}://{url.netloc.decode('ascii')}{url.path}"
        counts = self._calls.setdefault(context, {})
        number = counts[target] = counts.get(target, 0) + 1
        again = f"/{number}" if number > 1 else ""
        digest = blake2b(target.encode(), digest_size=4).hexdigest()
        return f"{context.info.idempotency_key}/{method}-{digest}{again}"


def fits_header(key: str) -> str:
    """Return a key as a header may carry it."""
    if len(key) <= KEY_CHARACTERS_MAX and key.isascii() and key.isprintable():
        return key
    return f"holdfast-{blake2b(key.encode(), digest_size=24).hexdigest()}"
