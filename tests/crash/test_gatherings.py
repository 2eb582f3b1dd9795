"""Two controllers, killed at every boundary of a commit: each event that gathers is in exactly one run."""

from __future__ import annotations

import pytest

from tests.crash.gatherings import BUGS, campaign
from tests.crash.schedules import PLACES


def test_each_event_is_in_one_run_whoever_is_killed(tmp_path):
    """A few kills of both, while both add the same events."""
    kills, problems = campaign(tmp_path, events=40, kills=4)
    assert problems == []
    assert kills.keys() == set(PLACES)


@pytest.mark.parametrize("bug", sorted(BUGS))
def test_planted_bugs_are_seen(tmp_path, bug):
    """The check above finds a run that begins twice, and an event that is added twice."""
    _, problems = campaign(tmp_path, events=24, kills=4, plant=bug)
    assert any("runs" in each for each in problems)
