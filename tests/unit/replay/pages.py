"""Examples in pages about divergences, carried out.

Owns: the names that such an example may use.
Must not know: what the pages say.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from holdfast.authoring import task, workflow
from holdfast.replay import ReplayResult, WorkflowReplayer
from tests.unit.replay.rig import history_of, perform


def replay_page(before: str, after: str) -> ReplayResult:
    """Return what comes of recording one source of a workflow, and replaying another."""
    recorded = perform(_workflow(before), "box")
    return WorkflowReplayer(_workflow(after)).replay(history_of(recorded))


def show(result: ReplayResult) -> str:
    """Return the side-by-side view as a page shows it."""
    return re.sub(r"[^\s]*automations\.py", "automations.py", result.diff())


def _workflow(source: str) -> Any:
    namespace: dict[str, Any] = {"__name__": "automations", "asyncio": asyncio, "workflow": workflow}
    for name in ("reserve", "charge", "audit", "bill"):
        namespace[name] = task(name=name)(_echo)
    exec(compile(source, "automations.py", "exec"), namespace)
    return namespace["order"]


async def _echo(item: str) -> str:
    return item
