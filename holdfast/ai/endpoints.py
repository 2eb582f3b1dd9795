"""Models as users name them, and where they are asked.

Owns: `Endpoint`: names, keys, what a count of tokens means.
Must not know: how a model is asked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdfast.ai.usage import NOT_SAID, Usage
from holdfast.errors import DefinitionError, ModelRequestError

if TYPE_CHECKING:
    from pydantic_ai.messages import ModelResponse

    from holdfast.ai.local import Local

KEYS: Final = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY", "openai-chat": "OPENAI_API_KEY"}
"""Where a provider's key is looked for when it is not said."""
LOCAL: Final = "local"
"""What stands for the provider of a model on this machine."""
KEYLESS: Final = "none"
"""What a server of one's own is given that asks for no key."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model, and where it is asked."""

    name: str
    """`provider:model`, such as `anthropic:claude-sonnet-5-5`."""
    base_url: str = ""
    """Another address than the provider's own: of a gateway, or of a server that speaks like it."""
    api_key: str = ""
    """Where the key is: `env:NAME` or `file:PATH`; the provider's usual variable when empty."""
    local: Local | None = None
    """The model itself, where it is on this machine."""

    def __post_init__(self) -> None:
        """Check the name; raises DefinitionError."""
        name: Any = self.name
        if self.local is not None:
            return
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
        return "" if self.is_compatible or self.local is not None else self.provider.partition("-")[0]

    @property
    def where(self) -> str:
        """Where it is asked, in words."""
        if self.local is not None:
            return "the process that serves it here"
        return self.base_url or "its provider"

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
                why = f"its key cannot be read from {where}: {error}"
                remedy = "Put the key there, in a file that this process may read, or say where it is."
                raise ModelRequestError(self.name, why, remedy) from error
        if not found and self.is_compatible and not self.api_key:
            return KEYLESS
        if not found:
            remedy = f'Set {where}, or say where it is: LLM({self.name!r}, api_key="file:/run/secrets/key").'
            raise ModelRequestError(self.name, f"there is no key: {where} is not set", remedy)
        return found

    def usage_of(self, response: ModelResponse, *, counts: bool) -> Usage:
        """Return what a request used, as far as the provider said it; `counts` says that it counts what it read."""
        return usage_of(response, counts=counts, compatible=self.is_compatible)


def usage_of(response: ModelResponse, *, counts: bool, compatible: bool) -> Usage:
    """Return what a request used, as far as it was said.

    Args:
        response: its answer.
        counts: whether whoever gave it counts what was read from a cache, so that nothing said means nothing read.
        compatible: whether it speaks like a provider and may be anybody's, so that it need not say all that one says.
    """
    said = response.usage
    if said.unmeasured_requests or not (said.input_tokens or said.output_tokens):
        return NOT_SAID
    # What speaks like a provider need not count like it: nothing read may mean that nothing was said.
    return Usage(
        said.input_tokens,
        said.cache_read_tokens or (0 if counts else None),
        said.cache_write_tokens or (None if compatible else 0),
        said.output_tokens,
    )
