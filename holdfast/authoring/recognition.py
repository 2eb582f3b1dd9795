"""Which row of the table something falls under.

Owns: the way from a thing found in source to its row.
Must not know: syntax, scopes, what becomes of a finding.

Things are recognised by identity, not by name: `from time import time as t` and a fence of the guard are both
`time.time`, and a function of the user's own called `time` is not. What is not imported yet is known by its name.
"""

from __future__ import annotations

import builtins
import sys
from types import MethodType, ModuleType
from typing import Any

from holdfast.authoring.bindings import Dotted, Instance, Meaning, Member, Thing
from holdfast.authoring.forbidden import BY_CALL, FORBIDDEN, Forbidden


class Recognition:
    """The forbidden things that are imported at the moment."""

    __slots__ = ("_members", "_objects")

    def __init__(self) -> None:
        self._objects: dict[int, tuple[Any, Forbidden]] = {}  # holds the object too: its id must stay its own
        self._members: dict[tuple[type, str], Forbidden] = {}
        for row in FORBIDDEN:
            if "lint" in row.caught_by:
                self._find(row)

    def row_of(self, meaning: Meaning) -> Forbidden | None:
        """Return the row that `meaning` falls under, or None."""
        match meaning:
            case Thing(object=thing):
                return self._objects.get(id(thing), (None, None))[1]
            case Dotted(name=name):
                row = BY_CALL.get(name)
                return row if row is not None and "lint" in row.caught_by else None
            case Member(owner=owner, name=name):
                for base in owner.__mro__:
                    if (base, name) in self._members:
                        return self._members[base, name]
                    if name in vars(base):  # overridden
                        return None
                return None
            case _:
                return None

    def _find(self, row: Forbidden) -> None:
        *path, name = row.call.split(".")
        owner = _loaded(path)
        if issubclass(type(owner), type):
            self._members[owner, name] = row
        elif owner is not None and name in vars(owner):
            found = vars(owner)[name]
            self._objects[id(found)] = (found, row)
            if type(found) is MethodType and hasattr(found, "__wrapped__"):  # a fence: both sides of it count
                self._objects[id(found.__wrapped__)] = (found.__wrapped__, row)


def is_holdfast(meaning: Meaning, name: str) -> bool:
    """Say whether `meaning` is what Holdfast exports under `name`, or an instance of it."""
    match meaning:
        case Dotted(name=dotted):
            return dotted.startswith("holdfast.") and dotted.endswith(f".{name}")
        case Thing(object=thing):
            module = getattr(thing, "__module__", None)
            return getattr(thing, "__name__", None) == name and str(module).startswith("holdfast.")
        case Instance(of=kind):
            return kind.__name__ == name and kind.__module__.startswith("holdfast.")
        case _:
            return False


def _loaded(path: list[str]) -> Any:
    """Return the module or class at `path` if it is imported, else None."""
    if not path:
        return builtins
    for length in range(len(path), 0, -1):
        found: Any = sys.modules.get(".".join(path[:length]))
        if found is None:
            continue
        for name in path[length:]:
            if name not in vars(found):
                return None
            found = vars(found)[name]
        return found if issubclass(type(found), ModuleType | type) else None
    return vars(builtins).get(path[0]) if len(path) == 1 else None
