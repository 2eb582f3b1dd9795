"""Structured logs.

Owns: how a log line looks, on a terminal and for machines.
Must not know: who logs what.

A library does not configure its user's logging: until `configure_logs` is called, lines go through the standard
library's `logging`, as its user has set it up. What they hold is cleaned either way, where they are made.

structlog is imported with the first line, or by who configures logs: it brings a library for terminals, which is a
third of what a sidecar would load, and a sidecar seldom has anything to say.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from holdfast.observe.cleaning import Cleaner

OTHERS: Final = ("asyncio", "py.warnings", "uvicorn")
"""Loggers of what Holdfast stands on: in a process that serves, their lines look like its own."""

_CLEANED: Final = "_holdfast_cleaned"
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "level", _CLEANED}


def logger(name: str) -> Any:
    """Return the logger called `name`; its methods take a message and fields (see `FIELDS`)."""
    return _Logger(name)


class _Logger:
    """A logger of structlog's that is made when it is first used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> Any:
        return getattr(self._made, method)

    @cached_property
    def _made(self) -> Any:
        import structlog

        return structlog.wrap_logger(
            logging.getLogger(self._name),
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.stdlib.add_log_level,
                structlog.processors.format_exc_info,
                _Cleaning(),
                _say_why,
                structlog.stdlib.render_to_log_kwargs,
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
            cache_logger_on_first_use=True,
        )


class _Cleaning:
    """Cleans the fields of a line, whoever renders it."""

    def __init__(self) -> None:
        self._cleaner: Cleaner | None = None

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if self._cleaner is None:
            self._cleaner = Cleaner()  # not earlier: importing a module reads no environment
        for name, value in event.items():
            event[name] = self._cleaner.lines(value) if name == "exception" else self._cleaner.clean(value)
        event[_CLEANED] = True
        return event


def _say_why(log: logging.Logger, _: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the error behind the text where nobody has set up logging: there Python prints the text and no field."""
    if "error" in event and not log.hasHandlers():
        event["event"] = f"{event['event']}: {event['error']}"
    return event


class _Renderer(logging.Formatter):
    """Renders a record and its fields: as one JSON object on one line, or for a person."""

    def __init__(self, *, json_lines: bool, member: str) -> None:
        import structlog

        super().__init__()
        self.json_lines = json_lines
        self.member = member
        self._cleaner = Cleaner()
        self._render: Any = (
            structlog.processors.JSONRenderer(allow_nan=False)
            if json_lines
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        )

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and in front of a person the lines of a traceback below it."""
        fields = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        event = record.getMessage()
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if not getattr(record, _CLEANED, False):  # of another library
            trace = fields.pop("exception", None)
            fields = {self._cleaner.text(name): self._cleaner.clean(value) for name, value in fields.items()}
            event = self._cleaner.text(event)
            if trace is not None:
                fields["exception"] = self._cleaner.lines(str(trace))
        level = record.levelname.lower()
        head = {"timestamp": _utc(record.created), "level": level, "logger": record.name, "event": event}
        if self.json_lines:
            if self.member:
                head["member"] = self.member
            return str(self._render(None, level, head | _finite(fields)))
        if "exception" in fields:  # no line of it can be taken for one of the log's
            fields["exception"] = "\n".join(f"    {line}" for line in fields["exception"].split("\n"))
        return str(self._render(None, level, head | fields))


class _StandardError(logging.StreamHandler[Any]):
    """Writes to what is standard error at that moment: a program may put another file in its place."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, _: Any) -> None:
        raise AttributeError("it is always standard error")


def _utc(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _finite(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, float) and value - value != 0 else value for name, value in fields.items()
    }


def configure_logs(*, json_lines: bool, level: str = "INFO", member: str = "") -> None:
    """Write the logs of this process to standard error: Holdfast's own, and of what it stands on.

    Args:
        json_lines: one JSON object a line, rather than for people.
        level: the least severe level written.
        member: what the process is called in each JSON line.
    """
    handler = _StandardError()
    handler.setFormatter(_Renderer(json_lines=json_lines, member=member))
    for name in ("holdfast", *OTHERS):
        log = logging.getLogger(name)
        log.handlers[:] = [handler]
        log.propagate = False
        log.setLevel(level if name == "holdfast" else max(logging.WARNING, logging.getLevelName(level)))


def log_options() -> dict[str, Any] | None:
    """Return what `configure_logs` was last called with, as JSON values for a helper; None where it was not."""
    log = logging.getLogger("holdfast")
    for handler in log.handlers:
        renderer = handler.formatter
        if isinstance(renderer, _Renderer):
            level = logging.getLevelName(log.level)
            return {"json_lines": renderer.json_lines, "level": level, "member": renderer.member}
    return None
