"""What is done about a task that failed, instead of raising that in its workflow.

Owns: carrying out what was decided where the task failed, and recorded with its outcome.
Must not know: rules, who decided, how tasks are run.

What is to be done stands in the outcome, so a replay does the same, whatever the rules have become. Each remedy is a
task of the workflow's loop that issues steps of its own - a fallback, a question, a timer, another try - and settles
the future that the code awaits. Who cancels that future cancels what is under way for it.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from holdfast.engine.futures import StepFuture
from holdfast.engine.steps import Steps
from holdfast.errors import HistoryError, InputError, TaskError
from holdfast.history import FALLBACK, PERSON, Remedy, ScheduleTask, TaskOptions, decode_remedy
from holdfast.ports.callbacks import name_of, token_of
from holdfast.ports.recovery import FORM, RETRY, USE, GivenVerdict, Trouble, read_verdict
from holdfast.ports.runtime import current_runtime

REMEDIES_MAX: Final = 20
"""How many remedies in a row there may be for one call: fallbacks of fallbacks, tries that a verdict asks for."""
QUESTIONS_MAX: Final = 5
"""How often it is asked again because a verdict was none."""

_encode: Final = msgspec.json.Encoder().encode


def begin_remedy(steps: Steps, future: StepFuture, text: str, error: TaskError) -> None:
    """Do what is recorded to be done about a failure, for the future of its step.

    Raises:
        HistoryError: it cannot be read.
    """
    remedy = decode_remedy(text)
    command = future.command
    if not isinstance(command, ScheduleTask):
        raise HistoryError(f"{future.step} is no task, but there is a remedy for it")
    depth = steps.remedies.pop(command.step, 0) + 1
    if depth > REMEDIES_MAX:
        error.text = f"{error.text} (and there were {REMEDIES_MAX} remedies in a row: REMEDIES_MAX)"
        steps.fail(future, error)
        return
    course = _Course(steps, future, command, remedy, error, depth)
    context = steps.context.copy()
    task = future.get_loop().create_task(course.run(), name=f"remedy of {command.step}", context=context)
    future.add_done_callback(lambda _: task.cancel())


class _Course:
    """What is under way for one failure."""

    def __init__(
        self, steps: Steps, future: StepFuture, command: ScheduleTask, remedy: Remedy, error: TaskError, depth: int
    ) -> None:
        self._steps = steps
        self._runtime = steps.context[current_runtime]
        self._future = future
        self._command = command
        self._remedy = remedy
        self._error = error
        self._depth = depth

    async def run(self) -> None:
        """Carry it out, and settle the future of the step that failed."""
        steps, future, remedy = self._steps, self._future, self._remedy
        try:
            if remedy.kind == FALLBACK:
                result = await self._issue(remedy.task, self._command.input, remedy.options)
            else:
                result = await self._asked()
        except Exception as failed:  # noqa: BLE001 - whatever came of it is the outcome of the step
            if not future.done():
                steps.fail(future, failed.with_traceback(None))  # which would name lines from here
        else:
            if not future.done():
                steps.settle(future, result)

    async def _asked(self) -> bytes:
        """Return the result that stands for the failed call's, as a verdict has it. Raises TaskError."""
        command, remedy, error = self._command, self._remedy, self._error
        try:
            async with asyncio.timeout(remedy.within or None):
                verdict = await self._verdict()
        except TimeoutError as late:
            if isinstance(late, TaskError):  # whoever asks ran out of time, not the verdict
                raise
            error.text = f"{error.text} (and there was no verdict within {remedy.within:g} s)"
            raise error from None
        if verdict.do == RETRY:
            changed = bytes(verdict.input) not in (b"", b"null", command.input)
            # Another input is other work, which has a key of its own.
            options = msgspec.structs.replace(remedy.again, idempotency_key="") if changed else remedy.again
            payload = bytes(verdict.input) if changed else command.input
            return await self._issue(command.task, payload, options)
        if verdict.do == USE:
            return _result_of(verdict)
        raise error

    async def _verdict(self) -> GivenVerdict:
        """Ask until there is a verdict. Raises TaskError."""
        remedy, error, problem = self._remedy, self._error, ""
        for _ in range(QUESTIONS_MAX):
            url = self._runtime.open_callback(remedy.within) if remedy.kind == PERSON else ""
            answer = await self._issue(remedy.task, self._told(url, problem), remedy.options)
            if url:
                answer = await self._runtime.wait_signal(name_of(token_of(url)))
            try:
                verdict = read_verdict(answer)
                if verdict.do == USE and self._future.decode is not None:
                    self._future.decode(_result_of(verdict))
            except InputError as unfit:
                problem = unfit.message()
            else:
                return verdict
        error.text = f"{error.text} (and {QUESTIONS_MAX} verdicts were none: {problem})"
        raise error

    def _told(self, url: str, problem: str) -> bytes:
        """Return what is told of the failure, as JSON text."""
        info, command, error = self._runtime.info(), self._command, self._error
        trouble = Trouble(
            run_id=info.run_id,
            execution=info.execution,
            step=command.step,
            task=command.task,
            input=msgspec.Raw(command.input),
            error=error.type,
            message=error.text,
            attempts=error.attempts,
            url=url,
            form=FORM,
            problem=problem,
        )
        return _encode(trouble)

    async def _issue(self, task: str, payload: bytes, options: TaskOptions) -> bytes:
        future = self._runtime.issue_task(task, payload, options, None, _as_it_is)
        assert isinstance(future, StepFuture), "the engine's own runtime makes these"
        self._steps.remedies[future.step] = self._depth
        result: bytes = await future
        return result


def _result_of(verdict: GivenVerdict) -> bytes:
    return bytes(verdict.result) or b"null"


def _as_it_is(payload: bytes) -> bytes:
    return payload
