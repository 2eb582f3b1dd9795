"""Tasks: units of real work, as their callers see them.

Owns: `@task`, the definition of a task, a call of it.
Must not know: how a task is run, retried or recorded; engines, workers, stores.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Coroutine
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, Protocol, TypeVar, Unpack, cast, overload

import msgspec

from holdfast.authoring.codec import Schema
from holdfast.authoring.limits import UNLIMITED, Limiting
from holdfast.authoring.options import Retry, TaskOptionValues, check_name, make_limiting, make_options
from holdfast.authoring.outside import locally
from holdfast.authoring.places import module_name, place_of
from holdfast.authoring.recovery import RecoveryTable, Rule, check_table
from holdfast.authoring.results import ResultContract, check_matches, held
from holdfast.authoring.signature import CallSignature
from holdfast.errors import DefinitionError, HoldfastError, OutsideWorkflowError
from holdfast.history import TaskOptions, identifier_problem
from holdfast.ports.runtime import current_runtime

if TYPE_CHECKING:
    from asyncio import Future

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

if TYPE_CHECKING:

    class TaskFuture(Future[R], Coroutine[Any, Any, R]):
        """The outcome of a task under way: awaitable, and welcome wherever asyncio takes a future or a coroutine."""

else:
    from asyncio import Future as TaskFuture

DEFAULTS: Final = TaskOptions()


class TaskDefinition(Generic[P, R]):
    """A task: a function, and how it is to be run. Made by `@task`; calling it inside a workflow issues it."""

    is_async: bool = False
    """Whether the function is a coroutine function."""
    timeout_set: bool = False
    """Whether its author chose the attempt time-out; a sync task then runs where it can be stopped."""
    recovery: tuple[Rule, ...] = ()
    """What is done about its failures, the rule that is looked at first being the first."""
    schedules: tuple[Any, ...] = ()
    """When it is started by itself: the `ScheduleDefinition`s that stand above it."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str,
        options: TaskOptions,
        key: Callable[..., str] | None = None,
        retry: Retry | None = None,
        limiting: Limiting = UNLIMITED,
    ) -> None:
        """Define a task; use `@task`."""
        self.name = name
        self.fn = function
        self.task_options = _limited(options, limiting, name)
        self.key = key
        self.limiting = limiting
        self._is_computed = key is not None or limiting.is_computed
        self.module = module_name(function.__module__)
        self.qualname: str = function.__qualname__
        self.where = place_of(inspect.unwrap(function))
        self.signature = CallSignature(function, name=name)
        self.__wrapped__ = function
        self.__doc__ = function.__doc__
        self.__name__: str = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__
        self._never_again = tuple(each for each in (retry.non_retryable if retry else ()) if isinstance(each, type))
        # Looked up once: these three are on the path of every step.
        self._encode = self.signature.encode_call
        self._decode = self.signature.decode_result

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[R]:
        """Issue the task; inside a workflow only.

        Raises:
            OutsideWorkflowError: no workflow is running here.
            TypeError: the function cannot be called like that.
            EncodeError: an argument cannot travel.
        """
        try:
            runtime = current_runtime.get()
        except LookupError:
            raise _outside(self.name, self.__name__, is_async=self.is_async) from None
        key, options = None, self.task_options
        if self._is_computed:
            key = None if self.key is None else _key_of(self, self.key(*args, **kwargs))
            options = _limited(options, self.limiting, self.name, args, kwargs)
        return cast(
            "TaskFuture[R]", runtime.issue_task(self.name, self._encode(args, kwargs), options, key, self._decode)
        )

    def options(self, *, key: str | None = None, **values: Unpack[TaskOptionValues]) -> BoundTask[P, R]:
        """Return this task with other options, for one call.

        Args:
            key: names the step, `fetch[doc-7]`, instead of its number; unique within an execution.
            values: as in `@task(...)`.

        Raises:
            DefinitionError: an option is unknown or wrong.
        """
        return BoundTask(self, self.task_options, None, self.limiting).options(key=key, **values)

    def is_retryable(self, error: BaseException) -> bool:
        """Say whether another attempt may be made after `error`, by `Retry(non_retryable=...)` and by what it says."""
        is_hopeless = isinstance(error, HoldfastError) and not error.retryable
        return not is_hopeless and not isinstance(error, self._never_again)

    def options_for(self, payload: bytes) -> TaskOptions:
        """Return the options of a call with this input, as JSON text. Raises InputError."""
        if not self.limiting.is_computed:
            return self.task_options
        args, kwargs = self.signature.decode_call(payload)
        return _limited(self.task_options, self.limiting, self.name, args, kwargs)

    def input_schema(self) -> Schema:
        """Return the JSON Schema (draft 2020-12) of the task's input."""
        return self.signature.input_schema()

    def output_schema(self) -> Schema:
        """Return the JSON Schema (draft 2020-12) of the task's result."""
        return self.signature.output_schema()

    def __repr__(self) -> str:
        return f"<task {self.name!r} ({self.where})>"


