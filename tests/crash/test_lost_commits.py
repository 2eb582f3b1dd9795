"""An answer to COMMIT that is lost costs nothing but time. The long form: `python -m tests.crash.lost_commits`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.crash.lost_commits import hold
from tests.servers.postgres import Postgres

RUNS, SHARE = 200, 0.1


def test_nothing_is_lost_and_nothing_is_done_twice(postgres_server: Postgres, tmp_path: Path) -> None:
    """Runs, pages, effects."""
    account = asyncio.run(hold(postgres_server, tmp_path, runs=RUNS, share=SHARE, seed=3))
    assert account.problems == []
    assert account.swallowed > 5
