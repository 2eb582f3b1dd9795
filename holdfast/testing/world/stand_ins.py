"""Attempts in a world: answered by the test where it said so, and noted either way.

Owns: stand-ins, the list of calls, and the attempt after which the world is to crash.
Must not know: loops, clocks, stores.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from holdfast.authoring import Registry
from holdfast.errors import DefinitionError
from holdfast.history import TaskOptions
from holdfast.ports.clock import Clock
from holdfast.ports.task import AttemptOutcome, RunningAttempt, TaskCall
from holdfast.worker import LocalRunner

NOTHING: Final = object()
"""What an argument is that was not given."""

Done = Callable[[TaskCall, AttemptOutcome], None]


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt at a task, as its code saw it."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    attempt: int
    """1 for the first."""
    idempotency_key: str
    run_id: str
    at: datetime
    """When it began: aware, UTC."""


class StandIn:
    """A task's definition with other code. See `holdfast.worker.attempt.Executable`."""

    is_async = True

    def __init__(self, definition: Any, answer: Callable[..., Any]) -> None:
        """Answer calls of `definition` by `answer`, whose result may be a coroutine."""
        self.name: str = definition.name
        self.signature = definition.signature
        self._definition = definition
        self._answer = answer

    async def fn(self, *args: Any, **kwargs: Any) -> Any:
        """Answer one call."""
        answer = self._answer(*args, **kwargs)
        return await answer if inspect.isawaitable(answer) else answer

    def is_retryable(self, error: BaseException) -> bool:
        """Say what the task itself would."""
        return bool(self._definition.is_retryable(error))


@dataclass(slots=True)
class Cast:
    """What a test has said about tasks, and what it can ask about them. Outlives every crash of its world."""

    registry: Registry
    stand_ins: dict[str, StandIn] = field(default_factory=dict)
    calls: dict[str, list[Call]] = field(default_factory=dict)
    fatal: set[str] = field(default_factory=set)
    """Tasks after whose next effect the world crashes."""

    def task(self, name: str) -> StandIn:
        """Return a stand-in; the registry that the runner of stand-ins knows."""
        return self.stand_ins[name]

    def stand_in(self, task: str, *, returns: Any, raises: Any, call: Any) -> None:
        """Let `task` be answered.

        Raises:
            UnknownNameError: there is no such task.
            DefinitionError: it is not exactly one answer.
        """
        definition = self.registry.task(task)
        given = [each for each in (returns, raises, call) if each is not NOTHING]
        if len(given) != 1:
            raise DefinitionError(
                f"the stand-in of task {task!r} has {len(given)} answers",
                remedy="Give one of returns=VALUE, raises=ERROR, call=FUNCTION.",
            )
        answer = call if call is not NOTHING else _raising(raises) if raises is not NOTHING else _returning(returns)
        self.stand_ins[task] = StandIn(definition, answer)

    def note(self, call: TaskCall, at: float) -> None:
        """Note an attempt that begins."""
        args, kwargs = self.registry.task(call.task).signature.decode_call(call.input)
        self.calls.setdefault(call.task, []).append(
            Call(
                tuple(args),
                dict(kwargs),
                call.attempt,
                call.idempotency_key,
                call.run_id,
                datetime.fromtimestamp(at, UTC),
            )
        )


class CastRunner:
    """Runs attempts: stand-ins where there are some, the tasks' own code elsewhere. Implements `Runner`."""

    def __init__(
        self, cast: Cast, registry: Registry, clock: Clock, worn: Callable[[], None], die: Callable[[], None]
    ) -> None:
        """Run on the event loop that is running now; `die` is called when the world is to crash."""
        self._cast = cast
        self._clock = clock
        self._die = die
        self._real = LocalRunner(registry, clock, worn=worn)
        self._outside = 0
        self._runners: dict[StandIn, LocalRunner] = {}
        self._enter: Callable[[TaskCall, Context], None] | None = None
        self._options: dict[int, tuple[TaskOptions, TaskOptions]] = {}

    @property
    def enter(self) -> Callable[[TaskCall, Context], None] | None:
        """What is called with each attempt and its contextvars. See `TaskRunner`."""
        return self._enter

    @enter.setter
    def enter(self, enter: Callable[[TaskCall, Context], None] | None) -> None:
        self._enter = enter
        for each in (self._real, *self._runners.values()):
            each.enter = enter

    @property
    def is_outside(self) -> bool:
        """Whether attempts are under way in threads or child processes."""
        return self._outside > 0

    def knows(self, task: str) -> bool:
        """Say whether there is code for a task."""
        return self._real.knows(task)

    def is_quick(self, task: str, options: TaskOptions) -> bool:
        """Say whether an attempt may start before its call is recorded: what production would say."""
        return self._real.is_quick(task, options)

    def start(self, call: TaskCall, done: Done) -> RunningAttempt | None:
        """Start an attempt. See `TaskRunner.start`."""
        self._cast.note(call, self._clock.now())
        stand_in = self._cast.stand_ins.get(call.task)
        if stand_in is not None:
            return self._runner_of(stand_in).start(self._on_the_loop(call), self._telling(done))
        if self._real.isolation(call.task, call.options) == "async":
            return self._real.start(call, self._telling(done))
        self._outside += 1

        def ended(call: TaskCall, outcome: AttemptOutcome) -> None:
            self._outside -= 1
            self._telling(done)(call, outcome)

        return self._real.start(call, ended)

    async def close(self) -> None:
        """Stop everything that runs."""
        await self._real.close()
        for runner in self._runners.values():
            await runner.close()

    def _runner_of(self, stand_in: StandIn) -> LocalRunner:
        # A runner remembers what it decided about a task, so each stand-in has one of its own.
        runner = self._runners.get(stand_in)
        if runner is None:
            runner = self._runners[stand_in] = LocalRunner(self._cast, self._clock)
            runner.enter = self._enter
        return runner

    def _on_the_loop(self, call: TaskCall) -> TaskCall:
        kept = self._options.get(id(call.options))
        if kept is None or kept[0] is not call.options:
            kept = (call.options, msgspec.structs.replace(call.options, isolation="async"))
            self._options[id(call.options)] = kept
        return msgspec.structs.replace(call, options=kept[1])

    def _telling(self, done: Done) -> Done:
        def told(call: TaskCall, outcome: AttemptOutcome) -> None:
            if call.task in self._cast.fatal:
                self._cast.fatal.discard(call.task)
                self._die()  # it has had its effect, and nobody hears of it
            else:
                done(call, outcome)

        return told


def _returning(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


def _raising(error: Any) -> Callable[..., Any]:
    def answer(*_: Any, **__: Any) -> Any:
        raise error

    return answer
