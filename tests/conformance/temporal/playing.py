"""The workflows of `ours.py`, run by the embedded stack: real SQLite, real time.

Owns: what each is started with and told.
Must not know: Temporal, and what becomes of the histories.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from holdfast.app import Holdfast
from holdfast.client import RunHandle
from holdfast.errors import RunError
from holdfast.history import AnyEvent, TimerStarted
from tests.conformance.temporal import ours
from tests.conformance.temporal.inputs import INPUTS


async def play(folder: Path) -> dict[str, list[AnyEvent]]:
    """Run each workflow once; return what was recorded, by workflow."""
    played: dict[str, list[AnyEvent]] = {}
    definitions = [*ours.WORKFLOWS.values(), *ours.TASKS]
    async with Holdfast(store=f"sqlite:///{folder / 'holdfast.db'}", definitions=definitions) as app:
        for name, values in INPUTS.items():
            given = ours.Line(**values) if isinstance(values, dict) else values
            handle = await app.client.start(ours.WORKFLOWS[name], given, id=f"{name.lower()}-1")
            await tell(name, handle)
            with suppress(RunError):  # that is how some of them end
                await handle.result()
            played[name] = [each.event for each in await handle.history()]
    return played


async def tell(name: str, handle: RunHandle) -> None:
    """Send a workflow what it waits for."""
    if name == "Order":
        await handle.update(ours.Order.add, "early")
        await handle.signal(ours.Order.approve, "me")
    if name == "Patient":
        async for recorded in handle.watch():
            if isinstance(recorded.event, TimerStarted):
                break
        await handle.cancel()
