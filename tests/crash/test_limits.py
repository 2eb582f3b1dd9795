"""Rates and limits hold as receivers see them, though workers are killed; the campaign would see it if they did not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.crash import limits
from tests.crash.limits import AMOUNT, PLACES, Watch, campaign, most_within


def test_limits_hold_while_workers_are_killed(tmp_path: Path) -> None:
    """Never more within a second, never more at once, no place lost: counted where things arrive."""
    report = asyncio.run(campaign(tmp_path, workers=2, sends=150, stays=40, kill_every=10, kills_max=1))
    assert report.problems == (), report
    assert report.killed
    assert (report.most_at_once, report.most_in_a_second > AMOUNT / 2) == (PLACES, True)


def test_a_rate_that_forgets_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its limits the same work arrives all at once, and the receivers say so."""
    for each in (limits.send, limits.stay):
        monkeypatch.setattr(each, "task_options", limits.send.options(rate=None).task_options)
    report = asyncio.run(campaign(tmp_path, workers=1, sends=150, stays=20, kill_every=0))
    assert any("datagrams arrived within a second" in each for each in report.problems), report
    assert any("were there at once" in each for each in report.problems), report


def test_what_must_not_be_is_noted() -> None:
    """More places than there are; a place that stays free while somebody waits."""
    watch = Watch()
    watch.judge(PLACES + 1, 0)
    for _ in range(30):
        watch.judge(PLACES - 1, 1)
    assert [each[:20] for each in dict.fromkeys(watch.problems)] == ["6 of 5 places were h", "1 places were free w"]


def test_the_fullest_window_is_found() -> None:
    """Wherever it begins, with its first moment and without its last."""
    assert most_within([], 1.0) == 0
    assert most_within([0.0, 0.5, 0.9, 1.0, 1.4], 1.0) == 4
    assert most_within([3.0, 1.0, 2.0], 1.0) == 1
