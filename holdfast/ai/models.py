"""Connections to models, and requests over them.

Owns: connections to providers, what every request says beside what is asked, which answers are looked at.
Must not know: prompts of users, what is done with an answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from holdfast.ai.endpoints import LOCAL, Endpoint
from holdfast.ai.extra import installed
from holdfast.ai.refusals import check_end, noted_refusals
from holdfast.ai.usage import Reading, Usage

if TYPE_CHECKING:
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse
    from pydantic_ai.models import Model
    from pydantic_ai.providers import Provider

    from holdfast.ai.cached import Cached
    from holdfast.ai.forms import Form
    from holdfast.ai.local import Local, Turn

REPAIRS: Final = 2
"""How often a model is told that its answer does not fit, or that it called a tool wrongly."""

Metering: TypeAlias = Callable[[Callable[[], int]], AbstractAsyncContextManager[Reading]]
"""What stands around a request: given what says how long it is, it gives what is to be filled in."""


@asynccontextmanager
async def connect(endpoint: Endpoint, prefix: Cached | None) -> AsyncIterator[Model]:
    """Hold a connection to the provider, for the event loop that runs.

    Args:
        endpoint: whom to ask.
        prefix: what a model on this machine is to keep.

    Raises:
        MissingExtraError: the extra `ai` is not installed, or `local-llm` for a model on this machine.
        ModelRequestError: there is no key, or no such model on this machine.
    """
    with installed():
        from pydantic_ai.models import infer_model
    if endpoint.local is not None:
        async with _connect_here(endpoint, endpoint.local, prefix) as model:
            yield model
        return
    async with infer_model(endpoint.name, provider_factory=lambda name: _provider(endpoint, name)) as model:
        yield model


@asynccontextmanager
async def _connect_here(endpoint: Endpoint, here: Local, prefix: Cached | None) -> AsyncIterator[Model]:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    url, key = await here.reach()
    provider = OpenAIProvider(api_key=key, base_url=f"{url}/v1")
    async with OpenAIChatModel(endpoint.model, provider=provider) as model:
        yield in_turns(model, here, prefix)


def _provider(endpoint: Endpoint, name: str) -> Provider[Any]:
    key, url = endpoint.read_key(), endpoint.base_url or None
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
    with installed():
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

    counts = not endpoint.is_compatible

    def used(response: ModelResponse) -> Usage:
        # Who counted once what was read counts always, and reads nothing where it says nothing.
        nonlocal counts
        counts = counts or bool(response.usage.cache_read_tokens)
        return endpoint.usage_of(response, counts=counts)

    class Metered(WrapperModel):
        async def request(self, messages: Any, *args: Any, **kwargs: Any) -> ModelResponse:
            async with metering(lambda: bytes_of(messages, args)) as reading:
                with noted_refusals(reading):
                    response = await super().request(messages, *args, **kwargs)
                reading.usage = used(response)
            check_end(endpoint, response)
            return response

        @asynccontextmanager
        async def request_stream(self, messages: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            async with metering(lambda: bytes_of(messages, args)) as reading:
                with noted_refusals(reading):
                    async with super().request_stream(messages, *args, **kwargs) as stream:
                        yield stream
                response = stream.get()
                reading.usage = used(response)
            if endpoint.provider in {"openai-chat", LOCAL} and not (response.provider_details or {}).get(
                "finish_reason"
            ):
                # The library takes the end of a stream for the end of an answer where no reason was given.
                response.finish_reason = None
            check_end(endpoint, response)

    return Metered(model)


def in_turns(model: Model, here: Local, prefix: Cached | None) -> Model:
    """Return `model`, with each request sent to a slot of a model on this machine that holds `prefix`."""
    from pydantic_ai.models.wrapper import WrapperModel

    class InTurns(WrapperModel):
        async def request(self, messages: Any, model_settings: Any, *args: Any, **kwargs: Any) -> ModelResponse:
            async with here.turn(prefix) as turn:
                response = await super().request(messages, _with_body(model_settings, turn), *args, **kwargs)
                _tell_usage(turn, response.usage)
            return response

        @asynccontextmanager
        async def request_stream(
            self, messages: Any, model_settings: Any, *args: Any, **kwargs: Any
        ) -> AsyncIterator[Any]:
            async with here.turn(prefix) as turn:
                async with super().request_stream(
                    messages, _with_body(model_settings, turn), *args, **kwargs
                ) as stream:
                    yield stream
                _tell_usage(turn, stream.usage)

    return InTurns(model)


def _with_body(settings: Any, turn: Turn) -> Any:
    """Return settings of a request, with what it says of its slot; what users say goes before it."""
    said: Any = settings or {}
    return {**said, "extra_body": {**turn.extra_body, **(said.get("extra_body") or {})}}


def _tell_usage(turn: Turn, usage: Any) -> None:
    """Have a turn hear what was cached, and say of the usage what was read and what was written."""
    if usage.unmeasured_requests or not usage.input_tokens:
        return
    usage.cache_read_tokens, usage.cache_write_tokens = turn.note(usage.cache_read_tokens)


def bytes_of(messages: Any, rest: tuple[Any, ...]) -> int:
    """Return how long what is sent is, at least: the messages, and the tools among the rest."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    tools = sum(len(repr(each)) for each in rest)
    return len(ModelMessagesTypeAdapter.dump_json(messages)) + tools
