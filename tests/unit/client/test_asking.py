"""Who asks a run of this process again and again does not keep it from moving."""

from __future__ import annotations

import asyncio
from pathlib import Path

from holdfast import Holdfast, query, workflow
from tests.unit.worker.rig import on_loop

ASKED_MAX = 200_000
"""A run that does not move in the time of so many questions does not move at all."""


@workflow
class Door:
    """Opens after a moment."""

    def __init__(self) -> None:
        """Begin shut."""
        self.opened = False

    async def run(self) -> None:
        """Open."""
        await asyncio.sleep(0.001)
        self.opened = True

    @query
    def is_open(self) -> bool:
        """Say whether it is open."""
        return self.opened


@on_loop
async def test_a_run_moves_while_somebody_asks_without_a_pause(tmp_path: Path) -> None:
    """The answer is there at once, and yet everybody else gets their turn."""
    async with Holdfast(definitions=[Door], store=f"sqlite:///{tmp_path}/a.db") as app, asyncio.timeout(20):
        handle = await app.client.start(Door, id="d")
        for _ in range(ASKED_MAX):
            if await handle.query(Door.is_open):
                break
        assert await handle.query(Door.is_open)