class AsyncTask(TaskDefinition[P, R]):
    """A task whose function is a coroutine function."""

    is_async = True

    async def local(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the plain function here and now: no retries, no record. For unit tests."""
        with locally(self.name):
            return cast("R", await self.fn(*args, **kwargs))


class SyncTask(TaskDefinition[P, R]):
    """A task whose function is an ordinary function."""

    def local(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the plain function here and now: no retries, no record. For unit tests."""
        with locally(self.name):
            return cast("R", self.fn(*args, **kwargs))


class BoundTask(Generic[P, R]):
    """A task with options of its own, for one call. Made by `.options(...)`."""

    __slots__ = ("definition", "key", "limiting", "task_options")

    def __init__(
        self, definition: TaskDefinition[P, R], options: TaskOptions, key: str | None, limiting: Limiting = UNLIMITED
    ) -> None:
        """Bind options to a task; use `.options(...)`."""
        self.definition = definition
        self.task_options = options
        self.key = key
        self.limiting = limiting

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[R]:
        """Issue the task; inside a workflow only. See `TaskDefinition.__call__`."""
        task = self.definition
        try:
            runtime = current_runtime.get()
        except LookupError:
            raise _outside(task.name, task.__name__, is_async=task.is_async) from None
        key = self.key
        if key is None and task.key is not None:
            key = _key_of(task, task.key(*args, **kwargs))
        options = self.task_options
        if self.limiting.is_computed:
            options = _limited(options, self.limiting, task.name, args, kwargs)
        payload = task.signature.encode_call(args, kwargs)
        future = runtime.issue_task(task.name, payload, options, key, task.signature.decode_result)
        return cast("TaskFuture[R]", future)

    def options(self, *, key: str | None = None, **values: Unpack[TaskOptionValues]) -> BoundTask[P, R]:
        """Return this call with further options. See `TaskDefinition.options`."""
        task = self.definition
        options = make_options(self.task_options, values, task=task.name) if values else self.task_options
        _check_isolation(options, task.name, "", is_async=task.is_async)
        limiting = make_limiting(self.limiting, values, task=task.name)
        if limiting is not self.limiting:
            options = _limited(options, limiting, task.name)
        return BoundTask(task, options, self.key if key is None else _key_of(task, key), limiting)


class TaskDecorator(Protocol):
    """What `@task(...)` returns."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # a coroutine function is the narrower case
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> SyncTask[P, R]: ...


@overload
def task(  # type: ignore[overload-overlap]  # a coroutine function is the narrower case
    function: Callable[P, Coroutine[Any, Any, R]], /
) -> AsyncTask[P, R]: ...
@overload
def task(function: Callable[P, R], /) -> SyncTask[P, R]: ...
@overload
def task(
    *,
    name: str | None = None,
    key: Callable[..., str] | None = None,
    contract: ResultContract = None,
    matches: Collection[str] = (),
    recovery: RecoveryTable | None = None,
    **values: Unpack[TaskOptionValues],
) -> TaskDecorator: ...
def task(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    key: Callable[..., str] | None = None,
    contract: ResultContract = None,
    matches: Collection[str] = (),
    recovery: RecoveryTable | None = None,
    **values: Unpack[TaskOptionValues],
) -> Any:
    """Make a function a task: retried, timed, and recorded when a workflow calls it.

    ```python
    @task(timeout="60s", retry=Retry(attempts=3, non_retryable=[ValueError]))
    async def fetch(url: str) -> Page: ...
    ```

    Args:
        function: a sync or async function whose arguments and result are JSON values or typed (see the payload rule).
        name: its name in histories, the function's own by default. Renaming it breaks runs that are under way.
        key: computes the step's key from the call's arguments.
        contract: what its result has to be, besides what its annotation says: a type, or "learn" for what the fleet
            has learned of the results before. One that breaks it is not recorded: the run is parked (`ApiDrift`).
        matches: with "learn", paths of fields of the result on which code matches, such as "status": a text that was
            never seen there breaks the contract.
        recovery: what is done about failures, by their class, before `retry` is looked at:
            `{"http:503": Recovery.retry(after="30s"), CardDeclined: Recovery.compensate()}`.
        values: `pool` ("default"), `timeout` of one attempt ("10m"; None for no limit), `queue_timeout`,
            `total_timeout`, `heartbeat_timeout` (all three off), `retry`, `isolation` ("auto"), `priority` (0; higher
            goes first), `record` ("auto"; "before" makes the call durable before the attempt starts). And what a call
            waits for besides a free slot: `concurrency` (so many at once, or a `Concurrency`), `rate` (a `Rate`, or
            several), `fairness_key` (text, or computed from the call's arguments: calls of different keys take turns),
            `delay` (from the call until it may start). And where it had better run: `prefix` (an `LLM` with a cached
            prefix, what `cached(...)` returns, a digest, or computed from the call's arguments: workers that hold that
            prefix go first).

    Raises:
        DefinitionError: it is no function, or an option is wrong.
    """

    def decorate(function: Any) -> TaskDefinition[Any, Any]:
        _check_function(function)
        where = place_of(inspect.unwrap(function))
        options = make_options(DEFAULTS, values, task=function.__name__, where=where)
        is_async = inspect.iscoroutinefunction(function)
        _check_isolation(options, function.__name__, where, is_async=is_async)
        if key is not None and not callable(key):
            raise DefinitionError(
                f"key= of task {function.__name__!r} is {key!r}, the same for every call",
                where,
                "Compute it: key=lambda path: path. For one call: .options(key=...).",
            )
        kind: type[TaskDefinition[Any, Any]] = AsyncTask if is_async else SyncTask
        definition = kind(
            function,
            name=check_name("task", name or function.__name__, where),
            options=options,
            key=key,
            retry=values.get("retry"),
            limiting=make_limiting(UNLIMITED, values, task=function.__name__, where=where),
        )
        definition.timeout_set = "timeout" in values
        if recovery is not None:
            try:
                definition.recovery = check_table(recovery)
            except DefinitionError as error:
                raise DefinitionError(f"task {definition.name!r}: {error.what}", where, error.remedy) from None
        if contract is not None:
            definition.fn = held(
                function, definition.name, definition.signature, contract, check_matches(matches), is_async=is_async
            )
        return definition

    return decorate if function is None else decorate(function)


def plain_task(function: Callable[..., Any]) -> TaskDefinition[Any, Any]:
    """Return the task that an unchanged plain function is, named `module:function`.

    Raises:
        DefinitionError: it is no function of a module's top level, so no other process could find it.
    """
    if isinstance(function, TaskDefinition):
        return function
    _check_function(function)
    if "<" in function.__qualname__:
        raise DefinitionError(
            f"{function.__qualname__} is local to another function, so a worker cannot find it",
            place_of(inspect.unwrap(function)),
            "Move it to the top level of its module.",
        )
    kind: type[TaskDefinition[Any, Any]] = AsyncTask if inspect.iscoroutinefunction(function) else SyncTask
    return kind(function, name=plain_name(function), options=DEFAULTS)


def plain_name(function: Callable[..., Any]) -> str:
    """Return the name under which a plain function is submitted: `module:function`."""
    return f"{module_name(function.__module__)}:{function.__qualname__}"


def _limited(
    options: TaskOptions, limiting: Limiting, task: str, args: tuple[Any, ...] | None = None, kwargs: Any = None
) -> TaskOptions:
    """Return options with what a call of `task` waits for; without arguments, unless it depends on them."""
    if args is None and limiting.is_computed:
        return options
    limits = limiting.limits(task, args or (), kwargs or {})
    return options if limits == options.limits else msgspec.structs.replace(options, limits=limits)


def _check_function(function: Any) -> None:
    if isinstance(function, TaskDefinition):
        raise DefinitionError(f"{function.name!r} is a task already", function.where, "Use @task once.")
    if isinstance(function, type):
        raise DefinitionError(
            f"{function.__qualname__} is a class, and a task is a function",
            place_of(function),
            "Use @workflow for classes.",
        )
    if isinstance(function, staticmethod | classmethod) or not callable(function) or not hasattr(function, "__code__"):
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is None or isinstance(function, staticmethod | classmethod) or not callable(function):
            raise DefinitionError(
                f"{function!r} is no function",
                remedy="Put @task on a function of its own: def work(...), at the top level of a module.",
            )
    first = next(iter(inspect.signature(function).parameters), "")
    if first in {"self", "cls"} and "." in function.__qualname__.rpartition("<locals>.")[2]:
        raise DefinitionError(
            f"{function.__qualname__} is a method, and a task is a function",
            place_of(inspect.unwrap(function)),
            "A worker has no instance to call it on: move it to the top level of its module.",
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(
            f"{function.__qualname__} is a generator, and a task returns one result",
            place_of(inspect.unwrap(function)),
            "Return a list, or report on the way with heartbeat(progress).",
        )


def _check_isolation(options: TaskOptions, task: str, where: str, *, is_async: bool) -> None:
    if options.isolation == "async" and not is_async:
        raise DefinitionError(
            f"task {task!r} is a sync function and cannot run with isolation='async'",
            where,
            "It would block the worker's loop. Use 'thread', 'process', or `async def`.",
        )
    if options.isolation == "thread" and is_async:
        raise DefinitionError(
            f"task {task!r} is a coroutine function and cannot run with isolation='thread'",
            where,
            "Use 'async' or 'process', or make it a sync function.",
        )


def _key_of(definition: TaskDefinition[Any, Any], key: Any) -> str:
    if not isinstance(key, str) or not key or len(key) > KEY_CHARACTERS_MAX:
        raise TypeError(
            f"the key of a call of {definition.name} is {key!r}: "
            f"it has to be text of 1 to {KEY_CHARACTERS_MAX} characters"
        )
    if problem := identifier_problem(key):
        raise TypeError(f"the key of a call of {definition.name} {problem}")
    return key


KEY_CHARACTERS_MAX: Final = 1_000


def _outside(name: str, function: str, *, is_async: bool) -> OutsideWorkflowError:
    from holdfast.authoring.places import calling_place

    local = f"await {function}.local(...)" if is_async else f"{function}.local(...)"
    return OutsideWorkflowError(
        f"task {name!r} was called outside a workflow",
        calling_place(),
        f"Nothing would make this call durable. In a unit test: {local}\n"
        f"To run it durably without a workflow: app.submit({function}, ...)",
    )
