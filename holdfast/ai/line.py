"""An event loop's line to one model.

Owns: `Speaker`, `Line`: the connection, whose turn it is at a cold prefix, what asks for each form of answer.
Must not know: fallbacks, what an answer is for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from holdfast.ai.budgets import OUTPUT_TOKENS, Budget
from holdfast.ai.cached import Cached
from holdfast.ai.endpoints import Endpoint
from holdfast.ai.forms import Form
from holdfast.ai.memo import Memo
from holdfast.ai.metering import Meter
from holdfast.ai.models import REPAIRS, connect, make_agent, metered
from holdfast.ai.refusals import told_apart
from holdfast.ai.warming import Warmth
from holdfast.errors import AnswerError
from holdfast.ports.books import books_here

if TYPE_CHECKING:
    from pydantic_ai import Agent
    from pydantic_ai.models import Model

    from holdfast.ai.prices import Cost
    from holdfast.ai.usage import Usage

TEXT: Final = Form(str)


@dataclass(frozen=True, slots=True)
class Speaker:
    """A model with what all its prompts have in common."""

    endpoint: Endpoint
    begins: str | Cached
    """What every prompt begins with."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    budgets: tuple[Budget, ...] = ()
    rate: str | None = None
    """Name of the rate that is frozen when the provider says to come later."""
    memo_seconds: float = 0.0
    """For how long an answer is given again to the very same prompt; 0 for not at all."""

    @property
    def output_tokens(self) -> int:
        """How long an answer may be, where there is a budget."""
        said = self.settings.get("max_tokens")
        return said if type(said) is int and said > 0 else OUTPUT_TOKENS

    @property
    def asked_with(self) -> Mapping[str, Any]:
        """The settings with which it is asked: where there is a budget, an answer has an end."""
        return {**self.settings, "max_tokens": self.output_tokens} if self.budgets else self.settings

    @property
    def prefix(self) -> Cached | None:
        """What the provider is to keep, None for nothing."""
        return self.begins if isinstance(self.begins, Cached) else None

    @property
    def system(self) -> str:
        """What every prompt begins with, as text."""
        return self.begins.text if isinstance(self.begins, Cached) else self.begins


class Line:
    """The connection of one event loop to a model; made when it is first used."""

    def __init__(
        self, speaker: Speaker, note: Callable[[Usage, Cost | None], None], recalled: Callable[[], None]
    ) -> None:
        """Ask `speaker`; `note` hears what each request used and cost, and `recalled` of each that was not made."""
        self._speaker = speaker
        self._recalled = recalled
        self._memo = None
        if speaker.memo_seconds:
            self._memo = Memo(speaker.endpoint, speaker.asked_with, speaker.system, speaker.memo_seconds)
        self._meter = Meter(speaker.endpoint, speaker.prefix, speaker.budgets, speaker.output_tokens, note)
        self._stack = AsyncExitStack()
        self._connecting = asyncio.Lock()
        self._connected: Model | None = None
        self._agents: dict[tuple[Form, tuple[Any, ...]], Agent[None, Any]] = {}
        self._warmth = Warmth(time.monotonic)
        self.blocks = 0
        """How many `async with` blocks are under way that need it."""

    async def ask(self, prompt: str, form: Form, tools: tuple[Callable[..., Any], ...]) -> Any:
        """Return the answer to a prompt. Raises RateLimited, ModelError."""
        if self._memo is None or tools:  # what a tool does is to happen each time
            return await self._ask(prompt, form, tools)
        digest = self._memo.digest(prompt, form)
        known = await self._memo.recall(digest)
        if known is not None:
            with suppress(ValueError):  # what does not fit the form any more is asked for
                answer = form.unpack(known)
                self._recalled()
                return answer
        answer = await self._ask(prompt, form, tools)
        with suppress(ValueError, TypeError):
            await self._memo.keep(digest, form.pack(answer))
        return answer

    async def _ask(self, prompt: str, form: Form, tools: tuple[Callable[..., Any], ...]) -> Any:
        model = await self._model()
        async with self._turn():
            with told_apart(self._speaker.endpoint, self._speaker.rate):
                if self._speaker.prefix is None or form.is_text:
                    return (await self._agent(form, tools).run(prompt, model=model)).output
                return await self._ask_behind_prefix(prompt, form, tools, model)

    async def _ask_behind_prefix(
        self, prompt: str, form: Form, tools: tuple[Callable[..., Any], ...], model: Model
    ) -> Any:
        # Where a provider has places of its own for the form of an answer, and for what is wrong with one, they come
        # before the prefix, and would make it another one. So both are said behind it, as what the user says.
        agent = self._agent(TEXT, tools)
        answer = await agent.run(form.ask(prompt), model=model)
        for _ in range(REPAIRS):
            try:
                return form.read(answer.output)
            except ValueError as error:
                answer = await agent.run(str(error), model=model, message_history=answer.all_messages())
        try:
            return form.read(answer.output)
        except ValueError as error:
            raise AnswerError(self._speaker.endpoint.name, str(error)) from error

    @asynccontextmanager
    async def stream(self, prompt: str) -> AsyncIterator[AsyncIterator[str]]:
        """Give the answer piece by piece. Raises RateLimited, ModelError."""
        agent, model = self._agent(TEXT, ()), await self._model()
        async with self._turn():
            with told_apart(self._speaker.endpoint, self._speaker.rate):
                async with agent.run_stream(prompt, model=model) as answer:
                    yield answer.stream_text(delta=True, debounce_by=None)

    @property
    def is_closed(self) -> bool:
        """Whether there is no connection: not yet, or not any more."""
        return self._connected is None

    async def close(self) -> None:
        """Close the connection."""
        self._connected = None
        await self._stack.aclose()

    async def _model(self) -> Model:
        async with self._connecting:
            if self._connected is None:
                endpoint = self._speaker.endpoint
                model = await self._stack.enter_async_context(connect(endpoint, self._speaker.prefix))
                self._connected = metered(model, endpoint, self._meter.request)
        return self._connected

    def _agent(self, form: Form, tools: tuple[Callable[..., Any], ...]) -> Agent[None, Any]:
        agent = self._agents.get((form, tools))
        if agent is None:
            speaker = self._speaker
            agent = make_agent(speaker.system, speaker.prefix, form, tools, speaker.asked_with)
            self._agents[form, tools] = agent
        return agent

    def _turn(self) -> AbstractAsyncContextManager[Any]:
        prefix = self._speaker.prefix
        if prefix is None or self._speaker.endpoint.local is not None:  # a model on this machine sees to it itself
            return AsyncExitStack()
        endpoint = self._speaker.endpoint
        name = " ".join(filter(None, (endpoint.name, endpoint.base_url, prefix.digest)))
        return self._warmth.turn(name, prefix.seconds, books_here())
