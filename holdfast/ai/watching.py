"""What goes wrong with a prefix without anybody noticing: it costs money, and everything works.

Owns: what is warned of.
Must not know: how requests are made.
"""

from __future__ import annotations

import warnings
from typing import Final

from holdfast.ai.cached import Cached
from holdfast.ai.usage import Usage
from holdfast.errors import HoldfastWarning

STACK_LEVEL: Final = 2


class PrefixWatch:
    """Looks at what requests with one prefix used."""

    def __init__(self, prefix: Cached, model: str) -> None:
        """Watch `prefix` at `model`."""
        self._about = f"prefix {prefix.name!r} at model {model!r}"
        self._unread = 0
        """How often it was written since it was last read."""
        self._said: set[str] = set()

    def note(self, usage: Usage) -> None:
        """Look at a request, and warn of what it shows: of each thing once."""
        read, written = usage.cache_read_tokens, usage.cache_write_tokens
        if read is None or written is None:
            return
        if read:
            self._unread = 0
        elif written:
            self._unread += 1
            if self._unread > 1:
                self._warn(
                    "was written twice and not read in between: what comes before it may change, such as its tools,"
                    " or its time is over before it is used again"
                )
        else:
            self._warn("is not kept by the provider: it is shorter than what the provider keeps at least")

    def _warn(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            warnings.warn(f"{self._about} {text}", HoldfastWarning, stacklevel=STACK_LEVEL)
