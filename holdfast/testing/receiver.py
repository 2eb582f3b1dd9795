"""What tasks have their effect on: a stand-in for a bank, outside the store, that honours idempotency keys.

Owns: a folder with a log of all requests, and one file for each key that was applied.
Must not know: workflows, engines, stores.

Whatever happens to the processes that ask, what was asked and what was applied stays: each request is one appended
line, each application is a link, made once or not at all. The requests' order in the log is the order in which they
came.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the log."""

    key: str
    payload: str
    attempt: int
    token: int
    """Fencing token of the lock under which it was made, 0 for none."""
    pid: int
    at: float
    """Seconds of the system's monotonic clock."""
    applies: bool
    """Whether it was to be applied, rather than only noted."""


class Receiver:
    """The receiver in a folder, as any process may use it."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`; its parts are made when they are missing."""
        self.folder = folder
        self._log = folder / "requests"
        self._applied = folder / "applied"
        self._applied.mkdir(parents=True, exist_ok=True)

    def note(self, key: str, payload: str, attempt: int, token: int = 0) -> None:
        """Note a request that has no effect."""
        self._append(Request(key, payload, attempt, token, os.getpid(), time.monotonic(), False))

    def apply(self, key: str, payload: str, attempt: int, token: int = 0) -> str:
        """Apply a request once for its key; return the payload that was applied, now or before."""
        self._append(Request(key, payload, attempt, token, os.getpid(), time.monotonic(), True))
        final = self._applied / blake2b(key.encode(), digest_size=16).hexdigest()
        mine = final.with_suffix(f".{os.getpid()}.{time.monotonic_ns()}")
        mine.write_text(json.dumps([key, payload]), encoding="utf-8")
        try:
            with suppress(FileExistsError):
                os.link(mine, final)
        finally:
            mine.unlink()
        return str(json.loads(final.read_text(encoding="utf-8"))[1])

    def requests(self) -> list[Request]:
        """Return all requests, in order."""
        with suppress(FileNotFoundError), self._log.open(encoding="utf-8") as lines:
            return [Request(*json.loads(line)) for line in lines]
        return []

    def applied(self) -> dict[str, str]:
        """Return the payload applied for each key."""
        return dict(json.loads(each.read_text(encoding="utf-8")) for each in self._applied.iterdir() if not each.suffix)

    def _append(self, request: Request) -> None:
        line = json.dumps([getattr(request, name) for name in Request.__slots__])
        descriptor = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, line.encode() + b"\n")
        finally:
            os.close(descriptor)
