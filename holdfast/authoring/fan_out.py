"""One task over many items: `map_tasks` and its results.

Owns: reading the items, the two ways to take failures, the lazy sequence of results.
Must not know: where outcomes are stored, how items are run.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar, Unpack, cast, overload

import msgspec

from holdfast.authoring.inside import running
from holdfast.authoring.options import TaskOptionValues
from holdfast.authoring.task import BoundTask, TaskDefinition, TaskFuture
from holdfast.errors import DefinitionError, FanOutError, TaskError
from holdfast.history import Failure, TaskOptions
from holdfast.ports.runtime import FanOutOutcome

T = TypeVar("T")
R = TypeVar("R")

ITEMS_MAX: Final = 1_000_000
"""How many items one fan-out may have."""
SHOWN_MAX: Final = 3
"""How many results `repr` shows."""

_decode_failure = msgspec.msgpack.Decoder(Failure).decode


@dataclass(frozen=True, slots=True)
class Ok(Generic[T]):
    """The result of an item that succeeded."""

    value: T


@dataclass(frozen=True, slots=True)
class Err:
    """The failure of an item."""

    error: TaskError
    """What a call of the task would have raised."""


@overload
def map_tasks(
    task: TaskDefinition[..., R] | BoundTask[..., R],
    items: Iterable[Any],
    *,
    key: str | None = None,
    on_error: Literal["raise"] = "raise",
    error_budget: None = None,
    **options: Unpack[TaskOptionValues],
) -> TaskFuture[Results[R]]: ...
@overload
def map_tasks(
    task: TaskDefinition[..., R] | BoundTask[..., R],
    items: Iterable[Any],
    *,
    key: str | None = None,
    on_error: Literal["collect"],
    error_budget: float | None = None,
    **options: Unpack[TaskOptionValues],
) -> TaskFuture[Results[Ok[R] | Err]]: ...
def map_tasks(
    task: TaskDefinition[..., Any] | BoundTask[..., Any],
    items: Iterable[Any],
    *,
    key: str | None = None,
    on_error: str = "raise",
    error_budget: float | None = None,
    **options: Unpack[TaskOptionValues],
) -> Any:
    """Run a task once for each item, and return a future of all results in the items' order.

    However many items there are, history grows by two events, and results are read when they are looked at.

    ```python
    reports = await map_tasks(summarize, batch.documents)
    prices = await map_tasks(convert, [(10, "EUR"), (20, "USD")], on_error="collect", error_budget=0.05)
    ```

    Args:
        task: the task, or one with `.options(...)`.
        items: one call each. A task of one parameter gets the item as it is; one of several parameters gets a tuple's
            members as its arguments, or an item that is no tuple as its first.
        key: names the step, `map[invoices]`, instead of its number.
        on_error: "raise" gives up with the first item that fails for good; "collect" goes on, and every result is
            `Ok(value)` or `Err(error)`.
        error_budget: with "collect": give up when more items than this fail; a whole number of items, or a share of
            them below 1.
        options: as in `.options(...)`, for every item.

    Raises:
        FanOutError: (from the future) more items failed than may.
        TypeError: an item does not fit the task's parameters, or the items have no order.
        EncodeError: an item cannot travel.
        OutsideWorkflowError: no workflow is running here.
    """
    runtime = running("map_tasks()", "Elsewhere: start a workflow that maps, or app.submit(task, item) for each item.")
    if not isinstance(task, TaskDefinition | BoundTask):
        raise DefinitionError(f"map_tasks() takes a task first, and {task!r} is none", remedy="Put @task on it.")
    call = task.options(**options) if options or isinstance(task, TaskDefinition) else task
    if call.key is not None:
        raise DefinitionError(
            "map_tasks() got a task with a key for one call", remedy="Name the whole fan-out: map_tasks(..., key=...)."
        )
    if call.limiting.binds:
        raise DefinitionError(
            f"map_tasks() over {call.definition.name!r}, which has limits: items of a fan-out have none of their own",
            remedy="Call the task for each item, with asyncio.gather; or map without them: "
            "map_tasks(..., concurrency=None, rate=None, fairness_key=None, delay=None).",
        )
    definition = call.definition
    payloads = _payloads(definition, items)
    failures_max = _failures_max(on_error, error_budget, len(payloads))
    decode = definition.signature.decode_result
    collect = on_error == "collect"
    return runtime.issue_fan_out(
        definition.name,
        payloads,
        _without_prefix(call.task_options),
        key,
        failures_max,
        lambda outcome: _results(outcome, decode, definition.name, collect=collect),
    )


def _without_prefix(options: TaskOptions) -> TaskOptions:
    # Items of a fan-out are claimed many at a time, by whoever has room.
    return options if options.limits is None else msgspec.structs.replace(options, limits=None)


class Results(Sequence[R]):
    """The results of a fan-out, read when they are looked at. Read-only; compares equal to a list of the same.

    Passed to a task as an argument it travels as the list it stands for, without being decoded.
    """

    __slots__ = ("_decode", "_outcome", "_range", "_task", "_wrap")

    def __init__(
        self, outcome: FanOutOutcome, decode: Callable[[bytes], Any], task: str, places: range, *, wrap: bool
    ) -> None:
        """Read `outcome` at `places`; `wrap` gives Ok and Err instead of plain results."""
        self._outcome = outcome
        self._decode = decode
        self._task = task
        self._range = places
        self._wrap = wrap

    @property
    def failed(self) -> int:
        """How many items of the whole fan-out failed."""
        return self._outcome.failed

    def __len__(self) -> int:
        return len(self._range)

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> Results[R]: ...
    def __getitem__(self, index: int | slice) -> R | Results[R]:
        """Return one result, or a view of some.

        Raises:
            IndexError: there are not so many.
            InputError: the result does not fit the task's declared type any more.
        """
        if isinstance(index, slice):
            return Results(self._outcome, self._decode, self._task, self._range[index], wrap=self._wrap)
        return self._read(self._range[index])

    def __iter__(self) -> Iterator[R]:
        return map(self._read, self._range)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Results | list | tuple):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # equal to lists, which have none

    def __repr__(self) -> str:
        shown = [repr(each) for each in self[:SHOWN_MAX]]
        rest = [f"… {len(self) - SHOWN_MAX:,} more"] if len(self) > SHOWN_MAX else []
        return f"[{', '.join(shown + rest)}]"

    def __holdfast_json__(self) -> bytes:
        """Return the list of results as JSON text, as they were recorded."""
        if self._wrap:
            return b"[" + b",".join(self._wrapped_json(index) for index in self._range) + b"]"
        return b"[" + b",".join(self._outcome.get(index)[1] for index in self._range) + b"]"

    def _read(self, index: int) -> R:
        succeeded, body = self._outcome.get(index)
        if succeeded:
            value = self._decode(body)
            return cast("R", Ok(value)) if self._wrap else cast("R", value)
        return cast("R", Err(_task_error(self._task, index, body)))

    def _wrapped_json(self, index: int) -> bytes:
        succeeded, body = self._outcome.get(index)
        if succeeded:
            return b'{"value":' + body + b"}"
        failure = _decode_failure(body)
        return msgspec.json.encode({"error": {"type": failure.type, "message": failure.message}})


def _payloads(task: TaskDefinition[..., Any], items: Iterable[Any]) -> list[bytes]:
    if isinstance(items, AbstractSet | AsyncIterable) or not isinstance(items, Iterable):
        raise TypeError(
            f"map_tasks({task.name}) got a {type(items).__name__}: "
            "items need an order that every replay repeats. Give it a list, such as sorted(items)."
        )
    if isinstance(items, Mapping | str | bytes):
        raise TypeError(f"map_tasks({task.name}) got a {type(items).__name__}. Give it a list of items.")
    several = len(task.signature.parameters) > 1
    encode = task.signature.encode_call
    payloads: list[bytes] = []
    for index, item in enumerate(items):
        if index >= ITEMS_MAX:
            raise ValueError(f"map_tasks({task.name}) got more than {ITEMS_MAX:,} items (ITEMS_MAX)")
        payloads.append(encode(item if several and type(item) is tuple else (item,), {}))
    return payloads


def _failures_max(on_error: str, error_budget: float | None, count: int) -> int:
    if on_error not in {"raise", "collect"}:
        raise DefinitionError(f"map_tasks(on_error={on_error!r}): it is 'raise' or 'collect'")
    if error_budget is None:
        return 0 if on_error == "raise" else -1
    if on_error == "raise":
        raise DefinitionError("map_tasks(error_budget=...) needs on_error='collect': items that failed have no result")
    given: Any = error_budget  # whatever the annotation says
    if isinstance(given, bool) or not isinstance(given, int | float) or given < 0:
        raise DefinitionError(f"map_tasks(error_budget={error_budget!r}): it is a number of items, or a share below 1")
    if isinstance(error_budget, int):
        return error_budget
    if error_budget < 1:
        return math.floor(error_budget * count)
    raise DefinitionError(f"map_tasks(error_budget={error_budget!r}): a share is below 1, a number of items is whole")


def _results(outcome: FanOutOutcome, decode: Callable[[bytes], Any], task: str, *, collect: bool) -> Results[Any]:
    if not collect and outcome.failed:
        # Engines raise this themselves; an engine that did not must not hand out failures as results.
        index = next(each for each in range(outcome.count) if not outcome.get(each)[0])
        failure = _decode_failure(outcome.get(index)[1])
        raise FanOutError(task, failure.type, failure.message, 1, failure.traceback, outcome.failed, index)
    return Results(outcome, decode, task, range(outcome.count), wrap=collect)


def _task_error(task: str, index: int, body: bytes) -> TaskError:
    failure = _decode_failure(body)
    return TaskError(f"{task}[{index}]", failure.type, failure.message, traceback=failure.traceback)
