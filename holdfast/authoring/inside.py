"""What workflow code may ask about itself, and wait for.

Owns: `now`, `random`, `uuid4`, `run_info`, `patched`, `deprecate_patch`, `wait_for_signal`, `all_handlers_finished`.
Must not know: which engine answers.

Each of these answers the same in every replay of a run, which is why workflow code asks here and not Python.
"""

from __future__ import annotations

import asyncio
import random as standard_random
from datetime import datetime
from typing import Any, TypeVar, overload
from uuid import UUID

from holdfast.authoring.choice import codec_for
from holdfast.authoring.durations import Duration, parse_duration
from holdfast.authoring.messages import MessageHandler
from holdfast.authoring.options import check_name
from holdfast.authoring.places import calling_place
from holdfast.errors import DefinitionError, OutsideWorkflowError
from holdfast.ports.runtime import RunInfo, WorkflowRuntime, current_runtime

T = TypeVar("T")


def now() -> datetime:
    """Return the run's time: that of the event being applied, aware, UTC. It stands still while code runs.

    Raises:
        OutsideWorkflowError: no workflow is running here.
    """
    return running("now()", "Elsewhere: datetime.now(UTC).").now()


def random() -> standard_random.Random:
    """Return the run's own generator: `random().randint(1, 6)` is the same in every replay.

    Raises:
        OutsideWorkflowError: no workflow is running here.
    """
    return running("random()", "Elsewhere: the module random.").random()


def uuid4() -> UUID:
    """Return a new UUID, the same in every replay.

    Raises:
        OutsideWorkflowError: no workflow is running here.
    """
    return running("uuid4()", "Elsewhere: uuid.uuid4().").uuid4()


def run_info() -> RunInfo:
    """Return the run's id, execution, workflow and start, and how long its history has become.

    Raises:
        OutsideWorkflowError: no workflow is running here.
    """
    return running("run_info()", "In a task: task_info().").info()


def patched(patch_id: str) -> bool:
    """Say whether the changed code path is to be taken: not by runs that passed here before the change.

    ```python
    if patched("charge-in-euro"):
        await charge_euro(order)
    else:
        await charge(order)      # runs from before; goes when none of them is left
    ```

    The answer is given once for each patch and run, and stays. It is True in new runs, and in runs that had not come
    here yet; there it is recorded, so that the run keeps it whatever happens.

    Args:
        patch_id: names the change; unique within the workflow, for ever.

    Raises:
        OutsideWorkflowError: no workflow is running here.
    """
    return running("patched()", "").patched(check_name("patch", patch_id))


def deprecate_patch(patch_id: str) -> None:
    """Say that only the changed path of a patch is left in the code, while runs that recorded it may be replayed.

    It stands where `patched` stood. When no run from before it is left, it may go as well.

    Raises:
        OutsideWorkflowError: no workflow is running here.
    """
    running("deprecate_patch()", "").patched(check_name("patch", patch_id), deprecated=True)


def all_handlers_finished() -> bool:
    """Say whether no async signal or update handler is under way; a run that ends cancels those that are.

    Raises:
        OutsideWorkflowError: no workflow is running here.
    """
    return running("all_handlers_finished()", "").handlers_finished()


@overload
async def wait_for_signal(name: str, timeout: Duration | None = None, *, type: type[T]) -> T: ...
@overload
async def wait_for_signal(name: str, timeout: Duration | None = None, *, type: Any = Any) -> Any: ...
async def wait_for_signal(name: str, timeout: Duration | None = None, *, type: Any = Any) -> Any:
    """Wait for the next signal of this name that no handler takes, also one that came before.

    Args:
        name: the signal's name; a workflow with an `@signal` of this name never sees it here.
        timeout: give up after this long, by a durable timer; None waits for ever.
        type: what the signal carries; its input is checked against this.

    Raises:
        TimeoutError: none came in time.
        InputError: one came that does not fit `type`; it is used up.
        OutsideWorkflowError: no workflow is running here.
    """
    if isinstance(name, MessageHandler):
        raise DefinitionError(
            f"{name!r} handles this signal, so waiting for it here would never end",
            calling_place(),
            "Let the handler set an asyncio.Event and wait for that, or remove the handler.",
        )
    runtime = running("wait_for_signal()", "Signal a run from outside: await handle.signal(...)")
    codec = codec_for(type, f"signal {name!r}")
    seconds = None if timeout is None else parse_duration(timeout, "timeout of wait_for_signal()", zero=True)
    waiting = runtime.wait_signal(name)
    async with asyncio.timeout(seconds):
        payload = await waiting
    return codec.decode(payload)


def running(what: str, remedy: str) -> WorkflowRuntime:
    """Return what the calling workflow runs on.

    Args:
        what: the function that was called, for the error.
        remedy: what to call instead, outside.

    Raises:
        OutsideWorkflowError: no workflow is running here.
    """
    try:
        return current_runtime.get()
    except LookupError:
        raise OutsideWorkflowError(f"{what} was called outside a workflow", calling_place(), remedy) from None
