"""How a task is to be run, in Temporal's words.

Owns: retries, priorities and fairness keys as Temporal has them, and how a delay is kept.
Must not know: workflows, attempts.
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import blake2b
from typing import Final

from temporalio.common import Priority, RetryPolicy

from holdfast.history import TaskOptions

FAIRNESS_BYTES_MAX: Final = 64
"""How long a fairness key may be on Temporal."""
TIMER_SECONDS_MIN: Final = 0.001
"""What a timer takes at least: Temporal counts in milliseconds."""


def delay_of(options: TaskOptions) -> float:
    """Return how many seconds after the call its first attempt may start."""
    return 0.0 if options.limits is None else options.limits.delay


def retry_policy_of(options: TaskOptions) -> RetryPolicy:
    """Return when Temporal tries again by itself; an attempt that has failed says itself when, with our jitter.

    A call that is delayed has one attempt more: the first only says how long to wait.
    """
    retry = options.retry
    more = 1 if delay_of(options) and retry.attempts else 0
    initial = max(retry.initial, TIMER_SECONDS_MIN)
    return RetryPolicy(
        initial_interval=timedelta(seconds=initial),
        backoff_coefficient=retry.factor,
        maximum_interval=timedelta(seconds=max(retry.maximum, initial)),
        maximum_attempts=retry.attempts + more,
        non_retryable_error_types=list(retry.non_retryable) or None,
    )


def priority_of(options: TaskOptions) -> Priority:
    """Return who goes first. Temporal counts from 1, which does, to 5; 3 is where nothing is said.

    Calls of different fairness keys take turns there, too, within one priority. A key that is too long for Temporal is
    told by its digest.
    """
    key = options.limits.fairness if options.limits is not None else ""
    if len(key.encode()) > FAIRNESS_BYTES_MAX:
        key = blake2b(key.encode(), digest_size=16).hexdigest()
    if not options.priority and not key:
        return Priority.default
    level = 3 - max(-2, min(2, options.priority)) if options.priority else None
    return Priority(priority_key=level, fairness_key=key or None)
