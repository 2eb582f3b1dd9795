"""Async generators that workflow code begins.

Owns: whom the interpreter tells when a generator is begun, and when one is dropped half-way.
Must not know: what becomes of the generators.

The interpreter has one pair of hooks for each thread, and an event loop sets them for as long as it runs. Setting them
anew around every drain costs 1.2 us, most of it in audit events. So they are set once for each host loop, and ask
which loop is running.
"""

from __future__ import annotations

import sys
from asyncio import events
from collections.abc import AsyncGenerator, Callable
from typing import Any
from weakref import WeakSet

Generator = AsyncGenerator[Any, Any]
Hook = Callable[[Generator], None]


class Hooks:
    """The hooks of one thread while some host loop runs."""

    __slots__ = ("_finalize", "_ours", "_start")

    def __init__(self, start: Hook | None, finalize: Hook | None) -> None:
        """Stand before the host's own hooks."""
        self._start = start
        self._finalize = finalize
        self._ours: WeakSet[Generator] = WeakSet()

    def start(self, generator: Generator) -> None:
        """Hear that `generator` takes its first step."""
        keep: Hook | None = getattr(events._get_running_loop(), "keep_generator", None)
        if keep is not None:
            self._ours.add(generator)
            keep(generator)
        elif self._start is not None:
            self._start(generator)

    def finalize(self, generator: Generator) -> None:
        """Hear that nobody holds `generator` any more. A workflow's was ended with its workflow."""
        if self._finalize is not None and generator not in self._ours:
            self._finalize(generator)


def see_to_hooks() -> None:
    """Make sure that this thread's hooks ask which loop is running."""
    present = sys.get_asyncgen_hooks()
    if not isinstance(getattr(present.firstiter, "__self__", None), Hooks):
        hooks = Hooks(*present)
        sys.set_asyncgen_hooks(hooks.start, hooks.finalize)
