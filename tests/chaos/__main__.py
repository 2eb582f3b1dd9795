"""Hold a campaign against a fleet on PostgreSQL and Redis of its own.

    python -m tests.chaos --minutes 10 --seed 7 [--runs 5000] [--no-redis] [--plant BUG] [--folder FOLDER] [--json FILE]

Exit status 1 says that something was lost, doubled, wrong or stuck.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
from pathlib import Path

from tests.chaos.campaign import Account, Campaign, hold_campaign


async def _hold(arguments: argparse.Namespace) -> Account:
    options = {
        "runs": arguments.runs,
        "minutes": arguments.minutes,
        "with_redis": not arguments.no_redis,
        "plant": arguments.plant,
    }
    if arguments.folder is None:
        return await hold_campaign(arguments.seed, **options)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    return await Campaign(arguments.seed, **options).run(arguments.folder)


def main() -> None:
    """Run one campaign, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=5_000)
    parser.add_argument("--no-redis", action="store_true", help="ring by NOTIFY")
    parser.add_argument("--plant", default="", help="a bug that has to be seen: keyless, deaf")
    parser.add_argument("--folder", type=Path, help="kept; a temporary one by default")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    held = asyncio.run(_hold(arguments))
    account = {each.name: getattr(held, each.name) for each in dataclasses.fields(held)}
    for name, value in account.items():
        print(f"{name:20} {dict(value) if isinstance(value, dict) else value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(account, indent=2) + "\n", encoding="utf-8")
    sys.exit(1 if account["problems"] else 0)


if __name__ == "__main__":
    main()
