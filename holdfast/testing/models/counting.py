"""A provider's cache of prompts, as providers count it.

Owns: which tokens were read, which were written, and until when they are kept.
Must not know: requests, connections.

Two ways are played. With breakpoints, as Anthropic: what stands before one is kept, if it is long enough, and read
where a later prompt begins with the same blocks. Without, as OpenAI: every whole chunk of a long prompt is kept; where
there are none, Anthropic keeps nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from holdfast.testing.models.asked import Block

TOKEN_CHARACTERS: Final = 4
CHUNK_TOKENS: Final = 128
LOOK_BACK_BLOCKS: Final = 20
"""How many blocks before a breakpoint an older end of a prefix is looked for."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The input of one request."""

    total: int
    read: int
    written: int


class PromptCache:
    """What a provider keeps of prompts. Not thread-safe."""

    def __init__(self, minimum_tokens: int, seconds: float, now: Callable[[], float]) -> None:
        """Keep prefixes of at least `minimum_tokens` for `seconds` after each use, by the clock `now`."""
        self._minimum = minimum_tokens
        self._seconds = seconds
        self._now = now
        self._kept: dict[str, float] = {}
        """Digest of a prefix -> until when it is kept."""

    def count(self, blocks: Sequence[Block], *, by_itself: bool) -> tuple[Counted, list[str]]:
        """Return what a prompt costs now, and the prefixes that are kept once it has been computed.

        Args:
            blocks: the prompt.
            by_itself: whether this provider keeps prompts without breakpoints.
        """
        ends = list(_prefixes(blocks))
        total = ends[-1][1] if ends else 0
        if any(each.is_breakpoint for each in blocks):
            return self._count_breakpoints(blocks, ends, total)
        if not by_itself:
            return Counted(total, 0, 0), []
        return self._count_chunks("".join(each.text for each in blocks), total)

    def keep(self, prefixes: Sequence[str]) -> None:
        """Keep prefixes from now on."""
        until = self._now() + self._seconds
        self._kept.update(dict.fromkeys(prefixes, until))

    def _count_breakpoints(
        self, blocks: Sequence[Block], ends: list[tuple[str, int]], total: int
    ) -> tuple[Counted, list[str]]:
        marked = [number for number, each in enumerate(blocks) if each.is_breakpoint]
        last = marked[-1]
        read = 0
        for number in range(last, max(-1, last - LOOK_BACK_BLOCKS), -1):
            if self._is_kept(ends[number][0]):
                read = ends[number][1]
                break
        kept = [ends[number] for number in marked if ends[number][1] >= self._minimum]
        written = max((tokens for _, tokens in kept), default=0) - read
        return Counted(total, read, max(0, written)), [digest for digest, _ in kept]

    def _count_chunks(self, text: str, total: int) -> tuple[Counted, list[str]]:
        if total < self._minimum:
            return Counted(total, 0, 0), []
        read, prefixes, digest = 0, [], hashlib.sha256()
        size = CHUNK_TOKENS * TOKEN_CHARACTERS
        for number in range(len(text) // size):
            digest.update(text[number * size : (number + 1) * size].encode("utf-8", "surrogatepass"))
            prefixes.append(digest.copy().hexdigest())
            if read == number * CHUNK_TOKENS and self._is_kept(prefixes[-1]):
                read += CHUNK_TOKENS
        return Counted(total, read if read >= self._minimum else 0, 0), prefixes

    def _is_kept(self, digest: str) -> bool:
        return self._kept.get(digest, 0.0) > self._now()


def _prefixes(blocks: Sequence[Block]) -> Iterator[tuple[str, int]]:
    """Yield, for each block, the digest of the prompt up to its end, and how many tokens that is."""
    digest, characters = hashlib.sha256(), 0
    for each in blocks:
        digest.update(each.text.encode("utf-8", "surrogatepass") + b"\x00")
        characters += len(each.text)
        yield digest.copy().hexdigest(), -(-characters // TOKEN_CHARACTERS)
