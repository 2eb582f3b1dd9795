"""What was decided about the calls of one task with one set of options.

Owns: the answers that are the same for every such call, looked up once.
Must not know: any one call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from holdfast.history import TaskOptions
from holdfast.worker.attempt import Attempt, Executable
from holdfast.worker.line import Line


class Plan:
    """What was decided about the calls of one task with one set of options."""

    __slots__ = (
        "begin",
        "decode_call",
        "definition",
        "encode_result",
        "fn",
        "is_plain",
        "is_quick",
        "line",
        "options",
        "waits_are_limited",
    )

    begin: Callable[[Attempt], None]
    """Starts an attempt whose turn it is."""
    is_quick: bool
    """Whether an attempt may start before its call is recorded."""

    def __init__(self, definition: Executable, options: TaskOptions, line: Line) -> None:
        """Look everything up; the runner adds how attempts begin."""
        self.definition = definition
        self.options = options
        self.line = line
        self.fn = definition.fn
        self.decode_call = definition.signature.decode_call
        self.encode_result = definition.signature.encode_result
        self.is_plain = definition.is_async and _is_plain(definition.fn)
        self.waits_are_limited = (
            options.total_timeout is not None or options.queue_timeout is not None or options.limits is not None
        )


def _is_plain(fn: Callable[..., Any]) -> bool:
    # Calling an `async def` runs none of its code: that need not happen in the attempt's own context.
    code = getattr(fn, "__code__", None)
    return code is not None and bool(code.co_flags & inspect.CO_COROUTINE)
