"""The process that renews a member's lease, beside the member.

Owns: when to renew, and when not to any more.
Must not know: how a lease is renewed; a function named on its start does that.

Started as `python -m holdfast.worker.sidecar SOCKET PAGE PARENT`. What it needs to know comes as one JSON line. It ends
with its parent: the kernel kills it, and where there is no such kernel it sees the parent's end of the socket close.
Before every renewal it looks whether its parent is still its parent, so it never renews a dead member's lease.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from holdfast.worker.tether import tether
from holdfast.worker.vitals import Sample, judge, look
from holdfast.worker.watermark import BEATS_PER_LEASE, FENCED, READY, Watermark

CONFIGURATION_BYTES_MAX: Final = 1 << 20
FIRST_SECONDS_MAX: Final = 1.0
"""When it renews for the first time, at the latest.

A member that ends before, as scripts do, has no need of it, and what renews the lease is not even loaded: that takes
more than all else here.
"""

Beat = Callable[[dict[str, Any], str], bool]


class Renewal:
    """Renews one lease, as long as its holder deserves it."""

    def __init__(self, parent: int, sock: socket.socket, watermark: Watermark, told: dict[str, Any]) -> None:
        """Renew the lease of the process `parent`.

        Args:
            parent: process id of the member.
            sock: what was told came through it, and it closes when the member ends.
            watermark: where the member's event loop shows that it turns.
            told: `entry` and `arguments` of what renews, `lease_seconds`, and `logs`, the member's `log_options`.
        """
        self._parent = parent
        self._socket = sock
        self._watermark = watermark
        self._entry: str = told["entry"]
        self._arguments: dict[str, Any] = told["arguments"]
        self._lease_seconds: float = told["lease_seconds"]
        self._logs: dict[str, Any] | None = told["logs"]
        self._before: Sample | None = None
        self._silent = False

    def run(self) -> None:
        """Renew until the parent is gone or the lease is lost."""
        self._socket.sendall(READY)
        interval = self._lease_seconds / BEATS_PER_LEASE
        due = time.monotonic() + min(interval, FIRST_SECONDS_MAX)
        while not self._is_alone(max(0.0, due - time.monotonic())):
            due = time.monotonic() + interval
            if not self._renew():
                return

    def _is_alone(self, seconds: float) -> bool:
        # Nothing is ever sent to a sidecar after its start: whatever can be read is the end of the line.
        readable, _, _ = select.select([self._socket], [], [], seconds)
        return bool(readable) or os.getppid() != self._parent

    def _renew(self) -> bool:
        """Renew, if that is right; False when the lease is lost."""
        beat = find(self._entry)
        now = look(self._parent, self._watermark.height())
        before, self._before = self._before, now
        # The first look has nothing to compare with; whoever started a sidecar just now is alive.
        state = "alive" if before is None else judge(before, now, self._watermark.where)
        if state is None:
            if not self._silent:
                self._warn("the process is stopped or hangs; its lease is not renewed")
            self._silent = True
            return True
        self._silent = False
        try:
            held = beat(self._arguments, state)
        except Exception as error:  # noqa: BLE001 - the next try may go better, and a lease survives two that do not
            self._warn("the lease could not be renewed", error=f"{type(error).__name__}: {error}")
            return True
        if not held:
            with contextlib.suppress(OSError):
                self._socket.sendall(FENCED)
        return held

    def _warn(self, event: str, **fields: str) -> None:
        from holdfast.observe import configure_logs, logger  # here: most sidecars never have anything to say

        if self._logs is not None:
            configure_logs(**self._logs)
        logger("holdfast.worker").warning(event, **fields)


def find(entry: str) -> Beat:
    """Return the function that `module:function` names."""
    module, _, name = entry.partition(":")
    beat: Beat = getattr(importlib.import_module(module), name)
    return beat


def receive(sock: socket.socket) -> dict[str, Any]:
    """Return the configuration that the parent sends as a line."""
    data = b""
    while not data.endswith(b"\n"):
        more = sock.recv(CONFIGURATION_BYTES_MAX)
        if not more:
            raise SystemExit(0)
        data += more
    configuration: dict[str, Any] = json.loads(data)
    return configuration


def main() -> None:
    """Renew the lease of the parent that is named on the command line."""
    descriptor, page, parent = (int(each) for each in sys.argv[1:])
    tether(parent)
    # Whoever stops a service tells every process of it; the member still needs its lease while it drains.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watermark = Watermark(page)
    os.close(page)
    with socket.socket(fileno=descriptor) as sock, contextlib.suppress(OSError):
        configuration = receive(sock)
        sys.path[:] = configuration["path"]
        Renewal(parent, sock, watermark, configuration).run()


if __name__ == "__main__":
    main()
