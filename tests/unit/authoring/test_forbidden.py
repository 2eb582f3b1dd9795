"""The table of forbidden calls: whole, and the same in the docs as in the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from holdfast.authoring.forbidden import CATCHERS, FORBIDDEN, is_exempt, reason_of_event, table_as_markdown

PAGE = Path(__file__).parents[3] / "docs" / "determinism.md"
BEGIN, END = "<!-- table: begin -->\n\n", "\n<!-- table: end -->"


def test_the_page_shows_the_table() -> None:
    """The docs' table is the code's, to the letter."""
    _, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    shown, end, _ = rest.partition(END)
    assert begin
    assert end
    assert shown == table_as_markdown(), "paste what holdfast.authoring.forbidden.table_as_markdown() returns"


def test_every_call_stands_in_the_table_once() -> None:
    """No call is listed twice, or without anybody who catches it."""
    calls = [row.call for row in FORBIDDEN]
    assert len(calls) == len(set(calls))
    assert all(row.caught_by and set(row.caught_by) <= set(CATCHERS) for row in FORBIDDEN)


def test_every_row_says_why_and_what_instead() -> None:
    """The words read on from `...: ` and fit into one line."""
    for row in FORBIDDEN:
        assert re.fullmatch(r"[a-z][^\n|]+[^.\s]", row.why), row
        assert re.fullmatch(r"[^\n|]+[^.\s]", row.instead), row


@pytest.mark.parametrize(
    ("event", "topic"),
    [
        ("open", "Files"),
        ("os.listdir", "Files"),
        ("os.fork", "Processes"),
        ("os.putenv", "The machine"),
        ("socket.connect", "Network"),
        ("_thread.start_new_thread", "Threads"),
    ],
)
def test_an_audit_event_has_a_reason(event: str, topic: str) -> None:
    """Events are known by name, else by their first part."""
    reason = reason_of_event(event)
    assert reason is not None
    assert reason.topic == topic


@pytest.mark.parametrize("event", ["import", "exec", "compile", "object.__getattr__", "sys._getframe", "builtins.id"])
def test_what_any_program_does_all_the_time_has_none(event: str) -> None:
    """Imports, frames and addresses are nobody's business."""
    assert reason_of_event(event) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("f()  # holdfast: allow", True),
        ("f()  #holdfast:allow it is shown only", True),
        ("f()  # noqa: X  # holdfast: allow", True),
        ("f()  # holdfast: allowed", False),
        ("f()  # holdfast", False),
        ("holdfast: allow", False),
    ],
)
def test_the_exempting_comment(line: str, expected: bool) -> None:
    """It is a comment, and it is spelled one way."""
    assert is_exempt(line) is expected
