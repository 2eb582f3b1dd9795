"""The statuses of a run.

Owns: the words, and which of them are final.
Must not know: who changes them.
"""

from __future__ import annotations

RUNNING = "RUNNING"
PARKED = "PARKED"
PAUSED = "PAUSED"
COMPLETED = "COMPLETED"
FAILED = "FAILED"
CANCELLED = "CANCELLED"
TERMINATED = "TERMINATED"
TIMED_OUT = "TIMED_OUT"
CONTINUED_AS_NEW = "CONTINUED_AS_NEW"
TERMINAL = frozenset({COMPLETED, FAILED, CANCELLED, TERMINATED, TIMED_OUT, CONTINUED_AS_NEW})
