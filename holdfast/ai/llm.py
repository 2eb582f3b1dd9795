"""A language model as automations use it.

Owns: `LLM`: which model is asked, in which order, with which prefix.
Must not know: providers, how an answer is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self, TypeVar, overload
from weakref import WeakKeyDictionary

from holdfast.ai.alone import run_alone
from holdfast.ai.budgets import Budget
from holdfast.ai.cached import Cached
from holdfast.ai.endpoints import Endpoint
from holdfast.ai.forms import Form
from holdfast.ai.line import Line, Speaker
from holdfast.ai.local import Local
from holdfast.ai.prices import Cost
from holdfast.ai.prompts import Prompt, PromptMaker
from holdfast.ai.publishing import telling
from holdfast.ai.spending import Spending
from holdfast.ai.usage import Usage
from holdfast.ai.watching import PrefixWatch
from holdfast.authoring import calling_place, parse_duration
from holdfast.errors import AnswerError, DefinitionError, ModelError, OutsideWorkflowError, RateLimited
from holdfast.ports.runtime import current_runtime

T = TypeVar("T")

FALLBACKS_MAX: Final = 8


class LLM:
    """A language model, with what its prompts begin with, and those that stand in for it.

    ```python
    llm = LLM("anthropic:claude-sonnet-5-5", system=cached(Path("manual.md"), ttl="1h"))

    @task(timeout="2m")
    async def answer(question: str) -> str:
        return await llm.generate(question)
    ```

    Nothing connects before the first prompt. One `LLM` serves any number of tasks, threads and event loops.
    """

    def __init__(  # noqa: PLR0913 - each may be said, and only the first has to be
        self,
        model: str | Local,
        *,
        system: str | Cached = "",
        fallback: Sequence[str | Local | LLM] = (),
        base_url: str = "",
        api_key: str = "",
        budget: Budget | Sequence[Budget] = (),
        rate: str | None = None,
        memo: str | float | timedelta = 0,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe the model.

        Args:
            model: `provider:model`; providers are anthropic, openai (Responses) and openai-chat (Chat Completions).
                Or a model on this machine: `local("model.gguf")`.
            system: what every prompt begins with; `cached(...)` where the provider is to keep it.
            fallback: what is asked, in this order, when this one does not answer: models, or whole LLMs.
            base_url: another address than the provider's own, of a gateway or of a server that speaks like it.
            api_key: where the key is, `env:NAME` or `file:PATH`; the provider's usual variable when empty.
            budget: what tasks may spend on it, fallbacks included: one budget, or several that all have to allow it.
            rate: name of the tasks' rate that is frozen when the provider says to come later.
            memo: for how long an answer is given again, without asking, to tasks that ask the very same of the same
                model: a duration such as "30d". Not at all when 0. Prompts with tools are asked anyway.
            settings: of the model, such as `{"temperature": 0.0, "max_tokens": 2000}`.

        Raises:
            DefinitionError: one of them is wrong.
        """
        if api_key and api_key.partition(":")[0] not in {"env", "file"}:
            raise DefinitionError(
                "api_key of an LLM has to say where the key is, not what it is",
                remedy='Write api_key="env:NAME" or api_key="file:PATH": secrets stay out of code and histories.',
            )
        if isinstance(model, Local):
            if base_url or api_key:
                raise DefinitionError(
                    f"model {model.name!r} is on this machine: it takes no base_url and no api_key",
                    remedy='Ask a server that runs already by its address: LLM("openai-chat:MODEL", base_url=...).',
                )
            endpoint = Endpoint(model.name, local=model)
        else:
            endpoint = Endpoint(model, base_url.rstrip("/"), api_key)
        budgets = (budget,) if isinstance(budget, Budget) else tuple(budget)
        memo_seconds = parse_duration(memo, "memo of an LLM", zero=True)
        self.speaker = Speaker(endpoint, system, dict(settings or {}), budgets, rate, memo_seconds)
        self.spending = Spending()
        """What this process has used and paid."""
        self._fallbacks = [self._stand_in(each) for each in fallback]
        if len(self._fallbacks) > FALLBACKS_MAX:
            raise DefinitionError(f"an LLM takes up to {FALLBACKS_MAX} fallbacks")
        self._watch = None if self.speaker.prefix is None else PrefixWatch(self.speaker.prefix, endpoint.name)
        self._lines: WeakKeyDictionary[asyncio.AbstractEventLoop, Line] = WeakKeyDictionary()
        self._prompts: dict[str, Prompt[..., Any]] = {}

    @overload
    async def generate(self, prompt: str, *, tools: Sequence[Callable[..., Any]] = ()) -> str: ...
    @overload
    async def generate(self, prompt: str, *, output: type[T], tools: Sequence[Callable[..., Any]] = ()) -> T: ...
    async def generate(self, prompt: str, *, output: Any = str, tools: Sequence[Callable[..., Any]] = ()) -> Any:
        """Return the model's answer to a prompt.

        Args:
            prompt: what is asked.
            output: type of the answer; a model whose answer does not fit is told so, twice.
            tools: functions that the model may call, with types and docstrings that tell it how.

        Raises:
            RateLimited: the provider said to come again later, and no fallback answered.
            BudgetUsedUp: nothing is left to pay it from; the run is parked.
            ModelRequestError: it refused, and would again.
            AnswerError: the answer does not fit.
            ModelError: it did not answer.
            OutsideWorkflowError: this is workflow code.
        """
        _refuse_workflow_code("LLM.generate(...)")
        form = Form(output)
        refusal: ModelError | RateLimited | None = None
        for each in self._asked_in_turn():
            try:
                return await each.line().ask(prompt, form, tuple(tools))
            except AnswerError:
                raise
            except (ModelError, RateLimited) as error:
                refusal = refusal or error
        assert refusal is not None, "somebody was asked"
        raise refusal

    @overload
    def generate_sync(self, prompt: str, *, tools: Sequence[Callable[..., Any]] = ()) -> str: ...
    @overload
    def generate_sync(self, prompt: str, *, output: type[T], tools: Sequence[Callable[..., Any]] = ()) -> T: ...
    def generate_sync(self, prompt: str, *, output: Any = str, tools: Sequence[Callable[..., Any]] = ()) -> Any:
        """Return the model's answer to a prompt, in code that is not asynchronous: as `generate`.

        Raises:
            DefinitionError: an event loop runs in this thread.
        """
        _refuse_workflow_code("LLM.generate_sync(...)")

        async def ask() -> Any:
            async with self:
                return await self.generate(prompt, output=output, tools=tools)

        return run_alone(ask, "LLM.generate_sync(...)", "await llm.generate(...)")

    @asynccontextmanager
    async def stream(self, prompt: str, *, name: str = "") -> AsyncIterator[AsyncIterator[str]]:
        """Give the model's answer piece by piece, as it is written. No fallback is asked.

        In a task others may read along: what was written so far is in the store, beside the run's history, as a stream
        that is called like the step. A task with several of them gives each a `name`; else the last one counts.

        ```python
        async with llm.stream("Tell me more.") as pieces:
            async for piece in pieces:
                print(piece, end="")
        ```

        Raises:
            DefinitionError: `name` is no name.
            RateLimited: the provider said to come again later.
            ModelError: it did not answer, or the answer broke off; what was given is not the whole then.
            OutsideWorkflowError: this is workflow code.
        """
        _refuse_workflow_code("LLM.stream(...)")
        async with telling(name) as follow, self.line().stream(prompt) as pieces:
            yield follow(pieces)

    def prompt(self, *, output: type[T] | None = None, name: str = "") -> PromptMaker[T]:
        r"""Make a prompt of a function that returns its text; calling it returns the model's answer.

        ```python
        @llm.prompt(output=Report)
        def generate_report(ticket: str) -> str:
            return f"Write a report on this ticket:\n{ticket}"

        report = generate_report("It does not start.")    # or llm.generate_report(...)
        ```

        Of an `async def` function the answer is awaited. `await generate_report.acall(...)` works for both.

        Args:
            output: type of the answer; text when None.
            name: the function's own when empty.
        """
        return PromptMaker(self, Form(str if output is None else output), name, self._prompts)

    @property
    def digest(self) -> str:
        """By which its cached prefix is known; empty for none. `@task(prefix=llm)` reads it."""
        prefix = self.speaker.prefix
        return "" if prefix is None else prefix.digest

    async def aclose(self) -> None:
        """Close the connections of the running event loop. The next prompt makes new ones."""
        line = self._lines.pop(asyncio.get_running_loop(), None)
        if line is not None:
            await line.close()

    async def __aenter__(self) -> Self:
        """Close connections at the end of a block; of several in one event loop, at the end of the last."""
        for each in self._asked_in_turn():
            each.line().blocks += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections of the running event loop, unless another block still needs them."""
        for each in self._asked_in_turn():
            line = each.line()
            line.blocks -= 1
            if line.blocks <= 0:
                await each.aclose()

    def __getattr__(self, name: str) -> Prompt[..., Any]:
        """Return the prompt of that name."""
        prompts: dict[str, Prompt[..., Any]] = self.__dict__.get("_prompts", {})
        if name not in prompts:
            raise AttributeError(f"an LLM has no attribute {name!r}, and no prompt of that name was made with it")
        return prompts[name]

    def __repr__(self) -> str:
        return f"<LLM {self.speaker.endpoint.name}>"

    def line(self) -> Line:
        """Return this model's line in the running event loop; nothing connects before it is used."""
        loop = asyncio.get_running_loop()
        line = self._lines.get(loop)
        if line is None:
            line = self._lines[loop] = Line(self.speaker, self._note, self.spending.note_recalled)
        return line

    def _asked_in_turn(self) -> tuple[LLM, ...]:
        return (self, *self._fallbacks)

    def _stand_in(self, other: str | Local | LLM) -> LLM:
        if isinstance(other, LLM):
            return other
        speaker = self.speaker
        return LLM(
            other,
            system=speaker.prefix or speaker.system,
            budget=speaker.budgets,
            rate=speaker.rate,
            memo=speaker.memo_seconds,
            settings=speaker.settings,
        )

    def _note(self, usage: Usage, cost: Cost | None) -> None:
        self.spending.note(usage, cost)
        if self._watch is not None:
            self._watch.note(usage)


def _refuse_workflow_code(what: str) -> None:
    if current_runtime.get(None) is not None:
        raise OutsideWorkflowError(
            f"{what} was called in workflow code",
            calling_place(),
            "A model answers differently every time: call it in a @task, whose result is recorded.",
        )
