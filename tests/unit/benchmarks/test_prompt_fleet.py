"""Durable tasks that share a prefix, measured: all answers, and the prefix computed once."""

from __future__ import annotations

import msgspec

from benchmarks.prompt_fleet import Outcome, Report, main, rows_of


def test_the_short_form_answers_all_and_computes_the_prefix_once(tmp_path, capsys):
    """A few tasks, in this process."""
    report = tmp_path / "report.json"
    assert main(["--quick", "--json", str(report)]) == 0
    (outcome,) = msgspec.json.decode(report.read_bytes(), type=Report).outcomes
    assert outcome.hits == outcome.tasks - 1
    assert 256 < outcome.computed < 256 + 100 * outcome.tasks < outcome.prompt
    assert " 75.0%" in capsys.readouterr().out


def test_an_outcome_is_told_as_all_other_measurements_are():
    """By its number of workers, and whether one was killed."""
    rows = rows_of(Outcome(2, "prefix said", 3.0, 2.5, 30, 40, 1_000, 9_000, killed=True))
    assert {row.case for row in rows} == {"prompt fleet 2 killed"}
    assert [(row.metric, row.value, row.of) for row in rows] == [
        ("makespan", 3.0, 40),
        ("95 %", 2.5, 40),
        ("hits", 75.0, 40),
    ]
