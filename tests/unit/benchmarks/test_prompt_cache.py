"""The prompt cache's measurement: what makes it void, and the law it tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.prompt_cache import Answer, Pair, cell_of, check, text_of

GOOD = Pair(Answer("Six.", 1.0, 1.25, 1_020, 0), Answer("Six.", 0.05, 0.3, 20, 1_000))


def test_rounds_that_agree_are_sound():
    """Answers are equal, and the server counted what was to be seen."""
    assert check(1_000, 32, [GOOD, GOOD]) == []


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (replace(GOOD, on=replace(GOOD.on, text="Seven.")), "1 of 2 answers differ"),
        (replace(GOOD, off=replace(GOOD.off, cached=9)), "cached with the cache off"),
        (replace(GOOD, on=replace(GOOD.on, cached=9)), "computed the prefix again"),
    ],
)
def test_rounds_that_are_not_sound_are_void(pair, said):
    """One is enough."""
    (found,) = check(1_000, 32, [GOOD, pair])
    assert said in found


def test_a_cell_says_how_much_sooner_and_what_the_law_foresees():
    """Of a second to the first token and a quarter of one behind it."""
    cell = cell_of(1_000, 32, [GOOD] * 3)
    assert (cell.n, cell.computed_on, cell.cached_on) == (3, 20, 1_000)
    assert cell.first_saved == pytest.approx(95.0)
    assert cell.total_saved == pytest.approx(76.0)
    assert cell.total_foreseen == pytest.approx(76.0)


def test_texts_are_as_long_as_they_are_to_be():
    """And begin alike."""
    assert len(text_of(1_024)) == 1_024
    assert text_of(4_096).startswith(text_of(1_024))
