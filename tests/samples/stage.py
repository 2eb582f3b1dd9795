"""What a driver of a sample can do, and the stacks that run the sample: in this process, or in one that is killed.

Owns: one sample's module on one store and engine, and the world outside of it.
Must not know: any sample.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from examples.samples import outside
from holdfast import Client, Holdfast
from holdfast.testing.conformance.runtime import Stage
from tests.conformance.harness import CalmHarness, KilledHarness

SECONDS_MAX: Final = 90.0
"""How long a sample may take, with everything that is killed and started again."""


@dataclass(frozen=True, slots=True)
class Where:
    """What a sample runs on; no sample sees it."""

    store: str
    engine: str
    is_killed: bool


class SampleStage(Stage):
    """A sample's stage: what it asks the world for can be held until the middle."""

    def __init__(self, name: str, harness: Any) -> None:
        """Drive the sample `name`."""
        super().__init__(name, harness)
        self.folder: Path = harness.folder

    @property
    def schedules(self) -> Any:
        """What can be done with schedules."""
        return self._harness.schedules

    def hold(self, what: str) -> None:
        """Have the world do this, and not answer until the middle is over."""
        outside.hold(self.folder, what)

    async def asked(self, what: str) -> None:
        """Wait until the world was asked for something."""
        await self.until(lambda: what in self.done())

    def done(self) -> list[str]:
        """Return what the world has done, in the order in which it was asked first."""
        applied = self.receiver.applied()
        return [applied[key] for key in dict.fromkeys(each.key for each in self.receiver.requests()) if key in applied]

    def background(self, asking: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Ask something, and go on meanwhile."""
        return asyncio.create_task(asking)

    async def scheduled(self, name: str) -> None:
        """Wait until there is a schedule."""
        while name not in {each.name for each in (await self.schedules.all()).schedules}:  # noqa: ASYNC110 - elsewhere
            await asyncio.sleep(outside.LOOK_SECONDS)  # looks again

    async def idle(self, workflow: str, count: int) -> None:
        """Wait until so many runs of a workflow have completed."""
        while len((await self.client.runs(workflow=workflow, status="COMPLETED"))[0]) < count:  # noqa: ASYNC110 - elsewhere
            await asyncio.sleep(outside.LOOK_SECONDS)  # looks again

    async def query_until(self, run: Any, query: Any, true: Callable[[Any], bool]) -> Any:
        """Ask a query until its answer is as it has to be; return that."""
        while not true(answer := await self.query(run, query)):  # noqa: ASYNC110 - another process answers
            await asyncio.sleep(outside.LOOK_SECONDS)  # looks again
        return answer

    async def middle(self) -> None:
        """Kill whatever runs the sample, where that is the point; then have the world answer."""
        await self._harness.strike()
        outside.release(self.folder)

    async def deploy(self, version: str, run: Any) -> Any:
        """Be in the middle, and go on with the sample's code as another module has it; return a new handle."""
        await self._harness.deploy(version)
        outside.release(self.folder)
        return self.client.handle(run.run_id)


class CalmSample(CalmHarness):
    """Everything in this process; nothing is killed."""

    @property
    def schedules(self) -> Any:
        """What can be done with schedules."""
        return self._app.schedules

    async def deploy(self, version: str) -> None:
        """End the stack in good order, and start one of another module."""
        await self.close()
        app = Holdfast([version], self._store, engine=self._engine, log_level="ERROR", poll_seconds=0.2)
        self._app = await app.__aenter__()


class KilledSample(KilledHarness):
    """The stack in a process of its own, which is killed."""

    program = "tests.samples.stack"

    @property
    def schedules(self) -> Any:
        """What can be done with schedules."""
        return self.client.schedules


@dataclass(frozen=True, slots=True)
class Sample:
    """A driver, with what has to come of it."""

    drive: Callable[[SampleStage], Awaitable[Any]]
    module: str
    result: Any
    done: tuple[str, ...] | None
    """What the world was asked for, each once, sorted; None where the driver itself looks at that."""

    @property
    def name(self) -> str:
        """What it shows."""
        return self.drive.__name__

    async def perform(self, where: Where, folder: Path) -> None:
        """Drive the sample to its end, and compare."""
        async with asyncio.timeout(SECONDS_MAX), _harness(self.module, where, folder) as harness:
            stage = SampleStage(self.name, harness)
            came = await self.drive(stage)
            if came != self.result:
                raise AssertionError(f"expected {self.result!r}, came {came!r}")
            done = tuple(sorted(stage.done()))
            if self.done not in {None, done}:
                raise AssertionError(f"the world was asked for {done!r} instead of {self.done!r}")


@asynccontextmanager
async def _harness(module: str, where: Where, folder: Path) -> AsyncIterator[CalmSample | KilledSample]:
    if not where.is_killed:
        calm = CalmSample(folder, where.store, where.engine)
        await calm.deploy(module)
        try:
            yield calm
        finally:
            await calm.close()
        return
    async with await Client.connect(where.store, engine=where.engine) as client:
        killed = KilledSample(folder, where.store, client, engine=where.engine, version=module)
        try:
            yield killed
        finally:
            await killed.close()
    assert killed.kills, "nothing was killed"
