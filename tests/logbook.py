"""What a process would have logged.

Owns: logs as they are configured by a process that serves, written into a text; and logging as it was, afterwards.
Must not know: who logs what.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from holdfast.observe import configure_logs
from holdfast.observe.logs import OTHERS


class Logbook:
    """Everything that was logged."""

    def __init__(self) -> None:
        """Begin empty."""
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        """What was written, as it was written."""
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Each line, which is one JSON object."""
        return [json.loads(line) for line in self.text.splitlines()]

    def of(self, event: str) -> list[dict[str, Any]]:
        """Return the lines about one kind of event."""
        return [line for line in self.lines if line["event"] == event]


@contextmanager
def logbook(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[Logbook]:
    """Log into a logbook while the block lasts. `options` are those of `configure_logs`."""
    loggers = [logging.getLogger(name) for name in ("holdfast", *OTHERS)]
    before = [(log, log.handlers[:], log.level, log.propagate) for log in loggers]
    book = Logbook()
    try:
        with monkeypatch.context() as patched:
            patched.setattr("sys.stderr", book.stream)
            configure_logs(**{"json_lines": True, "level": "DEBUG", **options})
            yield book
    finally:
        for log, handlers, level, propagate in before:
            log.handlers[:] = handlers
            log.setLevel(level)
            log.propagate = propagate
