"""What it means that a provider refused, or that an answer is not whole.

Owns: which error a task sees, and what is said in it.
Must not know: how a model is asked, what an answer is for.

Nothing is tried again here: a task's own retries do that, durably, and for the whole fleet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from holdfast.ai.endpoints import KEYS, Endpoint
from holdfast.ai.extra import installed
from holdfast.ai.usage import Reading
from holdfast.errors import AnswerError, DefinitionError, HoldfastError, ModelError, ModelRequestError, RateLimited

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse

PATIENCE_SECONDS: Final = 30.0
"""How long to wait after a refusal that does not say how long."""
SERVER_ERROR: Final = 500
OVERLOADED: Final = 529
TOO_LONG: Final = "exceed_context_size_error"
"""How servers of llama.cpp call a prompt that is longer than the context."""

NOTHING: Final = "without content"
"""How the library says that what came back was no answer at all."""


@contextmanager
def noted_refusals(reading: Reading) -> Iterator[None]:
    """Note where a provider refuses a request before it computes anything."""
    from pydantic_ai.exceptions import ModelHTTPError

    try:
        yield
    except ModelHTTPError as error:
        reading.refused = error.status_code < SERVER_ERROR or error.status_code == OVERLOADED
        raise


def seconds_refused(error: Exception) -> float | None:
    """Return how long to wait before a provider is asked again that said to come later; None where it did not."""
    from pydantic_ai import exceptions as those

    if isinstance(error, RateLimited):
        after = error.retry_after
        return float(after) if isinstance(after, int | float) else PATIENCE_SECONDS
    if isinstance(error, those.ModelRateLimitError | those.ModelOverloadedError):
        return PATIENCE_SECONDS if error.retry_after is None else float(error.retry_after)
    return None


def is_final(error: Exception) -> bool:
    """Say whether another attempt would come to the same."""
    from pydantic_ai import exceptions as those

    if isinstance(error, HoldfastError):
        return not error.retryable
    if isinstance(error, those.ModelRequestRejectedError | those.ModelQuotaExceededError):
        return True
    return isinstance(error, those.UserError | those.AgentRunError) and not isinstance(error, those.ModelAPIError)


@contextmanager
def told_apart(endpoint: Endpoint, rate: str | None) -> Iterator[None]:
    """Turn what the library raises into what it means for a task.

    Raises:
        RateLimited: the provider said to come again later.
        ModelRequestError: it refused, and would again.
        AnswerError: the answer does not fit.
        ModelError: it did not answer.
    """
    with installed():
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
        remedy = f"Look at the name behind {endpoint.provider}: it has to be one that the provider lists for this key."
        raise ModelRequestError(endpoint.name, f"its provider has no such model{where}", remedy) from error
    except those.ModelContextWindowExceededError as error:
        remedy = "Shorten the prompt or its prefix, or take a model with a longer context."
        raise ModelRequestError(endpoint.name, f"the prompt is too long: {_said(error)}", remedy) from error
    except (those.ModelRequestRejectedError, those.ModelQuotaExceededError) as error:
        if _kind(error) == TOO_LONG:
            remedy = endpoint.local.too_long_remedy if endpoint.local else "Start its server with a longer context."
            raise ModelRequestError(endpoint.name, f"the prompt is too long: {_said(error)}", remedy) from error
        raise ModelRequestError(endpoint.name, f"its provider refused: {_said(error)}") from error
    except those.ModelAPIError as error:
        raise ModelError(endpoint.name, f"no answer from {endpoint.where}: {_said(error)}{_why(error)}") from error
    except those.UnexpectedModelBehavior as error:
        if NOTHING in str(error):
            what = f"what came from {endpoint.where} is no answer: {error}"
            raise ModelError(endpoint.name, what, "Should it go on, look at what listens there.") from error
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
    return str(_inner(error).get("message") or error).strip()


def _why(error: BaseException) -> str:
    """Return what is behind an error of a connection, in words of whoever noticed it first."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    return "" if first is error or not str(first) else f" ({first})"


def _kind(error: Exception) -> str:
    return str(_inner(error).get("type") or "")


def _inner(error: Exception) -> dict[str, Any]:
    """Return what a provider says of an error."""
    body: Any = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else None
    return inner if isinstance(inner, dict) else {}


def _key_remedy(endpoint: Endpoint) -> str:
    if endpoint.local is not None:
        return "Something else listens where it did: close it, and ask again."
    return f"Look at {endpoint.api_key or 'env:' + KEYS[endpoint.provider]}."
