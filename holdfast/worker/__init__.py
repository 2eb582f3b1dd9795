"""Where tasks are done: attempts, executors, pools, heartbeats, shutdown.

Owns: everything between a claimed task and its outcome.
Must not know: workflows, history's order, HTTP, which store it works for.
"""

from holdfast.worker.attempt import Attempt
from holdfast.worker.beats import Sidecar
from holdfast.worker.pool import PoolWorker
from holdfast.worker.runner import LocalRunner, Statistics

__all__ = ["Attempt", "LocalRunner", "PoolWorker", "Sidecar", "Statistics"]
