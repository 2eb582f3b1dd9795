"""What holds for every test.

Owns: the rules no test can opt out of.
Must not know: what any test is about.
"""

from __future__ import annotations

from tests.bytecode import pytest_collection_finish, pytest_sessionstart
from tests.cores import pytest_xdist_auto_num_workers
from tests.leaks import leaves_nothing_behind, pytest_runtest_makereport
from tests.servers.fixtures import postgres_dsn, postgres_server, redis_server
from tests.spent import pytest_terminal_summary

__all__ = [
    "leaves_nothing_behind",
    "postgres_dsn",
    "postgres_server",
    "pytest_collection_finish",
    "pytest_runtest_makereport",
    "pytest_sessionstart",
    "pytest_terminal_summary",
    "pytest_xdist_auto_num_workers",
    "redis_server",
]
