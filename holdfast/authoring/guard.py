"""The determinism guard: on while workflow code runs, and only for the thread it runs on.

Owns: the pass-through fences before clocks, entropy and threads, the audit hook, and which threads are in a drain.
Must not know: the engine, histories, who is to blame for a call (culprit.py), why a call is forbidden (forbidden.py).

Theory of operation
===================

Two kinds of watch posts are set up at the first drain of the process and stay:

- *Fences* stand in for the few functions that all others of their kind go through: `time.time`, `os.urandom`, the
  hidden generator of `random`. `uuid4`, `secrets` and most of `random` need no fence of their own.
- An *audit hook* hears of files, sockets, processes and threads from the interpreter itself, however they are reached.

Both first ask whether the calling thread is in a drain, and if not, do nothing. So a drain begins and ends with one
dictionary write: 0.4 us for both, where swapping the functions in and out at each drain took over 2 us, would have
needed a lock, and could have put back a function that a test library had replaced in between. The price is paid by
calls outside: about 0.1 us for each call of a fenced function, and 0.3 us for each audited one, nearly all of it
CPython's own work to announce it. Audited are `id()`, `sys._getframe()` and `frame.f_code` too: not for hot paths.

When a call is caught, the stack is read to see whose it is. Only then does anything slow happen.

Not caught: functions of types written in C (`datetime.now`), system calls without an audit event (`os.stat`), and
names bound to the original before the fences stood, except in the users' own modules, which are rebound.
"""

from __future__ import annotations

import _thread
import linecache
import os
import random
import sys
import threading
import time
import uuid
from _thread import get_ident
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from types import FrameType, MethodType, ModuleType
from typing import Any

from holdfast.authoring.culprit import Culprit, Origin, find_culprit, is_asyncio, origin_of_module
from holdfast.authoring.forbidden import (
    BY_CALL,
    CLOCK,
    FORBIDDEN,
    STOPWATCH,
    Forbidden,
    Reason,
    is_exempt,
    reason_of_event,
)
from holdfast.errors import NondeterminismError


class DeterminismGuard:
    """Raises NondeterminismError where workflow code calls what a replay would answer differently.

    All guards of a process are one: it does not matter which instance a thread uses, or how many there are.
    """

    __slots__ = ()

    def enter(self) -> None:
        """Switch the guard on for this thread. May be nested; each `enter` needs its `leave`."""
        if not _replacements:
            install()
        thread = get_ident()
        _draining[thread] = _draining.get(thread, 0) + 1

    def leave(self) -> None:
        """Undo one `enter` of this thread; raises RuntimeError when there was none."""
        thread = get_ident()
        depth = _draining.pop(thread, 0) - 1
        if depth > 0:
            _draining[thread] = depth
        elif depth < 0:
            raise RuntimeError("DeterminismGuard.leave() without enter() on this thread")


# --- Who is in a drain -------------------------------------------------------------------------------------------

_draining: dict[int, int] = {}
"""How deep each thread is in drains. A thread that is in none has no key; mostly the dictionary is empty."""


def _judge(frame: FrameType, call: str, reason: Reason) -> None:
    """Raise NondeterminismError when `call`, noticed in `frame`, is the user's doing; else let it pass."""
    thread = get_ident()
    depth = _draining.pop(thread)  # what follows reads files itself
    try:
        if is_asyncio(frame) and reason in (CLOCK, STOPWATCH):
            return
        culprit = find_culprit(frame, call)
        if culprit is None or _is_exempt(culprit):
            return
        name, instead = _words(culprit, reason)
    finally:
        _draining[thread] = depth
    raise NondeterminismError(call=name, where=culprit.where, instead=instead)


def _is_exempt(culprit: Culprit) -> bool:
    return any(map(is_exempt, linecache.getlines(culprit.file)[culprit.first_line - 1 : culprit.last_line]))


def _words(culprit: Culprit, reason: Reason) -> tuple[str, str]:
    """Return the call as the user wrote it, as far as that can be known, and what to write instead."""
    *names, call = culprit.names
    for name in names:
        row = BY_CALL.get(name) or BY_CALL.get(name.rpartition(".")[0])
        if row is not None:
            return name, row.instead
    if not names:
        return call, reason.instead
    public = next((name for name in names if "._" not in name), names[0])
    return f"{public}, which calls {call}", reason.instead


# --- Fences ------------------------------------------------------------------------------------------------------


class _Fence:
    """What a fence is bound to: enough for it to be copied and sent like the function it stands in for."""

    __slots__ = ("call", "module")

    def __init__(self, module: str, call: str) -> None:
        self.module = module
        self.call = call

    def __repr__(self) -> str:
        return f"<holdfast's fence before {self.call}>"

    def __deepcopy__(self, memo: object) -> _Fence:
        return self

    def __reduce__(self) -> tuple[Callable[[str], ModuleType], tuple[str]]:
        return import_module, (self.module,)  # a method travels as (what it is bound to, its name)


