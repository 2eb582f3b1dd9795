"""A scenario: what happens to a run from outside, and how it has to end.

Owns: the shape of a scenario and of a harness, what a driver can do, and comparing what was expected with what came.
Must not know: which engine runs the workflows, which test runner calls.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from holdfast.client import RunHandle, WorkflowClient
from holdfast.errors import (
    HoldfastError,
    NoOrchestratorError,
    RunCancelledError,
    RunFailedError,
    RunTerminatedError,
    RunTimedOutError,
)
from holdfast.ports.operations import RunRecord
from holdfast.testing.conformance.runtime.tasks import FOLDER_VARIABLE, open_gate
from holdfast.testing.receiver import Receiver

SCENARIO_SECONDS: Final = 60.0
"""How long a scenario may take, with everything that is killed and started again."""
LOOK_SECONDS: Final = 0.01
"""How often a driver looks whether what it waits for is there."""
ANSWER_SECONDS: Final = 3.0
"""How long an update waits for its answer before it is sent again."""

_STATUS: Final[dict[type[HoldfastError], str]] = {
    RunFailedError: "FAILED",
    RunCancelledError: "CANCELLED",
    RunTerminatedError: "TERMINATED",
    RunTimedOutError: "TIMED_OUT",
}


class RuntimeHarness(Protocol):
    """One empty system that serves MODULES, and a client of it."""

    @property
    def folder(self) -> Path:
        """An empty folder for the receiver; FOLDER_VARIABLE names it in every process that runs tasks."""

    @property
    def client(self) -> WorkflowClient:
        """A client that lives through everything that happens to the processes."""

    async def strike(self) -> None:
        """Kill everything that runs workflows and tasks and start it again; or do nothing, in a calm run."""

    async def deploy(self, version: str) -> None:
        """Do as `strike`, and go on with MODULES and this version of VERSIONS, also in a calm run.

        `client` may be another one afterwards.
        """

    async def answer(self, url: str, answer: Any) -> bool:
        """Answer a callback as an outside system does that has only its URL; say whether the answer was taken."""


Driver = Callable[["Stage"], Awaitable[RunHandle[Any]]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A driver, and how the run that it returns has to end."""

    drive: Driver
    result: Any
    """What the run returns; None when it does not complete."""
    effects: tuple[str, ...]
    """The payload of every effect, sorted."""
    status: str
    error: str
    """The type of the error that it ends with."""

    @property
    def name(self) -> str:
        """What is promised, as a function's name."""
        return self.drive.__name__


def scenario(
    *, result: Any = None, effects: Sequence[str] = (), status: str = "COMPLETED", error: str = ""
) -> Callable[[Driver], Scenario]:
    """Make a driver a scenario; see the package's docstring.

    Args:
        result: what the run returns, as JSON values.
        effects: the payloads of all effects, in any order.
        status: how the run ends.
        error: the type of the error it ends with; any when empty.
    """

    def decorate(drive: Driver) -> Scenario:
        return Scenario(drive, result, tuple(sorted(effects)), status, error)

    return decorate


class Stage:
    """What a driver can do."""

    def __init__(self, name: str, harness: RuntimeHarness) -> None:
        """Drive the scenario `name` on a harness."""
        self._name = name
        self._harness = harness
        self.receiver = Receiver(harness.folder)

    @property
    def client(self) -> WorkflowClient:
        """The client, for verbs that the stage does not have."""
        return self._harness.client

    async def start(self, workflow: Any, *args: Any, id: str = "", **kwargs: Any) -> RunHandle[Any]:
        """Start a run; `id` is added to the scenario's name, for scenarios of several runs."""
        return await self.client.start(workflow, *args, id=self._name + id, **kwargs)

    async def update(self, run: RunHandle[Any], update: Any, *args: Any) -> Any:
        """Send an update until it is answered, always as the same operation. Raises what the update raises."""
        operation_id = os.urandom(8).hex()
        while True:
            with suppress(NoOrchestratorError):
                return await run.update(update, *args, operation_id=operation_id, timeout=ANSWER_SECONDS)

    async def query(self, run: RunHandle[Any], query: Any, *args: Any) -> Any:
        """Ask a query until it is answered. Raises what the query raises."""
        while True:
            with suppress(NoOrchestratorError):
                return await run.query(query, *args, timeout=ANSWER_SECONDS)

    async def answer(self, url: str, answer: Any) -> bool:
        """Answer a callback at its URL with a JSON value; say whether the answer was taken."""
        return await self._harness.answer(url, answer)

    async def status(self, run: RunHandle[Any], *wanted: str) -> RunRecord:
        """Wait until a run stands as one of `wanted`; return what is known of it then."""
        while (record := await run.describe()).status not in wanted:  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(LOOK_SECONDS)
        return record

    async def recorded(self, run: RunHandle[Any], step: str) -> None:
        """Wait until history says that a step was begun: what comes after it has to fit it."""
        while not any(getattr(each.event, "step", "") == step for each in await run.history()):  # noqa: ASYNC110 - as above
            await asyncio.sleep(LOOK_SECONDS)

    async def effects(self, count: int) -> None:
        """Wait until there were so many effects."""
        await self.until(lambda: len(self.receiver.applied()) >= count)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until `true()` is."""
        while not true():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(LOOK_SECONDS)

    async def middle(self) -> None:
        """Kill whatever runs workflows and tasks, on a harness that does; then open the gate."""
        await self._harness.strike()
        open_gate()

    async def deploy(self, version: str, run: RunHandle[Any]) -> RunHandle[Any]:
        """Be in the middle, and go on with another version of the code; return a new handle of `run`."""
        await self._harness.deploy(version)
        open_gate()
        return self.client.handle(run.run_id)


async def perform(each: Scenario, harness: RuntimeHarness) -> None:
    """Drive a scenario to its end, and compare.

    Raises:
        AssertionError: it did not come to what it had to.
    """
    os.environ[FOLDER_VARIABLE] = str(harness.folder)
    stage = Stage(each.name, harness)
    try:
        async with asyncio.timeout(SCENARIO_SECONDS):
            run = await each.drive(stage)
            came = await _end(run)
    except TimeoutError as error:
        raise AssertionError(f"{each.name} did not end within {SCENARIO_SECONDS:g} s") from error
    _expect("the end", came[:1], (each.status,))
    _expect("the result", came[1], each.result)
    if each.error:
        _expect("the error", came[2], each.error)
    _expect("the effects", tuple(sorted(stage.receiver.applied().values())), each.effects)
    _expect("steps that asked for different things", _fickle(stage.receiver), [])


async def _end(run: RunHandle[Any]) -> tuple[str, Any, str]:
    try:
        return "COMPLETED", await run.result(), ""
    except tuple(_STATUS) as error:
        return _STATUS[type(error)], None, str(getattr(error, "type", ""))


def _fickle(receiver: Receiver) -> list[str]:
    """Return the keys that came with more than one payload: something they were made from was not durable."""
    payloads: defaultdict[str, set[str]] = defaultdict(set)
    for request in receiver.requests():
        payloads[request.key].add(request.payload)
    return sorted(key for key, asked in payloads.items() if len(asked) > 1)


def _expect(what: str, came: Any, expected: Any) -> None:
    if came != expected:
        raise AssertionError(f"{what}: expected {expected!r}, came {came!r}")
