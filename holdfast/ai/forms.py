"""The form of an answer: how a model is told of it in a prompt, and how what it wrote is read.

Owns: `Form`.
Must not know: models, how they are asked.

A prompt with a kept prefix says the form at its own end. Where a provider has a place of its own for it, that place
comes before the prefix, and each form would make another prefix of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from pydantic import PydanticUserError, TypeAdapter, ValidationError

from holdfast.errors import DefinitionError

FENCED: Final = re.compile(r"\A\s*```[a-z]*\n(.*)\n```\s*\Z", re.DOTALL)
"""An answer that was put between fences, against what was asked."""


@dataclass(frozen=True, slots=True)
class Form:
    """What an answer is to be: text, or a value of a type."""

    type: Any
    adapter: TypeAdapter[Any] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Look at the type; raises DefinitionError when it has no JSON form."""
        try:
            adapter = None if self.type is str else TypeAdapter(self.type)
            if adapter is not None:
                adapter.json_schema()
        except (PydanticUserError, TypeError) as error:
            remedy = "Give a Pydantic model, a dataclass, a TypedDict or plain JSON types."
            raise DefinitionError(f"output={self.type!r} is no type that an answer can have", "", remedy) from error
        object.__setattr__(self, "adapter", adapter)

    @property
    def is_text(self) -> bool:
        """Whether any answer will do."""
        return self.adapter is None

    @property
    def described(self) -> str:
        """The form as JSON Schema; empty for text."""
        if self.adapter is None:
            return ""
        return msgspec.json.encode(self.adapter.json_schema(), order="sorted").decode()

    def pack(self, value: Any) -> bytes:
        """Return an answer as JSON text. Raises ValueError where it has none."""
        return msgspec.json.encode(value) if self.adapter is None else self.adapter.dump_json(value)

    def unpack(self, packed: bytes) -> Any:
        """Return the answer that was packed. Raises ValueError when it is none of this form."""
        return msgspec.json.decode(packed, type=str) if self.adapter is None else self.adapter.validate_json(packed)

    def ask(self, prompt: str) -> str:
        """Return a prompt that ends with the form that its answer is to have."""
        if self.adapter is None:
            return prompt
        return f"{prompt}\n\nAnswer with JSON that fits this schema, and with nothing else:\n{self.described}"

    def read(self, text: str) -> Any:
        """Return the value that an answer stands for. Raises ValueError, in words for whoever wrote it."""
        if self.adapter is None:
            return text
        fenced = FENCED.match(text)
        try:
            return self.adapter.validate_json(fenced[1] if fenced else text)
        except ValidationError as error:
            wrong = "; ".join(_describe(each) for each in error.errors(include_url=False, include_input=False))
            raise ValueError(f"The answer does not fit the schema: {wrong}. Answer with JSON alone.") from error


def _describe(error: Any) -> str:
    place = ".".join(str(each) for each in error["loc"])
    return f"{place}: {error['msg']}" if place else str(error["msg"])
