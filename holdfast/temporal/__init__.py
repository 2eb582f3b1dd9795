"""The same workflows on a Temporal cluster: everything that speaks to its SDK.

Owns: the names of its parts.
Must not know: settings, stores.
"""

from holdfast.temporal.arriving import Arrivals
from holdfast.temporal.connection import TemporalConnection
from holdfast.temporal.engine import TemporalEngine
from holdfast.temporal.plugin import TemporalPlugin
from holdfast.temporal.worker import TemporalWorker, WorkerSettings

__all__ = ["Arrivals", "TemporalConnection", "TemporalEngine", "TemporalPlugin", "TemporalWorker", "WorkerSettings"]
