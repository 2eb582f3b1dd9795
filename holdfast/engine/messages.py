"""What the outside says to one execution: signals, updates, queries.

Owns: who takes each message, which handlers are still running, and the answers of updates.
Must not know: how messages travel, or what becomes of an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from holdfast.engine import machines
from holdfast.engine.code import Code
from holdfast.engine.draws import Draws
from holdfast.engine.interrupts import is_of_process
from holdfast.engine.machines import State
from holdfast.engine.mail import Mail, payload_of
from holdfast.engine.steps import Steps
from holdfast.errors import HistoryError, InputError, ReadOnlyError, UnknownNameError, WorkflowCodeError
from holdfast.history import CancelRequested, CompleteUpdate, Failure, SignalReceived, UpdateAccepted, describe_failure
from holdfast.ports.program import Handler

CUT_OFF: Final = Failure("CancelledError", "the run ended before the update did", retryable=False)
"""The answer of an update that its run did not get round to."""


class Messages:
    """The messages of one execution, and their handlers."""

    __slots__ = ("_code", "_draws", "_steps", "_updates", "handlers", "late", "mail", "turned_away")

    def __init__(self, code: Code, steps: Steps, draws: Draws) -> None:
        """Hand messages to `code`; answers are issued through `steps`, and readers may not touch `draws`."""
        self._code = code
        self._draws = draws
        self._steps = steps
        self._updates: dict[str, State] = {}
        self.mail = Mail()
        """Signals that no handler takes."""
        self.late: list[SignalReceived | CancelRequested] = []
        """What came when the code had just ended: one page held both."""
        self.turned_away: set[str] = set()
        """Updates that came when the code had just ended: no handler has seen them."""
        self.handlers: dict[asyncio.Future[Any], str] = {}
        """Asynchronous handlers that are running."""

    # --- Signals -----------------------------------------------------------------------------------------------

    def on_signal(self, event: SignalReceived) -> None:
        """Hand a signal to its handler, or keep it for whoever waits for it."""
        code = self._code
        handler = code.program.signals.get(event.name)
        if handler is None:
            self.mail.deliver(event)
            return
        code.loop.call_soon(self._handle_signal, handler, payload_of(event), context=code.context.copy())

    def _handle_signal(self, handler: Handler, payload: bytes) -> None:
        try:
            pending = handler.call(self._code.instance, payload)
        except InputError as error:
            # Whoever sent it was answered already: the message is dropped, the run goes on.
            self._code.warnings.append(f"signal {handler.name!r} was dropped: {error}")
            return
        if isinstance(pending, Coroutine):
            task = self._code.loop.create_task(pending, name=f"signal {handler.name}")
            self.handlers[task] = handler.name
            task.add_done_callback(self._signal_handled)

    def _signal_handled(self, task: asyncio.Future[Any]) -> None:
        self.handlers.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            self._code.fatal = self._code.fatal or task.exception()

    # --- Updates -----------------------------------------------------------------------------------------------

    def on_update(self, event: UpdateAccepted) -> None:
        """Hand an update to its handler.

        Raises:
            HistoryError: it was accepted twice.
        """
        if event.update_id in self._updates:
            raise HistoryError(f"update {event.update_id!r} was accepted twice", self._code.where())
        self._updates[event.update_id] = State.OPEN
        code = self._code
        handler = code.program.updates.get(event.name)
        code.loop.call_soon(self._handle_update, handler, event, payload_of(event), context=code.context.copy())

    def _handle_update(self, handler: Handler | None, event: UpdateAccepted, payload: bytes) -> None:
        if handler is None:
            error = UnknownNameError("update", event.name, tuple(self._code.program.updates))
            self._answer(event.update_id, None, describe_failure(error))
            return
        try:
            pending = handler.call(self._code.instance, payload)
        except Exception as error:  # noqa: BLE001 - a failing update answers with its failure; the run goes on
            self._answer(event.update_id, None, describe_failure(error))
            return
        if not isinstance(pending, Coroutine):
            self._answer_value(handler, event.update_id, pending)
            return
        task = self._code.loop.create_task(pending, name=f"update {handler.name}")
        self.handlers[task] = handler.name

        def answer(done: asyncio.Future[Any]) -> None:
            self.handlers.pop(done, None)
            if done.cancelled():
                self._answer(
                    event.update_id, None, describe_failure(asyncio.CancelledError("the update was cancelled"))
                )
            elif (error := done.exception()) is not None:
                self._answer(event.update_id, None, describe_failure(error))
            else:
                self._answer_value(handler, event.update_id, done.result())

        task.add_done_callback(answer)

    def _answer_value(self, handler: Handler, update_id: str, value: Any) -> None:
        try:
            result = handler.encode_result(value)
        except Exception as error:  # noqa: BLE001 - an answer that cannot be written is a failure of the update alone
            self._answer(update_id, None, describe_failure(error))
        else:
            self._answer(update_id, result, None)

    def _answer(self, update_id: str, result: bytes | None, failure: Failure | None) -> None:
        move = machines.Step.COMPLETE if failure is None else machines.Step.FAIL
        machines.advance(f"update {update_id}", machines.UPDATE, self._updates.pop(update_id), move)
        self._steps.issue(CompleteUpdate(update_id, result, failure))

    def end(self) -> None:
        """Answer what the run did not get round to."""
        for update_id in list(self._updates):
            self._answer(update_id, None, CUT_OFF)

    # --- Queries and validators --------------------------------------------------------------------------------

    def query(self, name: str, payload: bytes) -> bytes:
        """Return a query's answer. See `Execution.query`."""
        handler = _handler(self._code.program.queries, "query", name)
        return handler.encode_result(self._read(f"query {name!r}", handler.call, payload))

    def validate(self, name: str, payload: bytes) -> None:
        """Let an update's validator have its say. See `Execution.validate`."""
        handler = _handler(self._code.program.updates, "update", name)
        self._read(f"the validator of update {name!r}", handler.validate, payload)

    def _read(self, reader: str, call: Callable[[Any, bytes], Any], payload: bytes) -> Any:
        code, steps = self._code, self._steps
        drawn = self._draws.state()
        steps.reader = reader
        try:
            with code.running():
                return code.context.copy().run(call, code.instance, payload)
        except (SystemExit, KeyboardInterrupt) as error:
            if is_of_process(error):
                raise
            raise WorkflowCodeError from error
        finally:
            steps.reader = ""
            if code.loop.ready or (drawn is not None and self._draws.state() != drawn):
                code.tainted = True
                raise ReadOnlyError("change state that other code waits for or draws from", reader)


def _handler(handlers: Mapping[str, Handler], kind: str, name: str) -> Handler:
    handler = handlers.get(name)
    if handler is None:
        raise UnknownNameError(kind, name, tuple(handlers))
    return handler
