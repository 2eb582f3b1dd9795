"""What a lock protects is changed by one at a time, though holders are stopped and killed; the checker would see it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.crash.linearizability import NEVER, Swap, check
from tests.crash.locks import campaign


def test_swaps_under_a_lock_are_linearizable(tmp_path: Path) -> None:
    """Clients that are stopped come back as zombies, and are refused; those that are killed lose nothing."""
    report = asyncio.run(
        campaign(tmp_path, clients=3, operations=40, seed=3, stop_every=16, kill_every=40, lease_seconds=0.5)
    )
    assert report.verdict.linearizable, report
    assert report.swaps >= 40
    assert report.refused, "no zombie wrote: the test is too short to show anything"
    assert report.killed


def test_without_fencing_a_zombie_is_seen(tmp_path: Path) -> None:
    """The register takes what zombies write: the same checker says that no order explains it."""
    report = asyncio.run(
        campaign(tmp_path, clients=3, operations=20, stop_every=8, kill_every=0, lease_seconds=0.5, fencing=False)
    )
    assert not report.verdict.linearizable, report
    assert report.verdict.stuck


@pytest.mark.parametrize(
    ("swaps", "linearizable"),
    [
        ([], True),
        ([(0, 1, 0, 1), (2, 3, 1, 2)], True),
        ([(0, 1, 1, 2), (0, 2, 0, 1)], True),  # both under way at once
        ([(0, 1, 1, 2), (2, 3, 0, 1)], False),  # the second was called when the first had its answer
        ([(0, 1, 0, 1), (2, 3, 0, 2)], False),  # both found the same
        ([(0, 5, 0, 1), (1, 4, 0, 2)], False),
        ([(0, NEVER, 0, 1), (2, 3, 0, 2)], True),  # nobody knows that it happened
        ([(0, NEVER, 0, 1), (2, 3, 1, 2)], True),  # the next one found it
        ([(0, NEVER, 2, 3), (1, 2, 0, 1), (3, 4, 1, 2), (9, 10, 3, 4)], True),  # it happened late
        ([(5, NEVER, 0, 1), (2, 3, 1, 2)], False),  # not before it was called
        ([(0, NEVER, 0, 1), (0, NEVER, 0, 2), (0, 9, 2, 3)], True),  # one of two: the search goes back
    ],
)
def test_an_order_is_found_where_there_is_one(swaps: list[tuple[float, float, int, int]], linearizable: bool) -> None:
    """Each history is judged as its definition says."""
    assert check([Swap(*each) for each in swaps]).linearizable is linearizable


def test_a_long_history_is_judged_quickly() -> None:
    """Many overlapping operations, and some that nobody knows of."""
    swaps = [Swap(n - 5.0, n + 5.0 if n % 50 else NEVER, n, n + 1) for n in range(5_000)]
    assert check(swaps).linearizable
    swaps[2_500] = Swap(2_495.0, 2_505.0, 7, 2_501)
    verdict = check(swaps)
    assert (verdict.linearizable, verdict.explained) == (False, 2_500)
