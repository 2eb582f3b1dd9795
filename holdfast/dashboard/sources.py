"""The line of code that a place names: what a person would look up next.

Owns: which files lines are shown of.
Must not know: where places come from.

A place may stand in a file that somebody brought. So lines are shown of the files that loaded workflows are in, and of
no others: a history does not make anybody read a file of this machine.
"""

from __future__ import annotations

import inspect
import linecache
import re
from collections.abc import Callable, Collection
from typing import Any, Final

from holdfast.authoring import Registry

LINE_CHARACTERS_MAX: Final = 200

_PLACE: Final = re.compile(r"(?P<file>[^\n]{1,4096}):(?P<line>[0-9]{1,7})(?:, in .*)?", re.DOTALL)


def lines_of(registry: Registry) -> Callable[[str], str]:
    """Return what tells the line of code at a place, such as `/srv/shop.py:88, in Review.run`; else nothing."""
    files = frozenset(filter(None, (_file_of(each.subject) for each in registry.workflows.values())))
    return lambda where: line_at(where, files)


def line_at(where: str, files: Collection[str]) -> str:
    """Return the line at a place in one of `files`, without what is around it; empty for any other place."""
    place = _PLACE.fullmatch(where)
    if place is None or place["file"] not in files:
        return ""
    return linecache.getline(place["file"], int(place["line"])).strip()[:LINE_CHARACTERS_MAX]


def _file_of(subject: Any) -> str | None:
    try:
        return inspect.getsourcefile(inspect.unwrap(subject))
    except (TypeError, OSError):  # it was made up as the program runs
        return None
