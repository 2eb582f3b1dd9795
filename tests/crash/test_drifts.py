"""Runs without a type for it survive a host that changes, under one report; and where nothing is learned it is seen."""

from __future__ import annotations

from holdfast.http import http
from tests.crash.drifts import run
from tests.unit.worker.rig import on_loop

RUNS = 44


@on_loop
async def test_all_go_on_by_a_mapping_that_is_proven(tmp_path):
    """Those in flight are touched at most, the others are parked; in the end each has booked once."""
    tally = await run(tmp_path, RUNS, learn_from=3)
    http.sync.close()
    assert tally.problems == []
    assert (tally.completed, tally.bookings, tally.reports) == (RUNS, RUNS, 1)
    assert tally.parked >= tally.touched > 0


@on_loop
async def test_the_judge_sees_that_nobody_noticed(tmp_path):
    """Without a contract half of the nights are booked for a text."""
    tally = await run(tmp_path, 4, contract=None)
    http.sync.close()
    assert "there are 0 reports of one change" in tally.problems
