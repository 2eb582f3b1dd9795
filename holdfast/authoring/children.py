"""Other runs, as workflow code sees them: children, runs it has not started, and its own continuation.

Owns: `start_child`, `get_run`, `continue_as_new`, and the types of what they return.
Must not know: which engine starts runs and carries messages.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, Protocol, TypeVar, cast, overload

from holdfast.authoring.durations import Duration, parse_duration
from holdfast.authoring.inside import running
from holdfast.authoring.places import calling_place
from holdfast.authoring.references import encode_message, startable
from holdfast.authoring.workflow import WorkflowDefinition
from holdfast.errors import DefinitionError
from holdfast.history import AttributeValue, check_memo, encode_attributes, identifier_problem
from holdfast.ports.runtime import ChildCall, WorkflowRuntime

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

if TYPE_CHECKING:

    class Child(Future[R], Coroutine[Any, Any, R]):
        """A child under way: awaitable, and welcome wherever asyncio takes a future or a coroutine.

        `cancel()` asks the child to stop, and awaiting it goes on until it has: as with a task of asyncio.
        """

        run_id: str
        """The child's run id."""

        @property
        def started(self) -> Future[str]:
            """A future of the child's execution, such as `ord-1:pay#1`, once it is durable. Raises ChildError."""

        def signal(self, signal: Any, *args: Any, **kwargs: Any) -> Future[None]:
            """Send a signal, given as a handler such as `Pay.approve` or by name; awaited, it is delivered."""

else:
    from asyncio import Future as Child

ParentClose = Literal["terminate", "cancel", "abandon"]
PARENT_CLOSE: Final = ("terminate", "cancel", "abandon")
CHILD_ID_CHARACTERS_MAX: Final = 255


class Runnable(Protocol[R_co]):
    """A workflow's class, as far as a type checker looks at it."""

    @property
    def run(self) -> Callable[..., Coroutine[Any, Any, R_co]]:
        """The run."""


