"""A world: the real stack - store, orchestrator, worker - on time that a test moves.

Owns: the verbs of a test, and the temporary folder.
Must not know: how time moves, any test runner.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, Self, TypeVar

from holdfast.app import load_settings
from holdfast.authoring import Duration, Registry, parse_duration
from holdfast.client import RunHandle, WorkflowClient
from holdfast.errors import SettingsError, UnknownNameError, WorldStuckError
from holdfast.history import History, to_json
from holdfast.orchestrator import Orchestrator
from holdfast.ports.engine import RecordedEvent
from holdfast.ports.operations import TERMINAL, Gathered
from holdfast.replay.captures import read_run
from holdfast.testing.world.driver import Driver, Stuck
from holdfast.testing.world.run import WorldRun
from holdfast.testing.world.stand_ins import NOTHING, Call, Cast
from holdfast.testing.world.surroundings import LEASE_SECONDS

Result = TypeVar("Result")

START: Final = datetime(2030, 1, 1, tzinfo=UTC)
"""When a world begins, unless it is told otherwise: the same in every test."""
ANSWER_SECONDS: Final = LEASE_SECONDS
"""How long queries and updates wait for their answer: as long as it takes, it is only virtual time."""
LIKENESS: Final = 0.8
"""How like a handler's a signal's name has to be, to be taken for a slip of the pen (ratio of equal characters)."""
SLOTS: Final = 64
"""Slots of each pool that a task of the world names."""
RUNS_NAMED_MAX: Final = 5
"""How many runs an error names."""
SETTINGS: Final[dict[str, Any]] = {
    "synchronous": "NORMAL",  # a test's store need not survive a power cut
    "drain_seconds": 0.0,
    "capture_failures": False,  # a run that fails on purpose is no news
    "lease_seconds": 3600.0,
    "poll_seconds": 1e9,  # the world rings when anything is due
    "tune_gc": False,
    "encryption_keys": (),
}
"""What is set differently in a world."""


class World:
    """The whole stack on virtual time, on a store in a temporary folder.

    ```python
    with World(modules=["automations"]) as world:
        world.stub(charge, returns="receipt-1")
        run = world.start(Subscription, "ada", id="sub-1")
        world.advance("30d")
        world.signal(run, Subscription.cancel)
        assert world.result(run) == ["receipt-1"]
    ```

    `async with` works the same. No verb is awaited, because none takes time: workflows, retries, messages and the store
    are the real ones, and when everything waits, the clock moves.
    """

    def __init__(
        self,
        modules: Iterable[Any] = (),
        *,
        definitions: Iterable[Any] = (),
        start: datetime = START,
        seed: int = 0,
        folder: Path | None = None,
        replay_every_step: bool = False,
        **options: Any,
    ) -> None:
        """Describe a world; entering it starts the stack.

        Args:
            modules: modules, or names or paths of modules, in which workflows and tasks are found.
            definitions: further workflows and tasks.
            start: when it begins; aware.
            seed: where all random numbers come from.
            folder: where the store is; a temporary folder when None.
            replay_every_step: replay each history from its beginning whenever something was added to it: code that is
                not deterministic is found at once, without a crash. Slow for long histories.
            options: any setting by name.

        Raises:
            SettingsError: `start` has no time zone.
            DefinitionError: a module cannot be imported, or two definitions share a name.
        """
        if start.tzinfo is None:
            raise SettingsError("start= of a world has no time zone", "Write datetime(2030, 1, 1, tzinfo=UTC).")
        self.registry = Registry.from_modules(*modules)
        for each in definitions:
            self.registry.add(each)
        self._start = start
        self._seed = seed
        self._folder = folder
        self._replays = replay_every_step
        self._options = options
        self._cast = Cast(self.registry)
        self._numbers = itertools.count(1)
        self._driver_inside: Driver | None = None
        self._temporary: Path | None = None

    # --- Life --------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start the stack.

        Raises:
            SettingsError: a setting does not fit.
        """
        folder = self._folder
        if folder is None:
            folder = self._temporary = Path(tempfile.mkdtemp(prefix="holdfast-world-"))
        pools = {"default": SLOTS} | {each.task_options.pool: SLOTS for each in self.registry.tasks.values()}
        settings = load_settings(store=f"sqlite:///{folder}/world.db", **({"pools": pools} | SETTINGS | self._options))
        chance = Random(self._seed)  # noqa: S311 - the same in every run of a test is what it is for
        driver = Driver(settings, self._cast, self._start.timestamp(), chance, replays=self._replays)
        try:
            driver.open()
        except BaseException:
            driver.close()
            raise
        self._driver_inside = driver
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop the stack, and take its store away.

        Raises:
            DivergenceError: a replay found one that nobody was told of yet.
        """
        driver, self._driver_inside = self._driver, None
        try:
            driver.close()
        finally:
            if self._temporary is not None:
                shutil.rmtree(self._temporary, ignore_errors=True)
                self._temporary = None
        if kind is None:
            _tell(driver)

    async def __aenter__(self) -> Self:
        """Start the stack."""
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop the stack, and take its store away."""
        self.__exit__(kind)

    @property
    def _driver(self) -> Driver:
        if self._driver_inside is None:
            raise SettingsError("this world is not running", "Enter it first: with World(...) as world: ...")
        return self._driver_inside

    @property
    def _client(self) -> WorkflowClient:
        return WorkflowClient(_Engine(self._driver))

    # --- Runs --------------------------------------------------------------------------------------------------------

    def start(self, workflow: Any, *args: Any, id: str | None = None, **kwargs: Any) -> WorldRun:
        """Start a run, and let happen what it does at once.

        Args:
            workflow: a workflow, or its registered name.
            args: its input.
            id: the run id; `run-1`, `run-2` and so on when None.
            kwargs: its input, and the options of `WorkflowClient.start`, such as `timeout`.

        Raises:
            RunConflictError: the id is taken by another workflow or input.
            InputError, EncodeError: the input does not fit.
        """
        run_id = id if id is not None else f"run-{next(self._numbers)}"
        handle = self._call(partial(self._client.start, workflow, *args, id=run_id, **kwargs), f"the start of {run_id}")
        return WorldRun(self, run_id, workflow, created=handle.created)

    def submit(self, task: Any, *args: Any, id: str | None = None, **kwargs: Any) -> WorldRun:
        """Run one task durably, without a workflow. See `start`."""
        self.registry.add_task(task)
        run_id = id if id is not None else f"run-{next(self._numbers)}"
        handle = self._call(partial(self._client.submit, task, *args, id=run_id, **kwargs), f"the start of {run_id}")
        return WorldRun(self, run_id, created=handle.created)

    def gather(self, workflow: Any, event: Any, **options: Any) -> Gathered:
        """Add an event to those that are to become one run. See `WorkflowClient.gather`."""
        named = {"event_id": f"event-{next(self._numbers)}"} | options  # added once, also if the stack dies now
        return self._call(partial(self._client.gather, workflow, event, **named), "an event")

    def run(self, run_id: str, workflow: Any = None) -> WorldRun:
        """Refer to a run by its id; with its workflow, results are decoded to its types."""
        return WorldRun(self, run_id, workflow)

    def result(self, run: WorldRun | str) -> Any:
        """Let time move until a run has ended; return its result.

        Raises:
            WorldStuckError: it waits for something that no time brings.
            RunFailedError, RunCancelledError, RunTerminatedError, RunTimedOutError: it ended otherwise.
            DivergenceError: with `replay_every_step`, a replay did something else than the run.
        """
        handle = self._handle(run)
        return self._call(handle.result, f"the result of {handle.run_id}")

    def status(self, run: WorldRun | str) -> str:
        """Return a run's status, such as `RUNNING`."""
        handle = self._handle(run)
        return self._call(handle.describe, f"the status of {handle.run_id}").status

    def history(self, run: WorldRun | str) -> list[RecordedEvent]:
        """Return a run's events."""
        handle = self._handle(run)
        return self._call(handle.history, f"the history of {handle.run_id}")

    def save(self, run: WorldRun | str, path: Path | str) -> None:
        """Write a run's history to a file, for `load_history` and the marker `histories`. Makes its folder.

        Raises:
            OSError: it cannot be written.
        """
        handle = self._handle(run)

        async def read() -> History:
            return await read_run(self._driver.stack.store, (await handle.describe()).execution_id)

        history = self._call(read, f"the history of {handle.run_id}")
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(to_json(history.events, outcomes=history.outcomes, exchanges=history.exchanges))

    def signal(self, run: WorldRun | str, signal: Any, *args: Any, **kwargs: Any) -> None:
        """Send a signal, and let happen what it causes at once. See `RunHandle.signal`.

        A name that the workflow has no handler for is kept for `wait_for_signal`.

        Raises:
            UnknownNameError: the workflow has no handler of this name, but one whose name is nearly the same.
        """
        handle, named = self._handle(run), self._named(kwargs)
        if isinstance(signal, str):
            self._refuse_a_slip(handle, signal)
        self._call(partial(handle.signal, signal, *args, **named), f"a signal to {handle.run_id}")

    def query(self, run: WorldRun | str, query: Any, *args: Any, **kwargs: Any) -> Any:
        """Ask a query. See `RunHandle.query`."""
        handle = self._handle(run)
        ask = partial(handle.query, query, *args, **({"timeout": ANSWER_SECONDS} | kwargs))
        return self._call(ask, f"a query of {handle.run_id}")

    def update(self, run: WorldRun | str, update: Any, *args: Any, **kwargs: Any) -> Any:
        """Send an update; let time move until it is answered. See `RunHandle.update`."""
        handle, named = self._handle(run), self._named(kwargs)
        ask = partial(handle.update, update, *args, **({"timeout": ANSWER_SECONDS} | named))
        return self._call(ask, f"an update of {handle.run_id}")

    def cancel(self, run: WorldRun | str, reason: str = "") -> None:
        """Ask a run to stop, and let it clean up as far as that takes no time."""
        handle = self._handle(run)
        self._call(partial(handle.cancel, reason, **self._named({})), f"the cancellation of {handle.run_id}")

    def terminate(self, run: WorldRun | str, reason: str = "") -> None:
        """End a run without asking its code."""
        handle = self._handle(run)
        self._call(partial(handle.terminate, reason, **self._named({})), f"the termination of {handle.run_id}")

    # --- Time --------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The world's time: aware, UTC."""
        return datetime.fromtimestamp(self._driver.clock.now(), UTC)

    def advance(self, duration: Duration) -> None:
        """Let time pass, such as "30d", seconds or a timedelta; what becomes due meanwhile happens at its time."""
        seconds = parse_duration(duration, "advance()", zero=True)
        self._driver.advance_to(self._driver.clock.now() + seconds)
        _tell(self._driver)

    def advance_to(self, time: datetime) -> None:
        """Let time pass until `time`.

        Args:
            time: aware; now or later.

        Raises:
            SettingsError: it has no time zone, or is over already.
        """
        if time.tzinfo is None:
            raise SettingsError(
                f"advance_to({time.isoformat()}) has no time zone", "Write datetime(2030, 1, 2, tzinfo=UTC)."
            )
        if time < self.now:
            raise SettingsError(
                f"{time.isoformat()} is over: it is {self.now.isoformat()} in this world", "Time only goes forward."
            )
        self._driver.advance_to(time.timestamp())
        _tell(self._driver)

    # --- Tasks -------------------------------------------------------------------------------------------------------

    def stub(self, task: Any, *, returns: Any = NOTHING, raises: Any = NOTHING, call: Any = NOTHING) -> None:
        """Let something else answer for a task from now on, also after a crash.

        Args:
            task: a task, or its name.
            returns: what it returns; encoded as the task's own results are.
            raises: the error it raises, in each attempt.
            call: a function, also an async one, that is called with the task's arguments. It may sleep: that takes
                virtual time.

        Raises:
            UnknownNameError: the world knows no such task.
            DefinitionError: it is not exactly one of the three.
        """
        self._cast.stand_in(self._known(task), returns=returns, raises=raises, call=call)

    def unstub(self, task: Any) -> None:
        """Let a task answer for itself again. Raises UnknownNameError."""
        self._cast.stand_ins.pop(self._known(task), None)

    def calls(self, task: Any) -> list[Call]:
        """Return all attempts at a task so far, in order: arguments, number, idempotency key and time of each.

        Raises:
            UnknownNameError: the world knows no such task.
        """
        return list(self._cast.calls.get(self._known(task), ()))

    # --- Crashes -----------------------------------------------------------------------------------------------------

    def crash(self) -> None:
        """Drop the stack as if it had been killed, and start another one on its store.

        What was not recorded is lost; code of tasks that is under way sees CancelledError, and nobody hears how it
        ends.
        """
        self._driver.crash()
        _tell(self._driver)

    def crash_after(self, task: Any) -> None:
        """Crash when the next attempt at a task has had its effect, before anything about it is recorded."""
        self._cast.fatal.add(self._known(task))

    # -----------------------------------------------------------------------------------------------------------------

    def _call(self, function: Callable[[], Awaitable[Result]], what: str) -> Result:
        driver = self._driver
        try:
            result = driver.call(function)
        except Stuck:
            raise WorldStuckError(what, str(self.now), self._open_runs()) from None
        finally:
            _tell(driver)
        return result

    def _handle(self, run: WorldRun | str) -> RunHandle[Any]:
        return self._client.handle(*((run,) if isinstance(run, str) else (run.run_id, run.workflow)))

    def _known(self, task: Any) -> str:
        return self.registry.task(task if isinstance(task, str) else str(task.name)).name

    def _refuse_a_slip(self, handle: RunHandle[Any], signal: str) -> None:
        record = self._call(handle.describe, f"the workflow of {handle.run_id}")
        handlers = tuple(sorted(self.registry.workflow(record.workflow).signals))
        if signal not in handlers and get_close_matches(signal, handlers, 1, LIKENESS):
            raise UnknownNameError("signal", signal, handlers)

    def _named(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        # A message that is sent again after a crash has to be the same message.
        return {"operation_id": f"world-{next(self._numbers)}"} | kwargs

    def _open_runs(self) -> tuple[str, ...]:
        """Describe the runs that have not ended, for an error."""
        local = self._driver.stack.local
        records, _ = self._driver.call(self._client.runs)
        lines = []
        for each in records:
            if each.status not in TERMINAL:
                steps = ", ".join(local.open_steps(each.run_id)) if isinstance(local, Orchestrator) else ""
                why = each.parked or (f"waits for {steps}" if steps else "waits for a message, or for its own code")
                unread = ", ".join(local.unread_signals(each.run_id)) if isinstance(local, Orchestrator) else ""
                why += f"; nobody took: {unread}" if unread else ""
                lines.append(f"{each.run_id} ({each.workflow}) {each.status}: {why}")
        return tuple(lines[:RUNS_NAMED_MAX])


class _Engine:
    """Whichever engine is the present stack's."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver.stack.engine, name)


def _tell(driver: Driver) -> None:
    if driver.divergences:
        divergence = driver.divergences[0]
        driver.divergences.clear()
        raise divergence
