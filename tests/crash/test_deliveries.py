"""Controllers that die in the middle of commits lose no delivery or start, double none, and the checks would see it."""

from __future__ import annotations

from tests.crash.deliveries import BOUNDARIES, campaign
from tests.unit.controller.rig import on_loop


@on_loop
async def test_deliveries_survive_controllers_that_die(tmp_path):
    """Two controllers, killed at each boundary of a commit: one run and one answer for each that was sent.

    Also for a start with an Idempotency-Key whose answer is lost, and that is asked for again.
    """
    kills, problems = await campaign(tmp_path, 24, visits=2, kills=5)
    assert problems == []
    assert kills.keys() == set(BOUNDARIES)


@on_loop
async def test_a_start_that_is_noted_in_a_second_commit_is_seen(tmp_path):
    """The planted bug starts a run in one commit and notes the delivery in the next: a kill between them doubles it."""
    kills, problems = await campaign(tmp_path, 12, visits=2, kills=4, plant="two_commits", starts_too=False)
    assert sum(kills.values()) > 1
    assert any("12 were taken, and there are" in each for each in problems), problems
