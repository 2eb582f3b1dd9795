"""The pages about divergences show what the replayer shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.engine import Difference
from tests.architecture.markdown import read_blocks
from tests.unit.replay.pages import replay_page, show

PAGES = Path(__file__).resolve().parents[3] / "docs" / "errors" / "divergences"


@pytest.mark.parametrize("kind", Difference)
def test_a_page_shows_what_the_replayer_shows(kind: Difference) -> None:
    """Each kind has a page; its two sources give exactly the view it shows, which is of that kind."""
    text = (PAGES / f"{kind.value.lower().replace('_', '-')}.md").read_text(encoding="utf-8")
    before, after, shown = (each.source for each in read_blocks(text))
    result = replay_page(before, after)
    assert show(result).strip("\n").splitlines() == shown.strip("\n").splitlines()
    assert [each.kind for each in result.divergences] == [kind]
    assert text.startswith(f"# {kind.value}: ")


def test_the_page_about_payloads_shows_what_the_replayer_shows() -> None:
    """A value that does not fit is told as the page tells it."""
    text = (PAGES / "payload-incompatible.md").read_text(encoding="utf-8")
    before, after, shown = (each.source for each in read_blocks(text))
    assert show(replay_page(before, after)).strip("\n") == shown.strip("\n")
