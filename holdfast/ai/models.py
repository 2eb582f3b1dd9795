"""Models as users name them, and requests to them. The one module that knows the library which speaks to providers.

Owns: `Endpoint`, connections to providers, what a provider's refusal means.
Must not know: prompts of users, what is done with an answer.

Nothing is tried again here: a task's own retries do that, durably, and for the whole fleet.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from holdfast.ai.usage import NOT_SAID, Reading, Usage
from holdfast.errors import (
    AnswerError,
    DefinitionError,
    MissingExtraError,
    ModelError,
    ModelRequestError,
    RateLimited,
    SettingsError,
)

if TYPE_CHECKING:
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model
    from pydantic_ai.providers import Provider

    from holdfast.ai.cached import Cached
    from holdfast.ai.forms import Form

KEYS: Final = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY", "openai-chat": "OPENAI_API_KEY"}
"""Where a provider's key is looked for when it is not said."""
PATIENCE_SECONDS: Final = 30.0
"""How long to wait after a refusal that does not say how long."""
REPAIRS: Final = 2
"""How often a model is told that its answer does not fit, or that it called a tool wrongly."""
SERVER_ERROR: Final = 500
OVERLOADED: Final = 529
KEYLESS: Final = "none"
"""What a server of one's own is given that asks for no key."""


Metering: TypeAlias = Callable[[Callable[[], int]], AbstractAsyncContextManager[Reading]]
"""What stands around a request: given what says how long it is, it gives what is to be filled in."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model, and where it is asked."""

    name: str
    """`provider:model`, such as `anthropic:claude-sonnet-5-5`."""
    base_url: str = ""
    """Another address than the provider's own: of a gateway, or of a server that speaks like it."""
    api_key: str = ""
    """Where the key is: `env:NAME` or `file:PATH`; the provider's usual variable when empty."""

    def __post_init__(self) -> None:
        """Check the name; raises DefinitionError."""
        name: Any = self.name
        if not isinstance(name, str) or not self.provider or not self.model:
            remedy = 'Write LLM("anthropic:claude-sonnet-5-5").'
            raise DefinitionError(f"model {self.name!r} has no provider", remedy=remedy)
        if self.provider not in KEYS:
            known = ", ".join(KEYS)
            raise DefinitionError(
                f"there is no provider {self.provider!r} of models",
                remedy=f"Known are {known}. A server that speaks like OpenAI's: openai-chat:MODEL with base_url=.",
            )

    @property
    def provider(self) -> str:
        """The part before the colon."""
        return self.name.partition(":")[0]

    @property
    def model(self) -> str:
        """The part behind it."""
        return self.name.partition(":")[2]

    @property
    def seller(self) -> str:
        """Whose prices count; empty for a server of one's own."""
        return "" if self.is_compatible else self.provider.partition("-")[0]

    @property
    def is_compatible(self) -> bool:
        """Whether it speaks like a provider and may be anybody's: it need not say all that the provider says."""
        return bool(self.base_url) and self.provider != "anthropic"

    def read_key(self) -> str:
        """Return the key. Raises ModelRequestError when there is none."""
        kind, _, where = (self.api_key or f"env:{KEYS[self.provider]}").partition(":")
        found = ""
        if kind == "env":
            found = os.environ.get(where, "")
        else:
            try:
                found = Path(where).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(f"the key of model {self.name!r} cannot be read from {where}: {error}") from error
        if not found and self.is_compatible and not self.api_key:
            return KEYLESS
        if not found:
            remedy = f'Set {where}, or say where it is: LLM({self.name!r}, api_key="file:/run/secrets/key").'
            raise ModelRequestError(self.name, f"there is no key: {where} is not set", remedy)
        return found

    def usage_of(self, response: ModelResponse) -> Usage:
        """Return what a request used, as far as the provider said it."""
        said = response.usage
        if said.unmeasured_requests or not (said.input_tokens or said.output_tokens):
            return NOT_SAID
        # What speaks like a provider need not count like it: nothing read may mean that nothing was said.
        silent = None if self.is_compatible else 0
        return Usage(
            said.input_tokens,
            said.cache_read_tokens or silent,
            said.cache_write_tokens or silent,
            said.output_tokens,
        )

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Model]:
        """Hold a connection to the provider, for the event loop that runs.

        Raises:
            MissingExtraError: the extra `ai` is not installed.
            ModelRequestError: there is no key.
        """
        with _installed():
            from pydantic_ai.models import infer_model
        async with infer_model(self.name, provider_factory=self._provider) as model:
            yield model

    def _provider(self, name: str) -> Provider[Any]:
        key, url = self.read_key(), self.base_url or None
        if name == "anthropic":
            from pydantic_ai.providers.anthropic import AnthropicProvider

            return AnthropicProvider(api_key=key, base_url=url)
        from pydantic_ai.providers.openai import OpenAIProvider

        return OpenAIProvider(api_key=key, base_url=url)


