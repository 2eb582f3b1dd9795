"""Values from outside that are recorded: `side_effect`.

Owns: the function's call, and how its value travels.
Must not know: who calls it, when, or how often.
"""

from __future__ import annotations

import inspect
from asyncio import Future
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

from holdfast.authoring.choice import codec_of_result
from holdfast.authoring.codec import ValueCodec
from holdfast.authoring.inside import running
from holdfast.authoring.places import calling_place
from holdfast.authoring.task import TaskDefinition
from holdfast.errors import DefinitionError

R = TypeVar("R")


@overload
def side_effect(function: Callable[[], Awaitable[R]]) -> Future[R]: ...
@overload
def side_effect(function: Callable[[], R]) -> Future[R]: ...
def side_effect(function: Callable[[], Any]) -> Future[Any]:
    """Call a function once, record what it returns, and give that in every replay.

    For a value that workflow code may not ask for itself, and that is not worth a task: an environment variable, a
    feature flag, a number from outside. There are no retries and no time-outs, and a sync function keeps its process
    from everything else while it runs: what takes long, or may fail, is a task.

    ```python
    region = await side_effect(lambda: os.environ["REGION"])
    ```

    Args:
        function: takes nothing. It is called outside the workflow, at least once until its value is recorded, and may
            not call functions for workflows. What it is annotated to return is the type of the value; without an
            annotation it is plain JSON.

    Returns:
        A future of the value; it is cancelled with whoever awaits it.

    Raises:
        TaskError: awaiting it, when the function raised; that is recorded too.
        DefinitionError: `function` is a task, or takes arguments.
        OutsideWorkflowError: no workflow is running here.
    """
    runtime = running("side_effect()", "Elsewhere: call the function.")
    words = getattr(function, "__qualname__", None) or repr(function)
    _check(function, words)
    codec = codec_of_result(function, f"result of side effect {words}")

    def call() -> bytes | Awaitable[bytes]:
        value = function()
        return _encoded(codec, value) if inspect.isawaitable(value) else codec.encode(value)

    return runtime.side_effect(call, codec.decode)


def _check(function: Any, words: str) -> None:
    if isinstance(function, TaskDefinition):
        raise DefinitionError(
            f"side_effect() was given the task {function.name!r}",
            calling_place(),
            f"A task is recorded by itself: await {function.name}(...)",
        )
    try:
        inspect.signature(function).bind()
    except TypeError:
        raise DefinitionError(
            f"side_effect() calls {words} with nothing, and it takes arguments",
            calling_place(),
            "Give it a lambda: await side_effect(lambda: read_flag('beta'))",
        ) from None
    except ValueError:
        pass  # some functions written in C do not say what they take


async def _encoded(codec: ValueCodec, value: Awaitable[Any]) -> bytes:
    return codec.encode(await value)
