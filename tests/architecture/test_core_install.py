"""The core stays light: few distributions, few megabytes, a quick import that brings no server."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys

import pytest

from tests.distributions import installed_requires, walk

DISTRIBUTIONS_MAX = 40
INSTALLED_BYTES_MAX = 70 * 1024 * 1024
IMPORT_SECONDS_MAX = 0.2
IMPORT_TRIES = 5

HEAVY = {"fastapi", "starlette", "uvicorn", "typer"}

TERMINAL = {"pygments", "rich", "structlog"}
SERVER = {"fastapi", "httpcore", "httpx", "starlette", "typer", "uvicorn"}
API = {"cronsim", "holdfast.controller.schedules", "holdfast.controller.service", "holdfast.controller.webhooks"}
REPLAYER = {"holdfast.replay.deploy_check", "holdfast.replay.replayer"}
WITHOUT = {
    "holdfast.stores.beat": SERVER | TERMINAL | {"cryptography", "holdfast.authoring", "holdfast.engine", "pydantic"},
    "holdfast.app.keeper": SERVER | TERMINAL | {"cryptography", "holdfast.authoring", "holdfast.engine", "pydantic"},
    "holdfast.app.holdfast": SERVER | TERMINAL | {"holdfast.controller", "holdfast.orchestrator", "holdfast.replay"},
    "holdfast.app.member": SERVER | TERMINAL | API | REPLAYER,
}
"""What sidecar, keeper, client and member are, and what each of them goes without."""

IMPORT = """
import json, sys, time
start = time.perf_counter()
import MODULE
print(json.dumps([time.perf_counter() - start, sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def core() -> set[str]:
    """Return the distributions that `pip install holdfast` brings."""
    return walk("holdfast", installed_requires)


def test_core_is_few_distributions(core: set[str]) -> None:
    """The core brings at most 40 distributions, itself included."""
    assert "msgspec" in core
    assert len(core) + 1 <= DISTRIBUTIONS_MAX, sorted(core)


def test_core_is_small(core: set[str]) -> None:
    """The core's dependencies take at most 70 MB installed."""
    sizes = {name: sum(each.size or 0 for each in importlib.metadata.files(name) or []) for name in core}
    assert sum(sizes.values()) <= INSTALLED_BYTES_MAX, sorted(sizes.items(), key=lambda item: -item[1])


def test_walk_follows_markers_and_extras() -> None:
    """The walk takes the extras that are asked for and leaves out what another platform or an unasked extra needs."""
    declared = {
        "top": ["a[fast]>=1", "b; sys_platform == 'nowhere'", "c; extra == 'more'"],
        "a": ["d; extra == 'fast'", "e; extra == 'slow'", "f"],
        "f": ["top"],
    }
    assert walk("top", lambda name: declared.get(name, [])) == {"a", "d", "f"}


def imported(module: str) -> tuple[float, list[str]]:
    """Import a module in a fresh interpreter; return the seconds that took, and all modules that are there then."""
    code = IMPORT.replace("MODULE", module)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, modules = json.loads(ended.stdout)
    return seconds, modules


@pytest.mark.parametrize("module", WITHOUT)
def test_a_process_loads_only_what_it_is_for(module: str) -> None:
    """Members, the sidecar beside each, clients and the keepers of scripts load no more than they need."""
    _, modules = imported(module)
    assert WITHOUT[module] & set(modules) == set()


def test_import_is_quick_and_brings_no_server() -> None:
    """`import holdfast` in a fresh interpreter takes under 200 ms and imports no web or command-line framework."""
    best = float("inf")
    for _ in range(IMPORT_TRIES):
        seconds, modules = imported("holdfast")
        assert HEAVY.isdisjoint(modules)
        best = min(best, seconds)
        if best < IMPORT_SECONDS_MAX:
            break
    assert best < IMPORT_SECONDS_MAX
