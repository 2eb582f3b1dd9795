"""Measure a fleet on PostgreSQL and Redis, next to its peers on the same servers: `python -m benchmarks.fleet`.

    python -m benchmarks.fleet [--quick] [--json FILE] [--only CASE] [--folder FOLDER]

Owns: the servers, and what everybody who is measured has of them.
Must not know: how any case is carried out.

Everything runs on the same two cores: servers, orchestrators, workers, whoever starts the work. The servers are started
for the occasion, with POSTGRES and Redis's own settings, the same for everybody; each measurement has a fresh database.

Peers take part when HOLDFAST_PEERS_PYTHON names a Python that has them; `make bench` sees to that.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.cases import DBOS, Case, Parameters
from benchmarks.embedded import PERSISTENT, QUICK_SYNCS
from benchmarks.fleet_cases import BUS, FLEET_CASES, NOTIFY, POLLING, PROCRASTINATE, STORE, TASKIQ, WANTED
from benchmarks.machine import describe_machine
from benchmarks.report import make_report, tell, tell_beginning, write
from benchmarks.rows import OURS, Sample
from benchmarks.subject import PEERS_PYTHON, ROOT, Subject
from benchmarks.turns import take_turns
from tests.servers import postgres, redis
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

CORES: Final = 2

POSTGRES: Final[Mapping[str, str]] = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",  # so that no measurement pays for the checkpoint of another
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "none",  # but where statements are counted
}
"""On top of `tests.servers.postgres.SETTINGS`. The rest is as PostgreSQL comes: fsync and synchronous_commit are on."""

COUNTED: Final = "ALTER DATABASE \"{}\" SET pg_stat_statements.track = 'top'"

DURABILITY: Final = (
    "PostgreSQL: fsync and synchronous_commit on, everybody's commits wait for the disk;",
    "      " + ", ".join(f"{name} {value}" for name, value in POSTGRES.items() if "pg_stat" not in value + name) + ".",
    "Redis: nothing on disk. holdfast only rings by it; taskiq keeps its queue and its results there, not durably.",
    "holdfast, holdfast-notify, holdfast-polling: the same, with Redis, with PostgreSQL's NOTIFY, with neither.",
)


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers of one run of benchmarks."""

    postgres: Postgres
    redis: Redis

    @contextmanager
    def lent(self, case: Case, system: str) -> Iterator[dict[str, str]]:
        """Give what a system has to be told for a case: a fresh database, and what to ring by."""
        dsn = self.postgres.create_database()
        if case.name == "idle":
            self.postgres.run(COUNTED.format(dsn.rpartition("/")[2]))
        bus = {NOTIFY: "auto", POLLING: "polling"}.get(system, self.redis.url)
        try:
            yield {name: value for name, value in {STORE: dsn, BUS: bus}.items() if name in WANTED[system]}
        finally:
            self.postgres.drop_database(dsn)


def subjects() -> Sequence[Subject]:
    """Return the systems that can be measured here: the product, and its peers if they are installed."""
    ours = (sys.executable, "-m", "benchmarks.ours")
    found = [Subject(name, ours) for name in (OURS, NOTIFY, POLLING)]
    python = os.environ.get(PEERS_PYTHON)
    if python:
        path = str(ROOT / python) if os.sep in python else python
        files = {DBOS: "dbos_fleet.py", PROCRASTINATE: "procrastinate_fleet.py", TASKIQ: "taskiq_fleet.py"}
        found += [Subject(name, (path, str(ROOT / "benchmarks/peers" / file))) for name, file in files.items()]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell, and write; return how many measurements failed."""
    given = _parser().parse_args(arguments)
    if missing := _missing():
        print(f"The fleet is not measured, for its servers are not installed: {' && '.join(missing)}", file=sys.stderr)
        return 0
    cases = [case for case in FLEET_CASES if not given.only or case.name in given.only]
    systems = [each for each in subjects() if not given.system or each.name in given.system]
    folder = given.folder or (PERSISTENT if PERSISTENT.is_dir() else None)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])  # for all that is started from here, too
    with tempfile.TemporaryDirectory(dir=folder, prefix="holdfast-benchmarks-") as base:
        machine = describe_machine(Path(base), *([QUICK_SYNCS] if given.quick else []))
        tell_beginning(machine, DURABILITY, peers=any(each.name == DBOS for each in subjects()))
        with _servers(folder) as servers:

            def carry_out(case: Case, system: Subject, parameters: Parameters) -> Sequence[Sample]:
                with servers.lent(case, system.name) as lent:
                    return system.measure(case.name, {**parameters, **lent}, Path(base))

            samples, failures = take_turns(cases, systems, carry_out, quick=given.quick, repeats=given.repeats)
    report = make_report(machine, DURABILITY, samples, failures, quick=given.quick)
    tell(report, cases)
    write(report, given.json)
    for failure in failures:
        print(f"\nFAILED {failure}", file=sys.stderr)
    return len(failures)


def _missing() -> list[str]:
    """Return the commands that install what is not there."""
    found = {postgres.INSTALL: postgres.find_programs(), redis.INSTALL: shutil.which(redis.PROGRAM)}
    return [install for install, program in found.items() if program is None]


@contextmanager
def _servers(folder: Path | None) -> Iterator[Servers]:
    """Run the servers on the disk of `folder`: a temporary folder in memory would make every commit free."""
    usual = tempfile.tempdir
    tempfile.tempdir = None if folder is None else str(folder)
    try:
        with Postgres(POSTGRES) as first, Redis() as second:
            yield Servers(first, second)
    finally:
        tempfile.tempdir = usual


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet")
    names = [case.name for case in FLEET_CASES]
    parser.add_argument("--quick", action="store_true", help="a smoke test: few of everything, once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there")
    parser.add_argument("--only", choices=names, action="append", metavar="CASE", help=f"one of {', '.join(names)}")
    parser.add_argument("--system", choices=WANTED, action="append", metavar="SYSTEM", help="measure only this one")
    parser.add_argument("--repeats", type=int, metavar="N", help="how often systems take turns, instead of each case's")
    parser.add_argument(
        "--folder", type=Path, help="measure on the disk of this folder, which everybody may enter, instead of /var/tmp"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
