"""Where the CPU time of a step goes, package by package.

Owns: the case `profile`: the case `throughput` under the profiler, and which function belongs to whom.
Must not know: how the product works.

The profiler makes every call of Python code dearer than it is, so packages of many small functions look bigger than
they are, and work inside a library smaller. Shares are good for finding what to look at, not for accounting.
"""

from __future__ import annotations

import cProfile
import pstats
import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import holdfast
from benchmarks.automations import sequence
from benchmarks.ours.stage import finish, stack
from benchmarks.rows import Sample

TOP: Final = 40
"""How many functions are named."""

LIBRARIES: Final = {"apsw": "SQLite", "_hashlib": "hash", "_blake2": "hash", "msgspec": "msgspec", "posix": "system"}
"""Modules written in C that are named for what they do; other C functions count for whoever calls them."""

Function = tuple[str, int, str]


async def measure(folder: Path, *, runs: int, steps: int) -> list[Sample]:
    """Profile one round after a warm one; say each package's share of the time, and the functions that took most."""
    profile = cProfile.Profile()
    async with stack(folder) as app:
        await finish(await app.client.start_many(sequence, [(None, steps)] * runs))
        profile.enable()
        await finish(await app.client.start_many(sequence, [(None, steps)] * runs))
        profile.disable()
    stats: dict[Function, tuple[int, int, float, float, dict[Any, Any]]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    # Waiting for events is no work.
    stats = {function: row for function, row in stats.items() if "select.epoll" not in function[2]}
    packages: defaultdict[str, float] = defaultdict(float)
    functions: defaultdict[str, float] = defaultdict(float)
    for function, (_, _, own, _, callers) in stats.items():
        functions[_name(function)] += own
        for package, seconds in _owners(function, own, callers).items():
            packages[package] += seconds
    total = sum(functions.values())
    shares = [("package", _greatest(packages)), ("function", _greatest(functions)[:TOP])]
    return [
        Sample(f"{kind} {name}", "%", (seconds / total * 100,), runs * steps)
        for kind, counted in shares
        for name, seconds in counted
    ]


def _greatest(seconds: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(seconds.items(), key=itemgetter(1), reverse=True)


def _owners(function: Function, own: float, callers: dict[Function, tuple[int, int, float, float]]) -> dict[str, float]:
    """Say to which packages a function's own time belongs."""
    if function[0] != "~":
        return {_package(function[0]): own}
    for module, name in LIBRARIES.items():
        if re.search(rf"\b{module}\b", function[2]):
            return {name: own}
    owners: defaultdict[str, float] = defaultdict(float)
    for caller, (_, _, seconds, _) in callers.items():
        owners[_package(caller[0])] += seconds
    return dict(owners) or {"other": own}


def _package(path: str) -> str:
    """Return which package a source file is of."""
    file = Path(path)
    home = Path(holdfast.__file__).parent
    if file.is_relative_to(home):
        return f"holdfast.{file.relative_to(home).parts[0].removesuffix('.py')}"
    for part in reversed(file.parts[:-1]):
        if part in {"asyncio", "benchmarks"}:
            return part
    return "standard library" if file.is_relative_to(Path(sys.base_prefix)) else "other"


def _name(function: Function) -> str:
    path, line, name = function
    if path == "~":
        return name
    file = Path(path)
    home = Path(holdfast.__file__).parent.parent
    shown = file.relative_to(home) if file.is_relative_to(home) else Path(*file.parts[-2:])
    return f"{shown}:{line} {name}"
