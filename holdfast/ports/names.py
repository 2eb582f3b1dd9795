"""Names of executions: `ord-1`, `ord-1@2`.

Owns: the name that means one execution and no other.
Must not know: where executions are kept.

The first execution of a run is called like the run, and by that name the run's newest execution is reached.
"""

from __future__ import annotations


def numbered(run_id: str, execution: str) -> str:
    """Return an execution's name with its number, also where that is 1: it never reaches another one."""
    return f"{run_id}@1" if execution == run_id else execution
