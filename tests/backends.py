"""What a store and a bus are made of: the same tests on each of them.

Owns: which backends there are, which of them a test runs on, and how many tests passed on each.
Must not know: what any test does with a store.

    make test                                           # each test on SQLite, and on one of the others, in turn
    make test ARGS="--backends all"                     # each test on all of them
    make test ARGS="--backends postgres+polling -k ..."
    make test ARGS="--backends pgbouncer+redis ..."     # through a pooler in transaction mode; only where it is named
    make test ARGS="--each-backend"                     # fail where no test passed on one of them, as under CI

A test that asks for the fixture `backend` runs on several. It finds the store by `store_of(folder)`, or by leaving it
to the settings. Tests of other suites say with `@pytest.mark.backend(NAME)` where they run, so that they are counted.
"""

from __future__ import annotations

import asyncio
import os
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from holdfast.app import load_settings, migrate_store
from tests.servers.pgbouncer import Pgbouncer
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis

SQLITE: Final = "sqlite"
OTHERS: Final = ("postgres+redis", "postgres+notify", "postgres+polling")
BACKENDS: Final = (SQLITE, *OTHERS)
POOLED: Final = "pgbouncer+redis"
"""Runs where somebody asks for it: what differs is the store's, whose checks always run through a pooler too."""
SUITES: Final = ("conformance", "controller")
"""What has to pass on each backend: what engines and stores promise, and the Controller as its users meet it."""

STORE_VARIABLE: Final = "HOLDFAST_STORE"
BUS_VARIABLE: Final = "HOLDFAST_BUS"
POLL_VARIABLE: Final = "HOLDFAST_POLL_SECONDS"
POLL_SECONDS: Final = "0.1"
"""So often does a stack look where nothing rings: it has to find work by itself, and a test need not wait for that."""
PROPERTY: Final = "backend"


def store_of(folder: Path | str) -> str:
    """Return the address of the test's store: on its backend, or a file in `folder` where it has none."""
    return os.environ.get(STORE_VARIABLE) or f"sqlite:///{folder}/store.db"


# --- Which of them a test runs on ------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let somebody say on which backends tests run."""
    group = parser.getgroup("holdfast's own tests")
    group.addoption(
        "--backends", default="", metavar="NAMES", help=f"all, or some of {','.join(BACKENDS)}; two in turn by default"
    )
    group.addoption("--each-backend", action="store_true", help="fail where no test passed on one of the backends")


def chosen(wanted: str, test: str) -> tuple[str, ...]:
    """Return the backends on which a test runs: those `wanted`, or SQLite and one that its name decides."""
    if wanted == "all":
        return BACKENDS
    if wanted:
        names = tuple(each.strip() for each in wanted.split(","))
        if unknown := [each for each in names if each not in {*BACKENDS, POOLED}]:
            there = ", ".join((*BACKENDS, POOLED))
            raise pytest.UsageError(f"--backends: there is no {unknown[0]!r}; there are {there}, and all")
        return names
    return SQLITE, OTHERS[zlib.crc32(test.encode()) % len(OTHERS)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for a backend on each that was chosen; `@pytest.mark.only_on(...)` says which it can."""
    given = [name for mark in metafunc.definition.iter_markers("parametrize") for name in mark.args[0]]
    if "backend" not in metafunc.fixturenames or "backend" in given:
        return
    names = chosen(metafunc.config.getoption("backends"), metafunc.definition.nodeid)
    for mark in metafunc.definition.iter_markers("only_on"):
        names = tuple(each for each in names if (OTHERS[0] if each == POOLED else each) in mark.args)
    metafunc.parametrize("backend", names, indirect=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Note on which backend a test runs, for the count; have its servers before anything that belongs to the test."""
    names = [mark.args[0] for mark in item.iter_markers("backend")]
    parameters = getattr(item, "callspec", None)
    if parameters is not None and "backend" in parameters.params:
        names.append(parameters.params["backend"])
    item.user_properties += [(PROPERTY, each) for each in names]
    if isinstance(item, pytest.Function) and "backend" in item.fixturenames:
        engine = parameters.params.get("engine") if parameters is not None else None
        servers = [*getattr(engine, "servers", ())]  # which it needs besides
        servers += ["postgres_template"] * (SQLITE not in names)
        servers += ["redis_server"] * (OTHERS[0] in names or POOLED in names) + ["pgbouncer_server"] * (POOLED in names)
        item.fixturenames = [*servers, *item.fixturenames]


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Postgres) -> str:
    """Return the name of a database with the tables of a store, to be copied."""
    dsn = postgres_server.create_database()
    asyncio.run(migrate_store(load_settings(store=dsn)))
    return dsn.rpartition("/")[2]


@pytest.fixture
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Put an empty store and a bus where settings are read from, unless they are files; return the backend's name."""
    name: str = request.param
    if name == SQLITE:
        yield name  # a file in the test's folder, as everywhere
        return
    monkeypatch.setenv("HOLDFAST_CAPTURE_DIR", str(tmp_path / "captures"))  # beside a file it would be there anyway
    server: Postgres = request.getfixturevalue("postgres_server")
    dsn = server.create_database(request.getfixturevalue("postgres_template"))
    # A crash of the server would lose its last commits; a crash of the program does not.
    store = f"{dsn}?synchronous_commit=off"
    if name == POOLED:
        pooler: Pgbouncer = request.getfixturevalue("pgbouncer_server")
        store = pooler.dsn(store)
    monkeypatch.setenv(STORE_VARIABLE, store)
    match name.partition("+")[2]:
        case "redis":
            bus: Redis = request.getfixturevalue("redis_server")
            monkeypatch.setenv(BUS_VARIABLE, bus.url)
        case "polling":
            monkeypatch.setenv(BUS_VARIABLE, "polling")
            monkeypatch.setenv(POLL_VARIABLE, POLL_SECONDS)
        case _:
            pass  # NOTIFY is what there is without a word
    yield name
    server.drop_database(dsn)


# --- How many passed on each -----------------------------------------------------------------------------------------


def suite_of(nodeid: str) -> str:
    """Return the suite to which a test counts."""
    return SUITES[0] if nodeid.startswith("tests/conformance/") else SUITES[1]


def count_passed(reporter: pytest.TerminalReporter) -> Counter[tuple[str, str]]:
    """Return how many tests passed, for each suite and backend."""
    return Counter(
        (suite_of(report.nodeid), name)
        for report in reporter.stats.get("passed", ())
        for key, name in getattr(report, "user_properties", ())
        if key == PROPERTY
    )


def missing(passed: Counter[tuple[str, str]]) -> list[str]:
    """Return where nothing passed, in words."""
    return [
        f"no test of {suite} passed on {backend}"
        for suite in SUITES
        for backend in BACKENDS
        if not passed[suite, backend]
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where nothing passed on a backend, if that is asked for."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.getoption("each_backend") and reporter is not None and missing(count_passed(reporter)):
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


def print_passed(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the counts where every backend has to have some, or some were chosen."""
    if not config.getoption("each_backend") and not config.getoption("backends"):
        return
    passed = count_passed(reporter)
    reporter.section("tests that passed, by backend")
    names = dict.fromkeys([*BACKENDS, *(name for _, name in sorted(passed))])
    for name in names:
        reporter.write_line(f"{name:18}" + "  ".join(f"{suite} {passed[suite, name]:5}" for suite in SUITES))
    if config.getoption("each_backend"):
        for words in missing(passed):
            reporter.write_line(words, red=True)
