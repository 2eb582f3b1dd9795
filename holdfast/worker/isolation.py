"""Where a task's code runs when it did not say so.

Owns: the meaning of `isolation="auto"`, as a pure function of the definition.
Must not know: runners, threads, processes.

An `async def` runs on the loop. A synchronous function that sets a time-out asks to be stopped when it takes longer,
and only a process can be stopped; so it runs in one, if a child process can find it by name. Otherwise it runs in a
thread. Arguments never stand in the way: they travel as JSON wherever they go.
"""

from __future__ import annotations

import sys
from typing import Any

from holdfast.worker.attempt import Executable


def decide_isolation(definition: Executable) -> str:
    """Return `async`, `thread` or `process` for a task that leaves the choice to us."""
    if definition.is_async:
        return "async"
    # Definitions have a default time-out of ten minutes; `timeout_set` tells one that was written down.
    if getattr(definition, "timeout_set", False) and is_importable(definition):
        return "process"
    return "thread"


def is_importable(definition: Executable) -> bool:
    """Say whether another process can find this task: by module and name, or in the script that is running."""
    module_name: str = getattr(definition, "module", "")
    qualname: str = getattr(definition, "qualname", "")
    module = sys.modules.get(module_name)
    if module is None or not qualname or "<" in qualname:
        return False
    if module_name == "__main__" and getattr(module, "__spec__", None) is None and not hasattr(module, "__file__"):
        return False  # typed at a prompt, or piped in
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found is definition or found is definition.fn
