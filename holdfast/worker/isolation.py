"""Where a task's code runs when it did not say so.

Owns: the meaning of `isolation="auto"`, and how another process finds a task.
Must not know: runners, threads, processes.

An `async def` runs on the loop. A synchronous function that sets a time-out asks to be stopped when it takes longer,
and only a process can be stopped; so it runs in one, if a child process can find it by name. Otherwise it runs in a
thread. Arguments never stand in the way: they travel as JSON wherever they go.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from holdfast.history import TaskOptions
from holdfast.worker.attempt import Executable
from holdfast.worker.frames import Load

DEFAULT_TIMEOUT: Final = TaskOptions().timeout


def decide_isolation(definition: Executable, options: TaskOptions) -> str:
    """Return `async`, `thread` or `process` for a call that leaves the choice to us."""
    if definition.is_async:
        return "async"
    if options.timeout is not None and is_timeout_set(definition, options) and locate(definition) is not None:
        return "process"
    return "thread"


def is_timeout_set(definition: Executable, options: TaskOptions) -> bool:
    """Say whether somebody wrote down a time-out, rather than leaving it at the default."""
    return options.timeout != DEFAULT_TIMEOUT or bool(getattr(definition, "timeout_set", False))


def locate(definition: Executable) -> Load | None:
    """Return what another process has to import to find a task by its function's name; None when it cannot.

    It cannot find what was defined inside a function, typed at a prompt, or replaced under its name.
    """
    name = definition.fn.__module__
    qualname = definition.fn.__qualname__
    module = sys.modules.get(name)
    if module is None or "<" in qualname:
        return None
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if found is not definition and found is not definition.fn:
        return None
    file = getattr(module, "__file__", None) or ""
    if name != "__main__":
        return Load(name, file)
    spec = getattr(module, "__spec__", None)
    if spec is not None:  # python -m name. Importing a package's __main__ would run the program again.
        return None if spec.name.endswith("__main__") else Load(spec.name)
    return Load(name, file) if file else None
