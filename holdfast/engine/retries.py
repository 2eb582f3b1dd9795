"""When a failed attempt is tried again.

Owns: the decision, as a pure function.
Must not know: who makes the next attempt, or how it is remembered meanwhile.
"""

from __future__ import annotations

from typing import Final

from holdfast.history import Failure, RetryPolicy
from holdfast.ports.task import Remedied, TryAgain

NEVER_RETRYABLE: Final = frozenset(
    {"TypeError", "ValidationError", "InputError", "EncodeError", "NotImplementedError", "NondeterminismError"}
)
"""Exception classes that another attempt cannot mend: the code or its input is wrong."""


def decide_retry(policy: RetryPolicy, attempt: int, failure: Failure, jitter: float) -> float | None:
    """Return the seconds to wait before the next attempt, or None when there is none.

    Full jitter: uniform between 0 and the capped exponential delay
    (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

    Args:
        policy: the task's retry policy.
        attempt: number of the attempt that failed, from 1.
        failure: how it failed; a rule may have decided what is done about it.
        jitter: uniform in [0, 1).
    """
    if isinstance(failure, TryAgain):
        return failure.seconds if failure.seconds is not None else _backoff(policy, attempt, jitter)
    if attempt >= policy.attempts or not failure.retryable or isinstance(failure, Remedied):
        return None
    if failure.type in policy.non_retryable or failure.type in NEVER_RETRYABLE:
        return None
    return _backoff(policy, attempt, jitter)


def _backoff(policy: RetryPolicy, attempt: int, jitter: float) -> float:
    return jitter * min(policy.maximum, policy.initial * policy.factor ** min(attempt - 1, 64))
