"""The line between a process and the one that started it: when the parent dies, the child does.

Owns: the request to the kernel, and the check that it did not come too late.
Must not know: what either process does.

Linux keeps the request over an exec, so `python -m holdfast.worker.tether PARENT PROGRAM ...` ties any program.
Elsewhere nothing is asked of the kernel, and children notice by other means that they are alone: a closed pipe.

The kernel means the parent's *thread*: start tied children from a thread that lives as long as they may.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
ORPHANED_EXIT_CODE: Final = 70
"""How a child ends that finds its parent gone already (EX_SOFTWARE of sysexits.h)."""


def tether(parent: int) -> None:
    """Have this process killed when the process `parent`, which started it, dies; end it now when that has happened."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel knew that we mind
        os._exit(ORPHANED_EXIT_CODE)


def tethered(arguments: list[str]) -> list[str]:
    """Return the command line that starts `arguments` tied to this process."""
    return [sys.executable, "-m", "holdfast.worker.tether", str(os.getpid()), *arguments]


def main() -> None:
    """Tie this process, then become the program that is named on the command line."""
    parent, program, *rest = sys.argv[1:]
    tether(int(parent))
    os.execvp(program, [program, *rest])  # noqa: S606 - the supervisor's own command line


if __name__ == "__main__":
    main()
