"""Schedules written in code: `@schedule` above a workflow or a task.

Owns: the decorator, what it leaves on a definition, checking both.
Must not know: whether anybody acts on a schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from holdfast.authoring.durations import Duration
from holdfast.authoring.places import calling_place
from holdfast.authoring.schedules.spec import (
    CATCH_UP_DEFAULT,
    Moment,
    Overlap,
    ScheduleSpec,
    SpecProblems,
    Wording,
    read_spec,
)
from holdfast.authoring.signature import CallSignature
from holdfast.authoring.task import TaskDefinition
from holdfast.authoring.workflow import TASK_WORKFLOW_PREFIX, find_definition
from holdfast.errors import DefinitionError, HoldfastError

Subject = TypeVar("Subject")


class _Nothing:
    """Stands for an input that was not given."""

    def __repr__(self) -> str:
        return "nothing"


NOTHING: Final = _Nothing()


@dataclass(frozen=True, slots=True)
class ScheduleDefinition:
    """A schedule that is written in code."""

    name: str
    spec: ScheduleSpec
    where: str
    module: str
    """The module of its workflow."""
    given: Any
    signature: CallSignature

    def encode_input(self) -> bytes:
        """Return the input of each of its runs as JSON text.

        Raises:
            DefinitionError: the workflow cannot be started with it.
        """
        args, kwargs = _as_call(self.given, self.signature)
        try:
            payload = self.signature.encode_call(args, kwargs)
            self.signature.decode_call(payload)
        except (TypeError, HoldfastError) as error:
            words = error.message() if isinstance(error, HoldfastError) else str(error)
            raise DefinitionError(
                f"schedule {self.name!r} cannot start its workflow: {words}",
                self.where,
                "Give what the workflow takes: @schedule(..., input=...)",
            ) from None
        return payload


def schedule(  # noqa: PLR0913 - one for each thing that a schedule says
    name: str,
    *,
    cron: str | Sequence[str] | None = None,
    every: Duration | None = None,
    at: Moment | Sequence[Moment] | None = None,
    timezone: str = "UTC",
    input: Any = NOTHING,
    anchor: Moment | None = None,
    overlap: Overlap = "skip",
    catch_up: Duration = CATCH_UP_DEFAULT,
    jitter: Duration = 0,
    pause_on_failure: bool = False,
    start: Moment | None = None,
    end: Moment | None = None,
    timeout: Duration | None = None,
) -> Callable[[Subject], Subject]:
    """Start a workflow, or a task, at certain times. Put it above `@workflow` or `@task`, as often as it takes.

    ```python
    @schedule("nightly", cron="0 3 * * *", timezone="Europe/Riga", input=Request("all"))
    @workflow
    async def report(request: Request) -> Answer: ...
    ```

    Args:
        name: names the schedule, and begins the ids of its runs: `nightly-20261129T010000Z`.
        cron: one expression or several: minute, hour, day of month, month, day of week; six fields begin with seconds.
        every: how far apart the times are, in whole seconds, such as "15m".
        at: one time or several, aware or in `timezone`.
        timezone: what the clock on the wall is that `cron`, and times without a zone, mean.
        input: what each run gets: the workflow's argument, or a mapping of its arguments by name.
        anchor: with `every`, one of the times; the others count from it. Midnight of 1970-01-01 UTC by default.
        overlap: what happens to a time while a run of this schedule is open: `skip` lets it go, `buffer_one` starts one
            run afterwards, `allow` starts it at once, `cancel_old` asks the open run to stop and starts when it has.
        catch_up: how late a time may be acted on, because nothing was running, before it counts as missed.
        jitter: each time is put off by up to this, always by the same for the same time.
        pause_on_failure: whether the schedule pauses when one of its runs fails or times out.
        start: no time before this one counts.
        end: no time after this one counts.
        timeout: how long each run may take.

    Raises:
        DefinitionError: there is no such time zone, the expression is none, or the like.
    """
    where = calling_place()
    wording = {
        "cron": cron,
        "every": every,
        "at": at,
        "timezone": timezone,
        "anchor": anchor,
        "overlap": overlap,
        "catch_up": catch_up,
        "jitter": jitter,
        "pause_on_failure": pause_on_failure,
        "start": start,
        "end": end,
        "timeout": timeout,
    }

    def put(subject: Subject) -> Subject:
        definition: Any = subject if isinstance(subject, TaskDefinition) else find_definition(subject)
        if definition is None:
            raise DefinitionError(
                f"@schedule({name!r}) was put on something that is neither a workflow nor a task",
                where,
                "Put it above @workflow or @task: the decorator that is higher up comes later.",
            )
        prefix = TASK_WORKFLOW_PREFIX if isinstance(definition, TaskDefinition) else ""
        spec = define_spec(name, where, {**wording, "workflow": prefix + definition.name})
        made = ScheduleDefinition(name, spec, where, definition.module, input, definition.signature)
        definition.schedules = (made, *definition.schedules)
        return subject

    return put


def define_spec(name: str, where: str, wording: Mapping[str, Any]) -> ScheduleSpec:
    """Return the schedule that somebody wrote.

    Raises:
        DefinitionError: it cannot be; everything that is wrong with it is named.
    """
    try:
        return read_spec(name, Wording(**wording))
    except SpecProblems as problems:
        lines = "\n".join(f"  {pointer.removeprefix('/') or 'when'}  {words}" for pointer, words in problems.problems)
        raise DefinitionError(f"schedule {name!r} cannot be", where, lines) from None


def _as_call(given: Any, signature: CallSignature) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    if isinstance(given, _Nothing):
        return (), {}
    if len(signature.parameters) > 1 and isinstance(given, Mapping):
        return (), given
    return (given,), {}
