"""A stack goes on from writes that were carried out and reported as failed. All tests so: tests/lost_answers.py.

Of each kind of work one scenario is performed here, on a store that loses far more answers than any in life.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from holdfast.stores import SQLiteStore
from holdfast.testing.conformance.runtime import FOLDER_VARIABLE, SCENARIOS, perform
from tests import lost_answers
from tests.conformance.harness import calm

SHARE = 0.15
NAMES = (
    "a_callback_is_answered_once",
    "a_run_makes_place_for_another",
    "gathered_steps_keep_their_order",
    "mapped_items_come_in_order",
    "signals_arrive_once_and_in_order",
    "steps_run_one_after_another",
    "timers_fire_in_their_order",
    "updates_are_validated_applied_once_and_answered",
)


@pytest.mark.backend("sqlite")
def test_scenarios_come_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a member claimed, wrote or gave back without hearing of it is found again, and done once."""
    lossy = lost_answers.lossy_write(SQLiteStore.write, Random(1), SHARE)
    monkeypatch.setattr(SQLiteStore, "write", lossy)
    before = lost_answers.lost_answers[0]

    async def run() -> None:
        for each in SCENARIOS:
            if each.name in NAMES:
                folder = tmp_path / each.name
                folder.mkdir()
                monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
                async with calm(folder) as harness:
                    await perform(each, harness)

    asyncio.run(run())
    assert lost_answers.lost_answers[0] - before > len(NAMES)
