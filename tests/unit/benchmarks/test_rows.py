"""Rows and ratios of the benchmarks.

Owns: medians, spread, percentiles, and which way is better.
"""

from __future__ import annotations

from benchmarks.rows import Row, Sample, compare, percentile, summarize


def row(system: str, value: float, unit: str, metric: str = "m") -> Row:
    """Return a row of one round."""
    return Row("case", system, metric, value, unit, value, value, 1, 1)


def test_rounds_of_all_processes_make_one_row() -> None:
    """A row has the median, the least and the greatest of all rounds, and their number."""
    samples = [Sample("m", "ms", (3.0, 1.0), 7), Sample("other", "ms", (5.0,)), Sample("m", "ms", (9.0,), 7)]

    first, second = summarize("case", "system", samples)

    assert first == Row("case", "system", "m", 3.0, "ms", 1.0, 9.0, 3, 7)
    assert second == Row("case", "system", "other", 5.0, "ms", 5.0, 5.0, 1, 1)


def test_a_percentile_is_one_of_the_values() -> None:
    """The nearest rank counts: no value is invented between two."""
    values = [4.0, 1.0, 3.0, 2.0]

    assert [percentile(values, percent) for percent in (0, 25, 50, 51, 99, 100)] == [1.0, 1.0, 2.0, 3.0, 4.0, 4.0]


def test_more_of_a_rate_is_better_and_less_of_a_time() -> None:
    """A ratio above 1 always means that the product did better."""
    rows = [row("holdfast", 100.0, "steps/s", "rate"), row("peer", 50.0, "steps/s", "rate")]
    rows += [row("holdfast", 3.0, "ms", "time"), row("peer", 1.5, "ms", "time")]

    assert {ratio.metric: ratio.times for ratio in compare(rows)} == {"rate": 2.0, "time": 0.5}


def test_what_only_one_measured_is_not_compared() -> None:
    """There is no ratio without both numbers, nor one of nothing."""
    rows = [row("holdfast", 1.0, "ms", "ours"), row("peer", 1.0, "ms", "theirs")]
    rows += [row("holdfast", 0.0, "ms", "zero"), row("peer", 1.0, "ms", "zero")]

    assert compare(rows) == []
