"""Modules that start Holdfast while they are imported, as a child process sees them.

Owns: what happens in a child where imported code would start a stack of its own.
Must not know: what is started, how a child imports.

A child process imports the parent's script to find the tasks in it. A script that ends with `holdfast.run(...)` and has
no `if __name__ == "__main__":` would start everything a second time, inside the child, and wait for itself. So whatever
starts something calls `end_script_import()` first: in a child it ends the import of the script there. What the script
defined above that line is all a child needs. Of any other module nobody expects that only half of it is there: one that
starts something while it is imported is refused, with the line that does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum, auto
from pathlib import Path
from typing import Final

from holdfast.errors import DefinitionError

_PACKAGE: Final = str(Path(__file__).parents[1])


class _Import(Enum):
    SCRIPT = auto()
    MODULE = auto()


_importing: ContextVar[_Import | None] = ContextVar("holdfast_importing", default=None)


class ScriptEndError(BaseException):
    """The import of a script has reached the line at which the script starts. Not for anybody to catch."""


def end_script_import() -> None:
    """Do nothing, except in a child process that imports: there, end the import of a script, and refuse a module's.

    Raises:
        ScriptEndError: a script is being imported; caught by whoever imports.
        DefinitionError: a module that is being imported starts something.
    """
    match _importing.get():
        case _Import.SCRIPT:
            raise ScriptEndError
        case _Import.MODULE:
            raise DefinitionError(
                what="a module starts Holdfast while it is imported, and a child process imports it to find its tasks",
                where=_starting_line(),
                remedy='Start it in a function, or below `if __name__ == "__main__":`.',
            )
        case None:
            pass


@contextmanager
def script_import() -> Iterator[None]:
    """Import the script inside this block; the block ends where the script would start something."""
    token = _importing.set(_Import.SCRIPT)
    try:
        yield
    except ScriptEndError:
        pass
    finally:
        _importing.reset(token)


@contextmanager
def module_import() -> Iterator[None]:
    """Import a module inside this block, in which nothing can be started."""
    token = _importing.set(_Import.MODULE)
    try:
        yield
    finally:
        _importing.reset(token)


def _starting_line() -> str:
    """Return `file:line` of the innermost caller that is not Holdfast's own."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
