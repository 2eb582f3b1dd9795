"""DBOS Transact on PostgreSQL, doing what the product does in `benchmarks/ours/in_process.py`.

    python benchmarks/peers/dbos_fleet.py in_process --folder FOLDER --parameters JSON

Owns: the case in the peer's own idiom; prints the samples as JSON.
Must not know: the product, how often a case is repeated.

The workflow is that of `dbos_embedded`, and so is how it is called: asyncio tasks, `at_once` at a time. The pool has a
connection for each of them.
"""

import argparse
import asyncio
import json
from pathlib import Path

from dbos_embedded import close_dbos, launch_dbos, many
from samples import sample


async def in_process(store, runs, steps, rounds, at_once):
    """Run `runs` runs, `at_once` at a time, `rounds` times, after a small round to warm up."""
    launch_dbos(store, sys_db_pool_size=at_once)
    rates, costs = await many(runs, steps, rounds, at_once)
    return [rates, sample("runs", "runs/s", [each / steps for each in rates["values"]], runs), costs]


def main():
    """Carry out the case that the command line names."""
    parser = argparse.ArgumentParser(prog="dbos_fleet.py")
    parser.add_argument("case", choices=("in_process",))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--parameters", type=json.loads, default={})
    given = parser.parse_args()
    samples = asyncio.run(in_process(**given.parameters))
    print(json.dumps({"samples": samples}), flush=True)
    close_dbos()


if __name__ == "__main__":
    main()
