"""Who was told to stop: the process, or only the workflow.

Owns: telling an interrupt of the process from the same exception raised by workflow code.
Must not know: what is done about either.

`SystemExit` and `KeyboardInterrupt` end a program. Raised by workflow code they must not: such a run would kill every
member that claims it, one after the other. Raised because somebody pressed Ctrl-C in the middle of a drain they must,
and the run must not be marked as failed for it.
"""

from __future__ import annotations

import dis
import functools
import signal
from types import CodeType, TracebackType
from typing import Any, Final

_RAISE: Final = frozenset({dis.opmap["RAISE_VARARGS"], dis.opmap["RERAISE"]})


def is_of_process(error: BaseException) -> bool:
    """Say whether `error` was raised by a signal to the process, rather than by the code that was running."""
    handlers = {_code_of(signal.getsignal(each)) for each in signal.valid_signals()}
    innermost: TracebackType | None = None
    entry = error.__traceback__
    while entry is not None:
        if entry.tb_frame.f_code in handlers:
            return True
        innermost, entry = entry, entry.tb_next
    # Python's own handler for Ctrl-C has no frame: the interrupt appears at whatever instruction was running.
    return isinstance(error, KeyboardInterrupt) and innermost is not None and not _is_raise(innermost)


def _is_raise(entry: TracebackType) -> bool:
    return entry.tb_frame.f_code.co_code[entry.tb_lasti] in _RAISE


def _code_of(handler: Any) -> CodeType | None:
    while isinstance(handler, functools.partial):
        handler = handler.func
    return getattr(getattr(handler, "__func__", handler), "__code__", None)
