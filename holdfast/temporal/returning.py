"""An attempt whose process was away: frozen, or cut off for so long that its task was given to somebody else.

Owns: how that is found, and how it is told.
Must not know: tasks, how an attempt runs.

Temporal refuses what comes late by itself, and tells nobody but its SDK. Whoever looks for the reason of a second
effect finds it here.
"""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import activity
from temporalio.client import AsyncActivityCancelledError
from temporalio.service import RPCError, RPCStatusCode

from holdfast.observe import logger

log = logger("holdfast.temporal")


def note_cancelled() -> None:
    """Tell of an attempt that is cancelled because the cluster does not know it any more."""
    details = activity.cancellation_details()
    if details is not None and (details.not_found or details.timed_out):
        _note_refused()


async def note_return(seconds: float, details: Any) -> None:
    """Ask the cluster about an attempt that was not heard of for `seconds` before it ended; tell if it is refused.

    Args:
        seconds: for how long at most nobody had said that the attempt lives.
        details: what it has to report.
    """
    info = activity.info()
    if info.heartbeat_timeout is None or seconds < info.heartbeat_timeout.total_seconds():
        return
    handle = activity.client().get_async_activity_handle(task_token=info.task_token)
    try:
        await handle.heartbeat(*(() if details is None else (details,)))
    except AsyncActivityCancelledError:
        note_cancelled()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            _note_refused()
    except asyncio.CancelledError:
        note_cancelled()
        raise


def _note_refused() -> None:
    info = activity.info()
    log.warning(
        "this process was taken for dead: what its attempt came to is refused",
        run_id=info.workflow_id or "",
        step=info.activity_id,
        task=info.activity_type,
        attempt=info.attempt,
    )