def _fence(original: Callable[..., Any], module: str, row: Forbidden) -> MethodType:
    """Return a stand-in for `original` that passes through, except in a drain.

    It is a bound method because one of those, like the original and unlike a plain function, stays what it is when a
    class takes it for an attribute: `class Watch: read = time.monotonic`.
    """
    call, reason = row.call, row.reason
    harmless = sys.maxsize if row.harmless_arguments is None else row.harmless_arguments

    def stand_in(_: _Fence, *arguments: Any) -> Any:
        if _draining and get_ident() in _draining and len(arguments) < harmless:
            _judge(sys._getframe(1), call, reason)  # the documented way to the caller's frame
        return original(*arguments)

    stand_in.__name__ = stand_in.__qualname__ = getattr(original, "__name__", call)
    stand_in.__module__ = module
    stand_in.__doc__ = original.__doc__
    stand_in.__wrapped__ = original  # type: ignore[attr-defined]  # what functools.wraps sets
    return MethodType(stand_in, _Fence(module, call))


def _sources() -> Iterator[tuple[dict[str, Any], str, str, str]]:
    """Yield (namespace, name in it, module, call in the table) of each function that others of its kind go through."""
    for row in FORBIDDEN:
        module, _, name = row.call.partition(".")
        if module == "time" and "guard" in row.caught_by:
            yield vars(time), name, module, row.call
    for name in ("urandom", "getrandom"):
        yield vars(os), name, "os", f"os.{name}"
    yield vars(random), "_urandom", "os", "os.urandom"  # SystemRandom, and with it secrets
    for name in ("random", "getrandbits"):
        yield vars(random), name, "random", f"random.{name}"
        yield vars(random._inst), name, "random", f"random.{name}"  # noqa: SLF001  # what the other functions of the module draw from
    yield vars(random), "gauss", "random", "random.gauss"  # every second one comes from the first, and draws nothing
    yield vars(uuid), "_generate_time_safe", "uuid", "uuid.uuid1"
    if sys.version_info < (3, 12):  # from then on an audit event tells of new threads
        for name in ("start_new_thread", "start_new"):
            yield vars(_thread), name, "_thread", "_thread.start_new_thread"
        yield vars(threading), "_start_new_thread", "_thread", "_thread.start_new_thread"


# --- Setting up --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Replacement:
    namespace: dict[str, Any]
    name: str
    original: Any
    stand_in: Any
    inherited: bool = False  # the namespace had no such name; its class has


_replacements: list[_Replacement] = []
_setup = threading.Lock()
_hooked = False


def install() -> None:
    """Put up the fences and the audit hook. Does nothing when they are up."""
    global _hooked  # noqa: PLW0603  # an audit hook can never be taken back, so there must never be two
    with _setup:
        if _replacements:
            return
        replacements = [*_replace_sources()]
        replacements += _rebind({id(each.original): each for each in replacements})
        if not _hooked:
            _hooked = True
            if hasattr(os, "register_at_fork"):
                # Only the forking thread lives on in the child, and others may be given the dead ones' numbers.
                os.register_at_fork(after_in_child=_draining.clear)
            sys.addaudithook(_hear)
        _replacements.extend(replacements)  # last: whoever sees one of them may rely on all


def uninstall() -> None:
    """Take the fences down; what somebody else replaced meanwhile is left alone. The next `enter` puts them up again.

    For programs that look at the functions themselves, such as compilers and test libraries.
    """
    with _setup:
        for each in reversed(_replacements):
            if each.namespace.get(each.name) is each.stand_in:
                if each.inherited:
                    del each.namespace[each.name]
                else:
                    each.namespace[each.name] = each.original
        _replacements.clear()


def _replace_sources() -> Iterator[_Replacement]:
    stand_ins: dict[int, MethodType] = {}  # one for each original, under however many names
    for namespace, name, module, call in _sources():
        inherited = name not in namespace
        original = vars(random)[name] if inherited and module == "random" else namespace.get(name)
        if original is None:  # not on this platform
            continue
        stand_in = stand_ins.get(id(original)) or _fence(original, module, BY_CALL[call])
        stand_ins[id(original)] = stand_in
        namespace[name] = stand_in
        yield _Replacement(namespace, name, original, stand_in, inherited)


def _rebind(by_original: dict[int, _Replacement]) -> Iterator[_Replacement]:
    """Replace what the users' modules took with `from time import time` before the fences were there."""
    for module_name, module in list(sys.modules.items()):
        if not issubclass(type(module), ModuleType):
            continue
        namespace = vars(module)
        if origin_of_module(module_name, namespace.get("__file__") or "") is not Origin.USER:
            continue
        for name, value in list(namespace.items()):
            found = by_original.get(id(value))
            if found is not None:
                namespace[name] = found.stand_in
                yield _Replacement(namespace, name, found.original, found.stand_in)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Hear of something that the interpreter is about to do."""
    if _draining and get_ident() in _draining:
        reason = reason_of_event(event)
        if reason is not None and not _is_time_zone(event, arguments):
            package = event.partition(".")[0]
            call = event.replace("__new__", package).removeprefix("builtins.").partition("/")[0]
            _judge(sys._getframe(1), call, reason)  # as in a fence


def _is_time_zone(event: str, arguments: tuple[Any, ...]) -> bool:
    """Say whether a time zone's rules are being opened: `ZoneInfo` does it from C, with no frame to know it by."""
    if event != "open" or "zoneinfo" not in sys.modules or not isinstance(arguments[0], str):
        return False
    return arguments[0].startswith(tuple(folder + os.sep for folder in sys.modules["zoneinfo"].TZPATH))
