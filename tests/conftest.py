"""What holds for every test.

Owns: the rules no test can opt out of.
Must not know: what any test is about.
"""

from __future__ import annotations

from tests.leaks import leaves_nothing_behind, pytest_runtest_makereport
from tests.servers.fixtures import postgres_dsn, postgres_server, redis_server

__all__ = [
    "leaves_nothing_behind",
    "postgres_dsn",
    "postgres_server",
    "pytest_runtest_makereport",
    "redis_server",
]
