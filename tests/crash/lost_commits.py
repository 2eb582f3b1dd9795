"""Runs on a server whose answers to COMMIT are lost now and then: nothing is lost with them, and nothing is done twice.

Owns: the runs, the losses, and the account.
Must not know: how a store finds out what became of a commit.

    python -m tests.crash.lost_commits --runs 2000 --share 0.05 --seed 7
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import asyncpg

from holdfast import Holdfast, Retry, task, task_info, workflow
from holdfast.stores import migrate
from holdfast.testing.receiver import Receiver
from tests.servers.postgres import Postgres
from tests.servers.proxy import Fate, Proxy

BATCH = 20
_receivers: list[Receiver] = []


@task(retry=Retry(attempts=5, initial="10ms"))
async def add(number: int) -> int:
    """Have an effect."""
    info = task_info()
    _receivers[-1].apply(info.idempotency_key, str(number), info.attempt, info.fencing_token)
    return number + 1


@workflow
async def twice(number: int) -> int:
    """Have two effects, one after the other."""
    return await add(await add(number))


@dataclass(slots=True)
class Account:
    """What came of it."""

    runs: int = 0
    swallowed: int = 0
    """Commits that went through, and whose answers were lost."""
    lost: int = 0
    """Commits that did not get there."""
    repeated: int = 0
    """Requests to the receiver for keys it had seen."""
    problems: list[str] = field(default_factory=list)


async def hold(server: Postgres, folder: Path, *, runs: int, share: float, seed: int) -> Account:
    """Do `runs` runs while `share` of the commits lose their answer, and some never get there; say what came of it."""
    dsn = server.create_database()
    await migrate(dsn)
    draw = Random(f"lost commits {seed}")

    def cast() -> Fate:
        found = draw.random()
        return Fate.SWALLOW if found < share else Fate.LOSE if found < share * 1.2 else Fate.PASS

    receiver = Receiver(folder)
    _receivers.append(receiver)
    account = Account()
    try:
        async with Proxy("127.0.0.1", server.port, cast) as proxy:
            head, _, tail = dsn.rpartition("@")
            behind = f"{head}@127.0.0.1:{proxy.port}/{tail.partition('/')[2]}"
            async with Holdfast(definitions=[twice, add], store=behind, bus="polling", poll_seconds=0.1) as app:
                for first in range(0, runs, BATCH):
                    inputs = [(f"r{number}", number) for number in range(first, min(first + BATCH, runs))]
                    handles = await app.client.start_many(twice, inputs)
                    for (run_id, number), handle in zip(inputs, handles, strict=True):
                        found = await handle.result()
                        account.runs += 1
                        if found != number + 2:
                            account.problems.append(f"{run_id} came to {found}, not {number + 2}")
            account.swallowed, account.lost = proxy.counts[Fate.SWALLOW], proxy.counts[Fate.LOSE]
        await _check(dsn, runs, account)
        _check_effects(receiver, runs, account)
    finally:
        _receivers.pop()
        server.drop_database(dsn)
    return account


async def _check(dsn: str, runs: int, account: Account) -> None:
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "holdfast"})
    try:
        rows = await connection.fetch("SELECT status, count(*), count(DISTINCT run_id) FROM executions GROUP BY status")
        if [tuple(row) for row in rows] != [("COMPLETED", runs, runs)]:
            account.problems.append(f"executions in the store: {[tuple(row) for row in rows]}")
        if doubled := await connection.fetchval(
            "SELECT count(*) FROM (SELECT FROM events GROUP BY execution, first HAVING count(*) > 1) AS twice"
        ):
            account.problems.append(f"{doubled} pages are there twice")
        # Nobody lost a lease: whoever was refused had been told that something did not happen which had.
        if refused := await connection.fetchval("SELECT sum(refused)::int FROM members"):
            account.problems.append(f"{refused} writes were refused")
    finally:
        await connection.close()


def _check_effects(receiver: Receiver, runs: int, account: Account) -> None:
    requests, applied = receiver.requests(), receiver.applied()
    account.repeated = len(requests) - len({each.key for each in requests})
    wanted = {f"r{number}/add#{place}": str(number + place - 1) for number in range(runs) for place in (1, 2)}
    if applied != wanted:
        account.problems.append(f"effects: {len(applied)} instead of {len(wanted)}, or with other contents")


def main() -> None:
    """Do it once, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="holdfast-lost-commits-") as folder, Postgres() as server:
        account = asyncio.run(
            hold(server, Path(folder), runs=arguments.runs, share=arguments.share, seed=arguments.seed)
        )
    print(account)
    sys.exit(1 if account.problems else 0)


if __name__ == "__main__":
    main()
