"""Messages: what somebody tells a run, and what it answers.

Owns: how a message is validated, that one with a key is delivered once, and who may answer a callback.
Must not know: HTTP, who carries out what.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec

from holdfast.authoring import MessageHandler, Registry, WorkflowDefinition
from holdfast.controller.actors import engine_of
from holdfast.controller.documents import Accepted, Answer
from holdfast.controller.inputs import canonical, plain
from holdfast.controller.keys import LOCAL
from holdfast.controller.once import Once, OnceKey, fingerprint
from holdfast.controller.once import operation_id as once_id
from holdfast.controller.signals import unheard
from holdfast.controller.strict import read_json
from holdfast.errors import (
    CallbackError,
    CallbackGoneError,
    HoldfastError,
    RunClosedError,
    RunNotFoundError,
    UnknownNameError,
)
from holdfast.ports.callbacks import Callbacks, name_of
from holdfast.ports.engine import Engine, tell
from holdfast.ports.operations import CONTINUED_AS_NEW, Deliver
from holdfast.ports.store import Store


class Messages:
    """Tells runs something, and asks them."""

    def __init__(
        self,
        engine: Engine,
        registry: Registry,
        store: Store,
        once: Once,
        draw_id: Callable[[], str],
        callbacks: Callbacks | None,
    ) -> None:
        """Speak through `engine`.

        Args:
            engine: delivers and asks.
            registry: the workflows whose messages are validated here.
            store: knows what time it is.
            once: sees to it that a message with a key is delivered once.
            draw_id: makes an id for a message that came without one.
            callbacks: reads their tokens; without it nobody's is good.
        """
        self._engine = engine
        self._registry = registry
        self._store = store
        self._once = once
        self._draw_id = draw_id
        self._callbacks = callbacks

    async def signal(
        self, run_id: str, name: str, text: bytes, operation_id: str | None = None, by: str = ""
    ) -> Accepted:
        """Deliver a signal durably; a workflow may wait for names it declares no handler for.

        Raises:
            RunNotFoundError, RunClosedError: there is no run to take it.
            InputError: the payload does not fit the handler.
        """
        definition = await self._definition(run_id)
        payload = _read(definition, "signal", name, text)
        drawn = operation_id or self._draw_id()
        await self.deliver(Deliver(run_id, "signal", name, payload, once_id(by, drawn)), operation_id, by)
        return Accepted(run_id=run_id, name=name, operation_id=drawn, warning=unheard(definition, name))

    async def deliver(self, message: Deliver, key: str | None, by: str) -> None:
        """Deliver a message, once under a key.

        Raises:
            RunNotFoundError, RunClosedError.
            KeyReusedError, KeyInUseError: the key is another request's, or this one is under way.
        """
        engine = engine_of(self._engine, by)
        if key is None:
            await tell(engine, message)
            return
        asked = fingerprint(message.kind, message.run_id, message.name, message.body)
        mine = OnceKey(by or LOCAL, key)
        with self._once.doing(mine):
            await engine.carry_out(message, self._once.note(mine, asked, message.run_id))

    async def answer_callback(self, token: str, text: bytes) -> None:
        """Hand the answer of an outside system to the run that waits for it, durably and once.

        Raises:
            CallbackError: there is no such callback.
            CallbackGoneError: nobody waits for it any more.
            InputError: the answer is no JSON.
        """
        if self._callbacks is None:
            raise CallbackError
        run_id, number = self._callbacks.read(token, await self._store.now())
        payload = msgspec.json.encode(read_json(text or b"null", "the answer"))
        try:
            await self._engine.answer(run_id, number, name_of(token), payload)
        except RunNotFoundError:
            raise CallbackError from None
        except RunClosedError as error:
            raise CallbackGoneError(_ended(error.status)) from None

    async def query(self, run_id: str, name: str, text: bytes, seconds: float) -> Answer:
        """Return a query's answer; runs that have ended answer too.

        Raises:
            RunNotFoundError, UnknownNameError, InputError, QueryError.
            NoOrchestratorError: nobody answered within `seconds`.
        """
        payload = _read(await self._definition(run_id), "query", name, text)
        return Answer(result=msgspec.Raw(await self._engine.query(run_id, name, payload, seconds)))

    async def update(
        self, run_id: str, name: str, text: bytes, seconds: float, operation_id: str | None = None, by: str = ""
    ) -> Answer:
        """Return an update's answer, which is durable by then.

        Raises:
            KeyReusedError, KeyInUseError: the operation id is another request's, or this one is under way.
            RunNotFoundError, RunClosedError, UnknownNameError, InputError, UpdateRejectedError.
            UpdateFailedError: the handler raised.
            NoOrchestratorError: nobody answered within `seconds`; it may still be carried out.
        """
        payload = _read(await self._definition(run_id), "update", name, text)
        drawn = once_id(by, operation_id or self._draw_id())
        engine = engine_of(self._engine, by)
        if operation_id is None:
            return Answer(result=msgspec.Raw(await engine.update(run_id, name, payload, drawn, seconds)))
        key = OnceKey(by or LOCAL, operation_id)
        with self._once.doing(key):
            asked = fingerprint("update", run_id, name, payload)
            done = await self._once.claim(key, asked, run_id, seconds)
            if done is not None and done.answer:
                return Answer(result=msgspec.Raw(done.answer))
            try:
                answer = await engine.update(run_id, name, payload, drawn, seconds)
            except HoldfastError:
                await self._once.unclaim(key)
                raise
            await self._once.settle(key, answer)
        return Answer(result=msgspec.Raw(answer))

    async def _definition(self, run_id: str) -> WorkflowDefinition[Any, Any] | None:
        """Return the code of a run; None when it is known elsewhere, where its orchestrator validates too."""
        record = await self._engine.describe(run_id)
        try:
            return self._registry.workflow(record.workflow)
        except UnknownNameError:
            return None


def _read(definition: WorkflowDefinition[Any, Any] | None, kind: str, name: str, text: bytes) -> bytes:
    what = f"the input of {kind} {name}"
    if definition is None:
        return plain(text, what)
    handlers = {"signal": definition.signals, "query": definition.queries, "update": definition.updates}[kind]
    handler = cast("MessageHandler[Any, Any] | None", handlers.get(name))
    if handler is not None:
        return canonical(handler, text, what)
    if kind == "signal":
        return plain(text, what)
    raise UnknownNameError(kind, name, tuple(sorted(handlers)))


def _ended(status: str) -> str:
    """Return why nobody waits for a callback of an execution that has ended."""
    if status == CONTINUED_AS_NEW:
        return "its run went on as a new execution, which does not wait for it"
    return f"its run has ended: {status}"