def make_agent(
    system: str, prefix: Cached | None, output: Form, tools: Sequence[Any], settings: Mapping[str, Any]
) -> Agent[None, Any]:
    """Return what asks a model, over several requests where tools are called or an answer does not fit.

    Args:
        system: what every prompt begins with.
        prefix: the same, where it is to be kept by the provider.
        output: the form of the answer.
        tools: functions that the model may call.
        settings: of the model, such as `temperature`.
    """
    with _installed():
        from pydantic_ai import Agent
    kept: dict[str, Any] = {"max_retries": 0}
    if prefix is not None:
        kept["cache"] = {"retention": prefix.ttl, "messages": False}
        kept["openai_prompt_cache_key"] = prefix.digest
    agent: Any = Agent(
        instructions=system or None,
        output_type=output.type,
        tools=list(tools),
        model_settings=cast("Any", {**kept, **settings}),
        retries=REPAIRS,
    )
    return cast("Agent[None, Any]", agent)


def metered(model: Model, endpoint: Endpoint, metering: Metering) -> Model:
    """Return `model`, with every request metered, and every answer looked at for its end."""
    from pydantic_ai.models.wrapper import WrapperModel

    class Metered(WrapperModel):
        async def request(self, messages: Any, *args: Any, **kwargs: Any) -> ModelResponse:
            async with metering(lambda: _bytes_of(messages, args)) as reading:
                with noted_refusals(reading):
                    response = await super().request(messages, *args, **kwargs)
                reading.usage = endpoint.usage_of(response)
            check_end(endpoint, response)
            return response

        @asynccontextmanager
        async def request_stream(self, messages: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            async with metering(lambda: _bytes_of(messages, args)) as reading:
                with noted_refusals(reading):
                    async with super().request_stream(messages, *args, **kwargs) as stream:
                        yield stream
                response = stream.get()
                reading.usage = endpoint.usage_of(response)
            if endpoint.provider == "openai-chat" and not (response.provider_details or {}).get("finish_reason"):
                # The library takes the end of a stream for the end of an answer where no reason was given.
                response.finish_reason = None
            check_end(endpoint, response)

    return Metered(model)


@contextmanager
def noted_refusals(reading: Reading) -> Iterator[None]:
    """Note where a provider refuses a request before it computes anything."""
    from pydantic_ai.exceptions import ModelHTTPError

    try:
        yield
    except ModelHTTPError as error:
        reading.refused = error.status_code < SERVER_ERROR or error.status_code == OVERLOADED
        raise


def _bytes_of(messages: Any, rest: tuple[Any, ...]) -> int:
    """Return how long what is sent is, at least: the messages, and the tools among the rest."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    tools = sum(len(repr(each)) for each in rest)
    return len(ModelMessagesTypeAdapter.dump_json(messages)) + tools


@contextmanager
def told_apart(endpoint: Endpoint, rate: str | None) -> Iterator[None]:
    """Turn what the library raises into what it means for a task.

    Raises:
        RateLimited: the provider said to come again later.
        ModelRequestError: it refused, and would again.
        AnswerError: the answer does not fit.
        ModelError: it did not answer.
    """
    with _installed():
        from pydantic_ai import exceptions as those
    try:
        yield
    except (those.ModelRateLimitError, those.ModelOverloadedError) as error:
        after = PATIENCE_SECONDS if error.retry_after is None else error.retry_after
        raise RateLimited(after, rate) from error
    except those.ModelAuthenticationError as error:
        raise ModelRequestError(endpoint.name, "its provider does not accept the key", _key_remedy(endpoint)) from error
    except those.ModelNotFoundError as error:
        where = f" at {endpoint.base_url}" if endpoint.base_url else ""
        raise ModelRequestError(endpoint.name, f"its provider has no such model{where}") from error
    except those.ModelContextWindowExceededError as error:
        remedy = "Shorten the prompt or its prefix, or take a model with a longer context."
        raise ModelRequestError(endpoint.name, f"the prompt is too long: {_said(error)}", remedy) from error
    except (those.ModelRequestRejectedError, those.ModelQuotaExceededError) as error:
        raise ModelRequestError(endpoint.name, f"its provider refused: {_said(error)}") from error
    except those.ModelAPIError as error:
        raise ModelError(endpoint.name, f"no answer: {_said(error)}") from error
    except those.UnexpectedModelBehavior as error:
        raise AnswerError(endpoint.name, str(error)) from error
    except those.UserError as error:
        raise DefinitionError(f"model {endpoint.name!r}: {error}") from error


def check_end(endpoint: Endpoint, response: ModelResponse) -> None:
    """Raise ModelError when an answer broke off: a stream may end anywhere, and look as if it were whole."""
    if response.finish_reason is None:
        raise ModelError(endpoint.name, "its answer broke off before its end")
    if response.finish_reason == "length":
        remedy = 'Allow a longer one: LLM(..., settings={"max_tokens": 8000}).'
        raise ModelRequestError(endpoint.name, "its answer was cut off at the longest that was allowed", remedy)


def _said(error: Exception) -> str:
    body: Any = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else None
    text = inner.get("message") if isinstance(inner, dict) else None
    return str(text or error).strip()


def _key_remedy(endpoint: Endpoint) -> str:
    return f"Look at {endpoint.api_key or 'env:' + KEYS[endpoint.provider]}."


@contextmanager
def _installed() -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise MissingExtraError("holdfast.ai", "ai") from None
