"""What holds for every test.

Owns: the rules no test can opt out of.
Must not know: what any test is about.
"""

from __future__ import annotations

import pytest

from tests import backends, lost_answers, spent
from tests.backends import (
    backend,
    postgres_template,
    pytest_generate_tests,
    pytest_itemcollected,
    pytest_sessionfinish,
)
from tests.bytecode import pytest_collection_finish, pytest_sessionstart
from tests.cores import pytest_xdist_auto_num_workers
from tests.leaks import leaves_nothing_behind, pytest_runtest_makereport
from tests.lost_answers import pytest_configure, pytest_runtest_setup, pytest_runtest_teardown
from tests.servers.fixtures import pgbouncer_server, postgres_dsn, postgres_server, redis_server, temporal_server

__all__ = [
    "backend",
    "leaves_nothing_behind",
    "pgbouncer_server",
    "postgres_dsn",
    "postgres_server",
    "postgres_template",
    "pytest_addoption",
    "pytest_collection_finish",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_itemcollected",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "pytest_runtest_teardown",
    "pytest_sessionfinish",
    "pytest_sessionstart",
    "pytest_terminal_summary",
    "pytest_xdist_auto_num_workers",
    "redis_server",
    "temporal_server",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let somebody say what tests run on, and what happens to them there."""
    backends.pytest_addoption(parser)
    lost_answers.pytest_addoption(parser)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was asked for about all tests together."""
    spent.print_seconds(terminalreporter, config)
    backends.print_passed(terminalreporter, config)
    lost_answers.print_lost(terminalreporter, config)
