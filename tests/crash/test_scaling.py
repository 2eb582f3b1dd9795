"""Workers come and go in the middle of a fan-out. The long form: `python -m tests.crash.scaling`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.crash.scaling import Report, campaign


def test_workers_are_added_and_removed_under_load(tmp_path: Path) -> None:
    """Everything is done, nothing again because a worker was told to end."""
    report = asyncio.run(campaign(tmp_path, f"sqlite:///{tmp_path}/store.db", plan=(1, 2, 1), seconds=0.2, shelf=100))
    assert report.right, report
    assert report.repeated == 0, report


def test_what_must_not_be_is_said() -> None:
    """A wrong sum, items done again, workers that make no difference."""
    assert Report(8, right=True, repeated=0, per_second=((1, 8.0), (2, 15.0), (1, 9.0))).problems == []
    assert len(Report(8, right=False, repeated=2, per_second=((1, 8.0), (2, 8.0))).problems) == 3
