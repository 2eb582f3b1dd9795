"""Journeys are booked once or undone, whatever the services do; and the judge would see it."""

from __future__ import annotations

import pytest

from examples.booking import services
from holdfast.http import http
from holdfast.testing.fake_api import FakeApi
from tests.crash.bookings import Campaign
from tests.unit.worker.rig import on_loop

RUNS = 15


@on_loop
async def test_each_journey_is_booked_once_or_undone(tmp_path):
    """Refusals, lost answers, half bodies, login pages, redirects to private addresses, and a stack that is killed."""
    tally = await Campaign(tmp_path, seed=1, limit=12).run(RUNS, kills=1, bad_days=8, dead_ends=6, drifts=3)
    assert tally.problems == []
    assert tally.booked + tally.undone == RUNS
    assert tally.booked > tally.undone > 0
    assert (tally.kills, tally.changes) == (1, 4)


@pytest.mark.parametrize(
    ("calls", "completed", "problem"),
    [
        (["/rooms", "/rooms", "/flights", "/charges"], True, "are [2, 1, 1, 0]"),
        (["/rooms", "/flights", "/charges", "/cancellations/flights"], True, "/flights was cancelled"),
        (["/rooms"], False, "its /rooms stands"),
        (["/charges", "/charges", "/cancellations/charges"], False, "its /charges stands"),
    ],
)
def test_the_judge_sees_what_is_half_done(tmp_path, calls, completed, problem):
    """Done twice, cancelled although it was booked, or left standing."""
    orders = str(tmp_path / "orders.db")
    services.prepare(orders)
    with FakeApi() as api:
        services.open_services(api)
        http.host(api.host, private=True)
        for number, path in enumerate(calls):
            http.sync.post(f"{api.url}{path}", json={"reference": "j"}, idempotency_key=str(number))
        http.sync.close()
        problems = services.judge(api, orders, ["j"] if completed else [], [] if completed else ["j"])
    assert any(problem in each for each in problems)
