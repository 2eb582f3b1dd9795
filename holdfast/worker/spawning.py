"""Starting helper processes of our own.

Owns: the command line, the environment and the descriptors they begin with.
Must not know: what they are for.

A helper is the leader of a process group of its own, so that Ctrl-C in a terminal reaches only the program itself,
which decides what becomes of its helpers. Its import path starts without the current folder: nothing there may shadow
what a helper imports before it is told the program's own path.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path


def spawn(module: str, arguments: Sequence[str | int], descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start `python -m module arguments...`, with the open `descriptors` under the same numbers. Raises OSError."""
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001 - -X, -W
    return subprocess.Popen(  # noqa: S603 - our own modules, in our own interpreter
        [sys.executable, *flags, "-P", "-m", module, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        pass_fds=tuple(descriptors),
        process_group=0,
        env=_environment(),
    )


def _environment() -> dict[str, str]:
    # A checkout, or a folder that a program put on its path: a helper must find this package before it is told where.
    environment = dict(os.environ)
    root = str(Path(__file__).parents[2])
    if root not in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        before = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = root if before is None else f"{root}{os.pathsep}{before}"
    return environment
