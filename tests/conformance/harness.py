"""The embedded stack under the runtime's conformance suite: in this process, or in one that is killed.

Owns: starting, killing and ending the processes of one scenario.
Must not know: any scenario.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

from holdfast import Client, Holdfast
from holdfast.app import load_settings, verify_store
from holdfast.app.stack import Stack
from holdfast.client import WorkflowClient
from holdfast.controller import ControllerService
from holdfast.errors import CallbackError
from holdfast.ports.callbacks import token_of
from holdfast.testing.conformance.runtime import FIRST, FOLDER_VARIABLE, MODULES, VERSIONS
from holdfast.testing.faults import FAULTS_VARIABLE
from tests.conformance.stack import PLANT_VARIABLE
from tests.servers import nursery
from tests.servers.nursery import Nursling

READY_SECONDS = 60.0
ROOT = Path(__file__).parents[2]


class CalmHarness:
    """Everything in this process; nothing is killed."""

    def __init__(self, folder: Path, store: str, engine: str = "embedded") -> None:
        self.folder = folder
        self._store = store
        self._engine = engine
        self._app: Holdfast | None = None

    @property
    def client(self) -> WorkflowClient:
        """The client of the stack that runs now."""
        assert self._app is not None
        return self._app.client

    async def strike(self) -> None:
        """Do nothing."""

    async def deploy(self, version: str) -> None:
        """End the stack in good order, and start another one."""
        await self.close()
        definitions = VERSIONS[version]
        app = Holdfast(MODULES, self._store, definitions=definitions, engine=self._engine, log_level="ERROR")
        self._app = await app.__aenter__()

    async def answer(self, url: str, answer: Any) -> bool:
        """Answer a callback as the controller does."""
        assert self._app is not None
        return await _answer(self._app.stack, url, answer)

    async def close(self) -> None:
        """End the stack in good order."""
        app, self._app = self._app, None
        if app is not None:
            await app.__aexit__(None, None, None)


class KilledHarness:
    """The stack in a process of its own, which is killed in the middle, and wherever a fault says so."""

    program: ClassVar = "tests.conformance.stack"
    """The module of the process: python -m PROGRAM STORE VERSION ENGINE."""

    def __init__(
        self,
        folder: Path,
        store: str,
        client: Client,
        faults: str = "",
        plant: str = "",
        engine: str = "embedded",
        version: str = FIRST,
    ) -> None:
        self.folder = folder
        self._store = store
        self.client = client
        self.kills = 0
        self._version = version
        self._faults = faults
        self._plant = plant
        self._engine = engine
        self._process: asyncio.subprocess.Process | Nursling | None = None
        self._ready = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep())

    async def strike(self) -> None:
        """Kill the stack, unless a fault does; another one comes by itself."""
        await self._ready.wait()
        if not self._faults and self._process is not None:
            self._ready.clear()
            self._process.kill()

    async def deploy(self, version: str) -> None:
        """Kill the stack; the one that comes has other code."""
        self._version = version
        await self.strike()

    async def answer(self, url: str, answer: Any) -> bool:
        """Answer a callback as a controller in another process does."""
        assert self.client._stack is not None
        return await _answer(self.client._stack, url, answer)

    async def _keep(self) -> None:
        """Start the stack, and again whenever it was killed. The first one is armed."""
        faults = self._faults
        while True:
            environment = {FOLDER_VARIABLE: str(self.folder), FAULTS_VARIABLE: faults, PLANT_VARIABLE: self._plant}
            self._process = await start_program(
                self.program, self._store, self._version, self._engine, env={**os.environ, **environment}
            )
            faults = ""
            async with asyncio.timeout(READY_SECONDS):
                await self._process.stdout.readline()
            self._ready.set()
            code = await self._process.wait()
            if code != -9:
                raise AssertionError(f"the stack ended by itself, with {code}")
            self.kills += 1

    async def close(self) -> None:
        """End the stack in good order."""
        failed = self._keeper.done()
        self._keeper.cancel()
        with suppress(asyncio.CancelledError):
            await self._keeper
        process = self._process
        if process is not None and not failed:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.communicate()


async def start_program(program: str, *arguments: str, env: Mapping[str, str]) -> asyncio.subprocess.Process | Nursling:
    """Start a program: from the nursery that has loaded it, if there is one."""
    if nursery.here is not None and nursery.here.program == program:
        return await nursery.here.start(*arguments, env=env)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", program, *arguments), stdout=subprocess.PIPE, env=env, cwd=ROOT
    )


@asynccontextmanager
async def calm(folder: Path, store: str = "") -> AsyncIterator[CalmHarness]:
    """Give the stack in this process; its store, a file in `folder` unless one is named, verifies in the end."""
    store = store or _file(folder)
    harness = CalmHarness(folder, store)
    await harness.deploy(FIRST)
    try:
        yield harness
    finally:
        await harness.close()
    await asyncio.to_thread(_verify, store)


@asynccontextmanager
async def calm_on_temporal(folder: Path, engine: str) -> AsyncIterator[CalmHarness]:
    """Give the stack in this process, on a Temporal server."""
    harness = CalmHarness(folder, _file(folder), engine)
    await harness.deploy(FIRST)
    try:
        yield harness
    finally:
        await harness.close()


@asynccontextmanager
async def killed_on_temporal(folder: Path, engine: str) -> AsyncIterator[KilledHarness]:
    """Give the stack in a process that is killed, on a Temporal server."""
    store = _file(folder)
    async with await Client.connect(store, engine=engine) as client:
        harness = KilledHarness(folder, store, client, engine=engine)
        try:
            yield harness
        finally:
            await harness.close()
    if not harness.kills:
        raise AssertionError("nothing was killed")


@asynccontextmanager
async def killed(folder: Path, faults: str = "", plant: str = "", store: str = "") -> AsyncIterator[KilledHarness]:
    """Give the stack in a process that is killed, by a fault if one is named; its store verifies in the end.

    With `plant`, it has a bug of `tests.crash.planted`.
    """
    store = store or _file(folder)
    async with await Client.connect(store) as client:
        harness = KilledHarness(folder, store, client, faults, plant)
        try:
            yield harness
        finally:
            await harness.close()
    if not harness.kills:
        raise AssertionError("nothing was killed")
    await asyncio.to_thread(_verify, store)


async def _answer(stack: Stack, url: str, answer: Any) -> bool:
    callbacks = await stack.callbacks()
    service = ControllerService(stack.engine, stack.registry, stack.store, stack.clock, callbacks=callbacks)
    try:
        await service.messages.answer_callback(token_of(url), json.dumps(answer).encode())
    except CallbackError:
        return False
    return True


def _file(folder: Path) -> str:
    return f"sqlite:///{folder / 'store.db'}"


def _verify(store: str) -> None:
    report = verify_store(load_settings(store=store))
    if not report.ok:
        raise AssertionError(str(report))
