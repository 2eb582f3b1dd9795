"""Durable workflows for Python: code that survives crashes, hangs and deploys.

Owns: the public names, and importing each of them only when it is first used.
Must not know: how any of them works.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from holdfast.app import Client, Holdfast, Ledger, heartbeat_monitor, lock, run, semaphore
    from holdfast.authoring import (
        Batch,
        Child,
        Concurrency,
        Debounce,
        Err,
        Ok,
        Rate,
        Recovery,
        Registry,
        Retry,
        Saga,
        all_handlers_finished,
        callback,
        continue_as_new,
        deprecate_patch,
        get_run,
        heartbeat,
        map_tasks,
        now,
        patched,
        query,
        random,
        run_info,
        set_attributes,
        side_effect,
        signal,
        start_child,
        task,
        task_info,
        update,
        uuid4,
        wait_for_signal,
        webhook,
        workflow,
    )
    from holdfast.authoring.schedules import schedule
    from holdfast.client import RunHandle
    from holdfast.controller.webhooks import GitHub, Hmac, Slack, StandardWebhooks, Stripe
    from holdfast.errors import (
        AlreadyProcessed,
        ChildError,
        HoldfastError,
        LeaseHeld,
        LeaseLost,
        LockLost,
        MessageError,
        RateLimited,
        RunFailedError,
        TaskError,
        TaskTimeoutError,
        TransactionError,
    )
    from holdfast.observe import redact
    from holdfast.ports.recovery import Trouble, Verdict
    from holdfast.transactions import enqueue, transaction

__version__ = "0.1.0.dev0"

_HOMES: Final[dict[str, str]] = {
    "Client": "holdfast.app",
    "Holdfast": "holdfast.app",
    "Ledger": "holdfast.app",
    "heartbeat_monitor": "holdfast.app",
    "lock": "holdfast.app",
    "run": "holdfast.app",
    "semaphore": "holdfast.app",
    "RunHandle": "holdfast.client",
    "GitHub": "holdfast.controller.webhooks",
    "Hmac": "holdfast.controller.webhooks",
    "Slack": "holdfast.controller.webhooks",
    "StandardWebhooks": "holdfast.controller.webhooks",
    "Stripe": "holdfast.controller.webhooks",
    "AlreadyProcessed": "holdfast.errors",
    "ChildError": "holdfast.errors",
    "MessageError": "holdfast.errors",
    "HoldfastError": "holdfast.errors",
    "LeaseHeld": "holdfast.errors",
    "LeaseLost": "holdfast.errors",
    "LockLost": "holdfast.errors",
    "RateLimited": "holdfast.errors",
    "RunFailedError": "holdfast.errors",
    "TaskError": "holdfast.errors",
    "TaskTimeoutError": "holdfast.errors",
    "TransactionError": "holdfast.errors",
    "redact": "holdfast.observe",
    "Trouble": "holdfast.ports.recovery",
    "Verdict": "holdfast.ports.recovery",
    "enqueue": "holdfast.transactions",
    "transaction": "holdfast.transactions",
    "schedule": "holdfast.authoring.schedules",
}
"""Names that do not live in `holdfast.authoring`."""

__all__ = [
    "AlreadyProcessed",
    "Batch",
    "Child",
    "ChildError",
    "Client",
    "Concurrency",
    "Debounce",
    "Err",
    "GitHub",
    "Hmac",
    "Holdfast",
    "HoldfastError",
    "LeaseHeld",
    "LeaseLost",
    "Ledger",
    "LockLost",
    "MessageError",
    "Ok",
    "Rate",
    "RateLimited",
    "Recovery",
    "Registry",
    "Retry",
    "RunFailedError",
    "RunHandle",
    "Saga",
    "Slack",
    "StandardWebhooks",
    "Stripe",
    "TaskError",
    "TaskTimeoutError",
    "TransactionError",
    "Trouble",
    "Verdict",
    "all_handlers_finished",
    "callback",
    "continue_as_new",
    "deprecate_patch",
    "enqueue",
    "get_run",
    "heartbeat",
    "heartbeat_monitor",
    "lock",
    "map_tasks",
    "now",
    "patched",
    "query",
    "random",
    "redact",
    "run",
    "run_info",
    "schedule",
    "semaphore",
    "set_attributes",
    "side_effect",
    "signal",
    "start_child",
    "task",
    "task_info",
    "transaction",
    "update",
    "uuid4",
    "wait_for_signal",
    "webhook",
    "workflow",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import holdfast` stays light."""
    if name not in __all__:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "holdfast.authoring")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
