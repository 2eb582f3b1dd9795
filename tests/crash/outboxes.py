"""Runs that are enqueued and moved by processes that are killed on the way.

Owns: the shop that enqueues, the mover, the places at which they die, and what has to be so in the end.
Must not know: how either works.

    python -m tests.crash.outboxes shop|mover --database ADDRESS --store FILE [--plant BUG]    with HOLDFAST_FAULTS

An order and its run are committed together. In the end every order that was committed has exactly one run, no other run
is there, and the outbox is empty.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from holdfast import Client, enqueue, workflow
from holdfast.app.beside import place_at
from holdfast.testing.faults import FAULTS_VARIABLE, Faults
from holdfast.transactions import Mover
from holdfast.transactions.outbox import DROP, TAKE
from tests.unit.transactions.tellers import settled, teller

ORDERS: Final = 6
"""How many orders a shop writes that is not killed."""


@workflow
async def fulfil(order: int) -> int:
    """Do what an order asks for."""
    return order


class DropsFirst(Mover):
    """The planted bug: what is moved is taken away before it is started."""

    async def _move(self, rows: Sequence[tuple[Any, ...]]) -> int:
        await self._place.ask(DROP, [{"number": each[0]} for each in rows])
        return await super()._move(rows)


async def keep_shop(address: str, first: int) -> None:
    """Write orders from number `first` on, each with its run, each in a transaction of its own."""
    kind = "sqlite3" if address.startswith("sqlite") else "psycopg"
    faults = Faults.armed()
    async with teller(kind, address, Path(address.removeprefix("sqlite:///")).parent, prepared=False) as own:
        for order in range(first, first + ORDERS):
            if kind == "sqlite3":
                own.connection.execute("BEGIN")
            own.connection.execute(f"INSERT INTO orders VALUES ({order})")
            await settled(enqueue(own.connection, fulfil, order, id=f"order-{order}"))
            faults.reach("enqueued")
            own.connection.commit()
            faults.reach("committed")


async def move_once(address: str, store: Path, mover: type[Mover]) -> int:
    """Move everything that is there."""
    async with await Client.connect(f"sqlite:///{store}") as client:
        moving = mover(place_at(address, setting="--database"), client.engine, lambda: 0.0)
        try:
            return await moving.move()
        finally:
            await moving.close()


async def find_problems(address: str, store: Path) -> list[str]:
    """Return what is not as it has to be."""
    place = place_at(address, setting="a test")
    try:
        orders = {f"order-{number}" for (number,) in await place.ask("SELECT number FROM orders")}
        left = await place.ask(TAKE, [{"after": 0, "limit": 1_000}])
    finally:
        await place.close()
    async with await Client.connect(f"sqlite:///{store}") as client:
        records, _ = await client.runs(limit=1_000)
    runs = [each.run_id for each in records]
    problems = [f"{each} was committed and has no run" for each in sorted(orders - set(runs))]
    problems += [f"{each} is a run without an order" for each in sorted(set(runs) - orders)]
    problems += [f"{each} has more than one execution" for each in sorted(set(runs)) if runs.count(each) > 1]
    problems += [f"{each.execution} is a second execution" for each in records if each.execution != each.run_id]
    return problems + [f"{row[1]} is still in the outbox" for row in left]


def run_child(role: str, address: str, store: Path, faults: str = "", *more: str) -> int:
    """Run a shop or a mover until it ends or dies; return how."""
    arguments = (role, "--database", address, "--store", str(store), *more)
    environment = {**os.environ, FAULTS_VARIABLE: faults}
    done = subprocess.run((sys.executable, "-m", "tests.crash.outboxes", *arguments), env=environment, check=False)
    return done.returncode


def main() -> None:
    """Be a shop or a mover."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("shop", "mover"))
    parser.add_argument("--database", required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--plant", choices=("drop-first",))
    arguments = parser.parse_args()
    if arguments.role == "shop":
        asyncio.run(keep_shop(arguments.database, arguments.first))
        return
    place = type(place_at(arguments.database, setting="--database"))
    faults = Faults.armed()
    with ExitStack() as block:
        # One look is: read, start in the store, take away. Each question to the user's database is a place.
        block.enter_context(faults.before(place, "ask", "before-asking"))
        block.enter_context(faults.after(place, "ask", "asked"))
        asyncio.run(move_once(arguments.database, arguments.store, DropsFirst if arguments.plant else Mover))


if __name__ == "__main__":
    main()
