"""Where the SQL is: named statements in `queries/*.sql`, one file for each noun.

Owns: the form of those files.
Must not know: what any statement does.

A statement starts with a line `-- name: claim_tasks` and ends where the next one starts. Names are unique over all
files. Comments above a name are the reader's: what is sent ends with the last line of the statement, so that more may
be put behind it.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEADER: Final = re.compile(r"^-- name: ([a-z][a-z0-9_]*)[ \t]*$", re.MULTILINE)
_COMMENTS_LAST: Final = re.compile(r"(\n\s*--[^\n]*)*\s*\Z")


@cache
def load(package: str) -> Mapping[str, str]:
    """Return every named statement in the folder `queries` of a package, read once.

    Raises:
        ValueError: two statements share a name, or one is empty.
    """
    found: dict[str, str] = {}
    for file in resources.files(package).joinpath("queries").iterdir():
        if file.name.endswith(".sql"):
            for name, text in parse(file.read_text("utf-8")).items():
                if name in found:
                    raise ValueError(f"two statements are called {name!r}; one of them is in {file.name}")
                found[name] = text
    return MappingProxyType(found)


def parse(text: str) -> dict[str, str]:
    """Return the named statements of one file's text.

    Raises:
        ValueError: two statements share a name, or one is empty.
    """
    found: dict[str, str] = {}
    _, *parts = _HEADER.split(text)
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        statement = _COMMENTS_LAST.sub("", body).strip().rstrip(";")
        if name in found or not statement:
            raise ValueError(f"statement {name!r} is empty or is there twice")
        found[name] = statement
    return found