@overload
def start_child(
    workflow: WorkflowDefinition[..., R],
    *args: Any,
    id: str | None = None,
    key: str | None = None,
    parent_close: ParentClose = "terminate",
    timeout: Duration | None = None,
    attributes: Mapping[str, AttributeValue | None] | None = None,
    memo: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> Child[R]: ...
@overload
def start_child(
    workflow: type[Runnable[R]],
    *args: Any,
    id: str | None = None,
    key: str | None = None,
    parent_close: ParentClose = "terminate",
    timeout: Duration | None = None,
    attributes: Mapping[str, AttributeValue | None] | None = None,
    memo: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> Child[R]: ...
@overload
def start_child(
    workflow: str,
    *args: Any,
    id: str | None = None,
    key: str | None = None,
    parent_close: ParentClose = "terminate",
    timeout: Duration | None = None,
    attributes: Mapping[str, AttributeValue | None] | None = None,
    memo: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> Child[Any]: ...
def start_child(
    workflow: Any,
    *args: Any,
    id: str | None = None,
    key: str | None = None,
    parent_close: ParentClose = "terminate",
    timeout: Duration | None = None,
    attributes: Mapping[str, AttributeValue | None] | None = None,
    memo: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> Child[Any]:
    """Start a child: a run of its own, with its own history. Returns at once; await it for its result.

    ```python
    child = start_child(Pay, order, key=order.id)
    print(await child.started)       # ord-1:Pay[7]: from here on it exists, whatever happens
    receipt = await child            # or raises ChildError
    ```

    Args:
        workflow: a workflow, or its registered name.
        args: the child's input.
        id: its run id; by default made of this execution and the step, so that no replay and no crash makes another.
            An id that names the same work already, open or ended, gives that run; other work is refused.
        key: names the step, `Pay[7]`, instead of its number; unique within an execution.
        parent_close: what becomes of the child when this run ends before it: it is terminated, asked to stop
            (`cancel`) or left alone (`abandon`). A run that was cancelled only asks.
        timeout: how long it may take, with all executions it goes on as, such as `"2h"` or 90 seconds; then it ends as
            TIMED_OUT. By default for ever. One that is found is left its own.
        attributes: what it is to be found by, such as `{"region": "eu"}`: as `set_attributes`. One that is found is
            left its own.
        memo: what to note about it, as text by name. One that is found is left its own.
        kwargs: the child's input.

    Raises:
        OutsideWorkflowError: no workflow is running here.
        DefinitionError: `parent_close`, `id` or `timeout` cannot be.
        EncodeError: the input cannot travel.
        InputError: the attributes or the memo do not fit.
    """
    runtime = running("start_child()", "From outside: await client.start(...)")
    if parent_close not in PARENT_CLOSE:
        raise DefinitionError(
            f"parent_close={parent_close!r} of start_child() is none of {', '.join(PARENT_CLOSE)}", calling_place()
        )
    for what, given in (("id", id), ("key", key)):
        text: Any = given  # whatever the annotation says
        if text is not None and (not isinstance(text, str) or not 1 <= len(text) <= CHILD_ID_CHARACTERS_MAX):
            raise DefinitionError(
                f"{what}={given!r} of start_child() has to be text of 1 to {CHILD_ID_CHARACTERS_MAX} characters",
                calling_place(),
            )
        if text is not None and (problem := identifier_problem(text)):
            raise DefinitionError(f"{what} of start_child() {problem}", calling_place())
    target = startable(workflow)
    call = ChildCall(
        workflow=target.name,
        payload=target.encode_call(args, kwargs),
        run_id=id,
        key=key,
        parent_close=parent_close,
        code_version=target.code_version,
        decode=target.decode_result,
        encode_message=encode_message,
        timeout=0.0 if timeout is None else parse_duration(timeout, "timeout of start_child()"),
        attributes=encode_attributes(attributes or {}),
        memo=check_memo(memo or {}),
    )
    return cast("Child[Any]", runtime.start_child(call))


def get_run(run_id: str) -> OtherRun:
    """Refer to any run by its id, to signal or cancel it from workflow code.

    ```python
    await get_run("stock-7").signal(Stock.reserve, sku="a-1")
    ```

    Raises:
        OutsideWorkflowError: no workflow is running here.
    """
    return OtherRun(running("get_run()", "From outside: client.handle(run_id)"), run_id)


class OtherRun:
    """A run that workflow code sends messages to. Made by `get_run`."""

    __slots__ = ("_runtime", "run_id")

    def __init__(self, runtime: WorkflowRuntime, run_id: str) -> None:
        """Refer to run `run_id`; use `get_run`."""
        self._runtime = runtime
        self.run_id = run_id

    def __repr__(self) -> str:
        """Return the type and the run id."""
        return f"OtherRun({self.run_id!r})"

    def signal(self, signal: Any, *args: Any, **kwargs: Any) -> Future[None]:
        """Send a signal, exactly once; awaited, it is in the run's inbox, or MessageError says why not.

        Args:
            signal: a handler such as `Stock.reserve`, or its name.
            args: the handler's arguments.
            kwargs: the handler's arguments.
        """
        name, payload = encode_message(signal, args, kwargs)
        return self._runtime.signal_run(self.run_id, name, payload)

    def cancel(self, reason: str = "") -> Future[None]:
        """Ask the run to stop: its code sees `CancelledError`. Awaited, the request is in the run's inbox."""
        return self._runtime.cancel_run(self.run_id, reason)


def continue_as_new(*args: Any, **kwargs: Any) -> NoReturn:
    """End this execution, and let the run go on as a new one, `ord-1@2`, with this input and an empty history.

    Signals that nobody has taken go along, and so do children. Locks are given back. Whoever refers to the run by its
    id, waits for its result or is its parent notices nothing.

    Args:
        args: the new execution's input.
        kwargs: the new execution's input.

    Raises:
        OutsideWorkflowError: no workflow is running here.
        EncodeError: the input cannot travel.
    """
    running("continue_as_new()", "").continue_as_new(args, kwargs)
