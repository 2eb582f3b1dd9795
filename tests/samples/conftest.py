"""Servers that samples run on, there before anything that belongs to a test.

Owns: which engine needs which.
Must not know: samples.
"""

from __future__ import annotations

import pytest

SERVERS = {"postgres": ["postgres_server", "postgres_template"], "temporal": ["temporal_server"]}
"""Fixtures of each engine."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Have the servers of the test's engine first."""
    parameters = getattr(item, "callspec", None)
    if isinstance(item, pytest.Function) and parameters is not None and "where" in parameters.params:
        item.fixturenames = [*SERVERS.get(parameters.params["where"].partition("-")[0], []), *item.fixturenames]
