"""The program's main script, as a child process sees it.

Owns: stopping the import of a script where the script itself would start.
Must not know: what a script starts, how a child imports.

A child process imports the parent's script to find the tasks in it. A script that ends with `holdfast.run(...)` and has
no `if __name__ == "__main__":` would start everything a second time, inside the child, and wait for itself. So whatever
starts something calls `end_script_import()` first: in a child it ends the import there. What the script defined above
that line is all a child needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_importing: ContextVar[bool] = ContextVar("holdfast_importing_script", default=False)


class ScriptEndError(BaseException):
    """The import of a script has reached the line at which the script starts. Not for anybody to catch."""


def end_script_import() -> None:
    """Do nothing, except in a child process that imports the program's script: there, end the import.

    Raises:
        ScriptEndError: caught by whoever imports.
    """
    if _importing.get():
        raise ScriptEndError


@contextmanager
def script_import() -> Iterator[None]:
    """Import the script inside this block; the block ends where the script would start something."""
    token = _importing.set(True)
    try:
        yield
    except ScriptEndError:
        pass
    finally:
        _importing.reset(token)
