"""A fleet on PostgreSQL and Redis comes through storms with everything exact. Longer: `python -m tests.chaos`."""

from __future__ import annotations

import asyncio
import faulthandler

import pytest

from tests.chaos.campaign import hold_campaign
from tests.programs import go_without_program, require_program, under_ci
from tests.servers import postgres, redis

SHORT_MINUTES, CI_MINUTES = 0.4, 3.0
RUNS_A_MINUTE = 400
HANGS_SECONDS = 600


@pytest.fixture(autouse=True)
def _programs() -> None:
    if postgres.find_programs() is None:
        go_without_program("postgres", postgres.INSTALL)
    require_program(redis.PROGRAM, redis.INSTALL)


def test_everything_is_exact_after_a_storm() -> None:
    """Every run has its result, every effect was had once, nothing is left in a queue."""
    minutes = CI_MINUTES if under_ci() else SHORT_MINUTES
    faulthandler.dump_traceback_later(
        HANGS_SECONDS, exit=True
    )  # later than for other tests: this one is long on purpose
    account = asyncio.run(hold_campaign(11, runs=int(RUNS_A_MINUTE * minutes), minutes=minutes))
    assert account.problems == []
    assert account.storms.total() > 0
    assert account.signals == 2 * account.runs


@pytest.mark.parametrize("plant", ["keyless", "deaf"])
def test_a_planted_bug_is_seen(plant: str) -> None:
    """The account can be wrong: an effect under another key, a signal that was forgotten."""
    account = asyncio.run(hold_campaign(1, runs=20, minutes=0.05, plant=plant))
    assert account.problems != []
