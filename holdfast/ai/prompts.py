"""Prompts as functions: the function makes the text, calling it returns the answer.

Owns: `Prompt`.
Must not know: models.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from holdfast.ai.alone import run_alone
from holdfast.errors import DefinitionError

if TYPE_CHECKING:
    from types import TracebackType

    from holdfast.ai.forms import Form

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Model(Protocol):
    """Whoever is asked."""

    async def generate(self, prompt: str, *, output: Any) -> Any:
        """Return the answer."""

    async def __aenter__(self) -> object:
        """Begin."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections of the running event loop."""


class Prompt(Generic[P, R]):
    """A function that asks a model. Called like the function it was made of; of an async one the answer is awaited."""

    def __init__(self, llm: Model, form: Form, fn: Callable[P, Any], name: str) -> None:
        """Ask `llm` for an answer of `form`, with the text that `fn` returns."""
        functools.update_wrapper(self, fn)
        self.name = name
        self.is_async = inspect.iscoroutinefunction(fn)
        self._llm = llm
        self._form = form
        self._fn = fn

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the answer; of an async function, what gives it when it is awaited."""
        if self.is_async:
            return cast("R", self.acall(*args, **kwargs))

        async def ask() -> Any:
            async with self._llm:
                return await self.acall(*args, **kwargs)

        return cast("R", run_alone(ask, f"{self.name}(...)", f"await {self.name}.acall(...)"))

    async def acall(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Return the answer."""
        return await self._llm.generate(await self._text(args, kwargs), output=self._form.type)

    async def _text(self, args: Any, kwargs: Any) -> str:
        text = self._fn(*args, **kwargs)
        if inspect.isawaitable(text):
            text = await text
        if not isinstance(text, str):
            raise DefinitionError(
                f"prompt {self.name!r} returned {type(text).__name__}, not its text",
                remedy='Return what the model is to be asked: return f"Write a report on {payload}".',
            )
        return text


class PromptMaker(Generic[T]):
    """What makes a prompt of a function."""

    def __init__(self, llm: Model, form: Form, name: str, prompts: dict[str, Prompt[..., Any]]) -> None:
        """Make prompts of `llm`, and note them among `prompts`."""
        self._llm = llm
        self._form = form
        self._name = name
        self._prompts = prompts

    @overload
    def __call__(self, fn: Callable[P, Awaitable[str]]) -> Prompt[P, Awaitable[T]]: ...
    @overload
    def __call__(self, fn: Callable[P, str]) -> Prompt[P, T]: ...
    def __call__(self, fn: Callable[P, Any]) -> Prompt[P, Any]:
        """Make a prompt of a function. Raises DefinitionError when the name is taken."""
        name = self._name or getattr(fn, "__name__", "")
        if not name.isidentifier() or name in self._prompts or hasattr(type(self._llm), name):
            raise DefinitionError(f"a prompt cannot be called {name!r}: the LLM has that name already")
        made: Prompt[P, Any] = Prompt(self._llm, self._form, fn, name)
        self._prompts[name] = made
        return made
