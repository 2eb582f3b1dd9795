"""Pages that are made from the code say what the code says today, and every error code has a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.errors import HoldfastError
from scripts import reference
from scripts.error_examples import EXAMPLES, error_classes

ERRORS = reference.DOCS / "errors"
each_class = pytest.mark.parametrize("kind", list(error_classes()), ids=lambda kind: kind.code)


def test_pages_are_current() -> None:
    """Every page is what the code makes it; `python -m scripts.reference` mends it."""
    assert reference.stale_pages() == []


def test_a_stale_page_is_caught(tmp_path: Path) -> None:
    """A page that says something else between its marks differs from what is made; the words around it stay."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{reference.BEGIN}\n\nold\n\n{reference.END}\nafter\n", encoding="utf-8")
    made = reference.current(page, "new")
    assert made == f"before\n{reference.BEGIN}\n\nnew\n\n{reference.END}\nafter\n"
    assert made != page.read_text(encoding="utf-8")


def test_a_page_without_marks_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that lost its marks is an error, and not one that is never checked again."""
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("words\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"page\.md needs one"):
        reference.current(page, "new")


def test_codes_and_pages_are_the_same() -> None:
    """Every code has one page, and every page one code."""
    codes = [each.code for each in error_classes()]
    assert len(codes) == len(set(codes))
    assert {each.stem for each in ERRORS.glob("HF*.md")} == set(codes)


@each_class
def test_page_shows_the_real_message(kind: type[HoldfastError]) -> None:
    """A page's example is what the class itself says, of exactly this class, and tells why and what to do."""
    assert type(EXAMPLES[kind.code]) is kind
    text = (ERRORS / f"{kind.code}.md").read_text(encoding="utf-8")
    assert f"```text\n{EXAMPLES[kind.code]}\n```" in text
    why, what_to_do = text.index("\n## Why\n"), text.index("\n## What to do\n")
    assert why < what_to_do
    assert len(text[why:what_to_do].split()) > 10
    assert len(text[what_to_do:].split()) > 5


def test_every_verb_and_setting_is_shown() -> None:
    """The pages name every verb and every setting."""
    verbs = reference.cli_page()
    assert "## holdfast start\n" in verbs
    assert "## holdfast runs list\n" in verbs
    settings = reference.settings_page()
    assert all(f"| `{name}` |" in settings for name in reference.Settings.model_fields)
