"""A stack that is killed again and again loses nothing and does nothing twice; and the checks would see it."""

from __future__ import annotations

import pytest

from tests.crash import test_zombies
from tests.crash.freezes import FreezeCampaign
from tests.crash.kills import Campaign
from tests.crash.planted import BUGS
from tests.unit.worker.rig import on_loop

KILLS = 6
RUNS = 140
CAMPAIGNS_MAX = 4


@on_loop
async def test_kills_at_every_kind_of_place(tmp_path):
    """However a stack dies, each run ends as it should, each effect happens once, and nothing acknowledged is lost."""
    tally = await Campaign(tmp_path, seed=1).run(KILLS, RUNS)
    assert tally.problems == []
    assert sum(tally.kills.values()) == KILLS
    assert tally.kinds.keys() >= {"drain", "commit", "effect"}


@pytest.mark.parametrize(
    ("bug", "shapes", "runs", "seen"),
    [
        ("apply_before_commit", ("sequence",), 30, "was asked for with several payloads"),
        ("new_key_for_another_attempt", ("mixed",), 10, "applied but not expected ['apply_twice#1~2']"),
        ("acknowledge_before_durable", ("collect",), 60, "was acknowledged and is lost"),
        ("early_timers", ("naps",), 20, " lasted 0."),
    ],
)
@on_loop
async def test_a_planted_bug_is_seen(tmp_path, bug, shapes, runs, seen):
    """Each check finds the bug that was planted for it, mostly at once: no kill is sure to hit where a bug shows."""
    soon = {"drain": 150, "commit": 20, "effect": 60}
    problems = []
    for seed in range(1, CAMPAIGNS_MAX + 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        tally = await Campaign(folder, seed=seed, plant=bug, visits_max=soon).run(3, runs, only=shapes, stuck=10)
        problems += tally.problems
        if any(seen in problem for problem in problems):
            return
    pytest.fail(f"nobody said {seen!r}: {problems}")


def test_every_bug_is_planted_somewhere():
    """No planted bug is forgotten."""
    (here,) = test_a_planted_bug_is_seen.pytestmark
    (there,) = test_zombies.test_no_outcome_comes_from_a_zombie.pytestmark
    assert {case[0] for case in here.args[1]} | {*there.args[1]} - {""} == set(BUGS)


@on_loop
async def test_a_zombie_changes_nothing(tmp_path):
    """A stack that is frozen again and again, while another has its work, neither loses nor doubles anything."""
    tally = await FreezeCampaign(tmp_path, seed=1, lease=2.0).freeze(4, 60)
    assert tally.problems == []
    assert sum(tally.kills.values()) >= 4
