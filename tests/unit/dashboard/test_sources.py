"""Lines of code: those of workflows that are loaded, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast import Registry, workflow
from holdfast.dashboard.sources import line_at, lines_of


@workflow
async def shown(name: str) -> str:
    """Be shown."""
    return name  # this line


def test_a_place_in_a_loaded_workflow_shows_its_line():
    """The line as it is written, and nothing where there is none."""
    number = next(n for n, line in enumerate(Path(__file__).read_text().splitlines(), 1) if "# this line" in line)
    at = lines_of(Registry(shown))
    assert at(f"{__file__}:{number}, in shown") == "return name  # this line"
    assert at(f"{__file__}:999999, in shown") == ""


@pytest.mark.parametrize(
    "where", ["/etc/passwd:1, in x", "", "x", "/etc/passwd:1", ":1, in x", f"{__file__}/../test_words.py:1, in x"]
)
def test_no_history_makes_anybody_read_another_file(where):
    """Who brings a history may have written anything for a place."""
    assert lines_of(Registry(shown))(where) == ""
    assert line_at(where, {__file__}) == ""
