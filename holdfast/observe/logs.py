"""Structured logs.

Owns: how a log line looks, on a terminal and for machines.
Must not know: who logs what.

A library does not configure its user's logging: until `configure_logs` is called,
lines go through the standard library's `logging`, as its user has set it up.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def logger(name: str) -> Any:
    """Return the logger called `name`; its methods take a message and key-value pairs."""
    return structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            structlog.stdlib.render_to_log_kwargs,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class _Renderer(logging.Formatter):
    """Renders a record with its key-value pairs; newlines and control characters never reach the output raw."""

    def __init__(self, *, json_lines: bool) -> None:
        super().__init__()
        self._render: Any = (
            structlog.processors.JSONRenderer()
            if json_lines
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        )

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        event: dict[str, Any] = {
            "event": _plain(record.getMessage()),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
        }
        for key, value in record.__dict__.items():
            if key not in _STANDARD and key != "level":
                event[key] = _plain(value) if isinstance(value, str) else value
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return str(self._render(None, record.levelname.lower(), event))


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() or each == "\n" else f"\\x{ord(each):02x}" for each in text)


def configure_logs(*, json_lines: bool, level: str = "INFO") -> None:
    """Write Holdfast's logs to standard error.

    Args:
        json_lines: one JSON object a line, rather than for people.
        level: the least severe level written.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Renderer(json_lines=json_lines))
    root = logging.getLogger("holdfast")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False
