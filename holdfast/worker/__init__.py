"""Where tasks are done: attempts, executors, pools, heartbeats, shutdown.

Owns: everything between a claimed task and its outcome.
Must not know: workflows, history's order, HTTP, which store it works for.

Names are imported when they are first used: a child process or a sidecar is one of these modules, and should not have
to wait for all the others.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from holdfast.worker.attempt import Attempt
    from holdfast.worker.beats import Sidecar
    from holdfast.worker.observed import ObservedRunner
    from holdfast.worker.pool import PoolWorker
    from holdfast.worker.recovering import Recoveries
    from holdfast.worker.runner import LocalRunner, Statistics
    from holdfast.worker.script import end_script_import
    from holdfast.worker.spawning import spawn
    from holdfast.worker.supervisor import REPLACE_EXIT_CODE, Supervisor
    from holdfast.worker.vitals import look

_HOMES: Final = {
    "Attempt": "holdfast.worker.attempt",
    "LocalRunner": "holdfast.worker.runner",
    "ObservedRunner": "holdfast.worker.observed",
    "PoolWorker": "holdfast.worker.pool",
    "Recoveries": "holdfast.worker.recovering",
    "Sidecar": "holdfast.worker.beats",
    "REPLACE_EXIT_CODE": "holdfast.worker.supervisor",
    "Statistics": "holdfast.worker.runner",
    "Supervisor": "holdfast.worker.supervisor",
    "end_script_import": "holdfast.worker.script",
    "look": "holdfast.worker.vitals",
    "spawn": "holdfast.worker.spawning",
}

__all__ = [
    "REPLACE_EXIT_CODE",
    "Attempt",
    "LocalRunner",
    "ObservedRunner",
    "PoolWorker",
    "Recoveries",
    "Sidecar",
    "Statistics",
    "Supervisor",
    "end_script_import",
    "look",
    "spawn",
]


def __getattr__(name: str) -> Any:
    # No module here may be called like a name: importing it would take the name.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
