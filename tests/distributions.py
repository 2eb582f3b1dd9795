"""What an installation brings.

Owns: which distributions another one stands on, on this machine.
Must not know: what they are for.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def walk(root: str, requires: Callable[[str], list[str]]) -> set[str]:
    """Return the canonical names of everything that installing `root` brings on this machine, without extras of `root`.

    `requires` answers which requirements a distribution declares. Extras of a dependency count when they are asked for.
    """
    seen: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(root), "")]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for requirement in map(Requirement, requires(name)):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                needed = canonicalize_name(requirement.name)
                waiting += [(needed, each) for each in ("", *requirement.extras)]
    return {name for name, _ in seen} - {canonicalize_name(root)}


def installed_requires(name: str) -> list[str]:
    """Return what an installed distribution requires."""
    return importlib.metadata.requires(name) or []
