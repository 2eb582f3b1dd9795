"""What a model is asked, read from the requests of several providers.

Owns: `Asked`, `Reply`, reading requests in the forms of Anthropic's Messages and of OpenAI's two.
Must not know: connections, caches, how answers are written.

A prompt is a row of blocks in the order in which a model reads them: tools, system, messages. Whatever of a block's
bytes changes, its text here changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec

Reply: TypeAlias = str | dict[str, Any]
"""What a model is to say: text, or the arguments of the output tool (JSON text where there is none)."""

_MARKS: Final = ("cache_control", "prompt_cache_breakpoint")


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a prompt."""

    text: str
    is_breakpoint: bool
    """Whether the prompt up to here is to be kept."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to a model."""

    path: str
    model: str
    prompt: str
    """The text of the last message of the user."""
    blocks: tuple[Block, ...]
    key: str
    """What authorised it."""
    body: dict[str, Any] = field(repr=False)

    @property
    def is_streamed(self) -> bool:
        """Whether the answer is wanted piece by piece."""
        return bool(self.body.get("stream"))

    @property
    def keeps_by_itself(self) -> bool:
        """Whether a provider of this form keeps long prompts that have no breakpoints."""
        return not self.path.endswith("/messages")

    @property
    def output_tool(self) -> str:
        """Name of the tool by which the answer is to be given; empty for plain text."""
        for each in self.body.get("tools", ()):
            name = each.get("name") or each.get("function", {}).get("name", "")
            if name.startswith("final_result"):
                return str(name)
        return ""

    @property
    def is_structured(self) -> bool:
        """Whether the answer is to have a form that the request describes."""
        body = self.body
        formats = (body.get("output_config"), body.get("text"), {"format": body.get("response_format")})
        return bool(self.output_tool) or any(
            ((each or {}).get("format") or {}).get("type") == "json_schema" for each in formats
        )


def read_asked(path: str, headers: dict[str, str], body: dict[str, Any]) -> Asked:
    """Return what a request asks; `headers` have names in lower case."""
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    blocks = [_block(each) for each in body.get("tools", ())]
    if body.get("instructions"):
        blocks.append(_block(body["instructions"]))
    system = body.get("system") or ()
    blocks += [_block(each) for each in ([system] if isinstance(system, str) else system)]
    prompt = ""
    for message in body.get("messages") or body.get("input") or ():
        content = message.get("content") or ""
        parts = [content] if isinstance(content, str) else content
        blocks += [_block(each) for each in parts]
        if message.get("role") == "user":
            prompt = "".join(each if isinstance(each, str) else str(each.get("text", "")) for each in parts)
    return Asked(path, str(body.get("model", "")), prompt, tuple(blocks), key, body)


def _block(part: Any) -> Block:
    if isinstance(part, str):
        return Block(part, is_breakpoint=False)
    bare = {name: value for name, value in part.items() if name not in _MARKS}
    text = bare["text"] if set(bare) == {"type", "text"} else msgspec.json.encode(bare, order="sorted").decode()
    return Block(text, is_breakpoint=any(each in part for each in _MARKS))
