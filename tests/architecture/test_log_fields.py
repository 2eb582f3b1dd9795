"""Every field of a log line is documented, and means one thing."""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterator
from pathlib import Path

import holdfast
from holdfast.observe import FIELDS

LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
HEAD = {"timestamp", "level", "logger", "event", "member", "exception"}
"""Fields that no line has to name."""
NOT_FIELDS = {"exc_info"}
"""What the logger makes something else of."""


def logged(source: str) -> Iterator[tuple[str, list[str]]]:
    """Return the event and the fields of each line that a module logs; an event that is no constant is `?`."""
    tree = ast.parse(source)
    if not any(isinstance(node, ast.Name) and node.id == "logger" for node in ast.walk(tree)):
        return  # its `log` is something else
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr="log"), args=[_, *words]):
                yield _line(words, node.keywords)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level), args=words) if level in LEVELS:
                yield _line(words, node.keywords)


def _line(words: list[ast.expr], fields: list[ast.keyword]) -> tuple[str, list[str]]:
    match words:
        case [ast.Constant(value=str(event))]:
            return event, [each.arg for each in fields if each.arg is not None]
    return "?", []


def test_fields_are_documented_and_used() -> None:
    """The table of fields and what the code logs are the same, and every event is a constant."""
    root = Path(holdfast.__file__).parent
    lines = [line for module in sorted(root.rglob("*.py")) for line in logged(module.read_text(encoding="utf-8"))]
    assert len(lines) > 20
    assert [event for event, _ in lines if event == "?"] == []
    used = {field for _, fields in lines for field in fields} - NOT_FIELDS
    # The workflow comes from `Live.about`, which says which run a line is about.
    assert used | HEAD | {"workflow"} == set(FIELDS)


def test_no_field_collides_with_the_standard_library() -> None:
    """A field is never called like an attribute of a log record, which `logging` refuses."""
    assert set(FIELDS).isdisjoint(set(logging.makeLogRecord({}).__dict__) | {"message", "asctime"})


def test_an_undocumented_field_is_caught() -> None:
    """The check above sees fields wherever a line is logged, and an event that is put together."""
    source = (
        "log = logger('a')\nlog.info('noted', path=path)\nlog.log(level, 'served', status=1)\n"
        "log.error(f'{path} failed', error=error)"
    )
    assert list(logged(source)) == [("noted", ["path"]), ("served", ["status"]), ("?", [])]
    assert list(logged(source.replace("logger", "print"))) == []
