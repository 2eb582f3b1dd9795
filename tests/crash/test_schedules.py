"""Two controllers, killed at every boundary of a commit: each due time is one run, and none is early."""

from __future__ import annotations

import pytest

from tests.crash.schedules import BUGS, Campaign


def test_each_due_time_is_one_run_whoever_is_killed(tmp_path):
    """A few kills of either controller, within commits and from outside."""
    tally = Campaign(tmp_path, seed=3).run(2)
    assert tally.problems == []
    assert sum(tally.kills.values()) == 4
    assert min(tally.runs.values()) > 2


@pytest.mark.parametrize("bug", sorted(BUGS))
def test_planted_bugs_are_seen(tmp_path, bug):
    """The checks above find a step that is taken twice, one that is early, and one that is noted and not done."""
    assert Campaign(tmp_path, seed=3, plant=bug).run(1).problems
