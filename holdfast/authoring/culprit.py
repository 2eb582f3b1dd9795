"""Whose call was it? Reads the stack under a forbidden call.

Owns: telling the user's code from libraries, from Python and from Holdfast, and the words for a place in it.
Must not know: which calls are forbidden, or how they were noticed.

Theory of operation
===================

The stack under a call, innermost first, looks like this:

    random.py        Random.randint      Python's own, called by ...
    automations.py   Review.run          the user: this line is named
    asyncio/...      Handle._run         Python's own
    holdfast/engine  ...                 the engine that drives the workflow: the walk ends here

Nobody is to blame when the nearest frame that is not Python's own is Holdfast's, or of a library that was made for
this: then it minds its own business. Nor when a watcher stands anywhere on the way: logging, tracebacks and the import
system read clocks and files for themselves, and hand nothing to the workflow. Nor when the interpreter slipped the
frame in between two instructions of the workflow: finalizers, signal handlers, tracers.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from types import CodeType, FrameType
from typing import Final

WATCHERS: Final = frozenset(
    {
        "_frozen_importlib",
        "_frozen_importlib_external",
        "_pydev_bundle",
        "_pydevd_bundle",
        "bdb",
        "coverage",
        "debugpy",
        "importlib._bootstrap",
        "importlib._bootstrap_external",
        "importlib.metadata",
        "linecache",
        "logging",
        "loguru",
        "opentelemetry",
        "pdb",
        "prometheus_client",
        "pydevd",
        "sentry_sdk",
        "structlog",
        "traceback",
        "tracemalloc",
        "warnings",
        "weakref",  # finalizers
        "zipimport",
        "zoneinfo",  # reads the time zone's rules once, and they are the same everywhere
    }
)
"""Modules and packages that may read clocks and files while workflow code runs."""

RUNTIME: Final = "holdfast"
AUTHORED: Final = ("holdfast.demo", "holdfast.testing")
"""Packages of Holdfast whose code is written the way a user would, and is held to the same rules."""
DRIVERS: Final = ("holdfast.engine", "holdfast.replay", "holdfast.orchestrator", "holdfast.temporal")
"""Packages that run workflow code. What stands beyond them on the stack does not belong to the workflow."""

DURABLE: Final = ("pydantic_ai", "pydantic_graph")
"""Libraries that run in workflow code, with an adapter of Holdfast's under them. They draw ids and read clocks for
notes of their own; what decides anything they ask of the adapter."""


class Origin(Enum):
    """Whose code a frame runs."""

    STANDARD = auto()
    LIBRARY = auto()
    RUNTIME = auto()
    USER = auto()


@dataclass(frozen=True, slots=True)
class Culprit:
    """Who made a call: the words for it, and the lines it stands on.

    `names` are what the call may be known by, the best guess first.
    """

    names: tuple[str, ...]
    where: str
    file: str
    first_line: int
    last_line: int


def find_culprit(frame: FrameType | None, call: str) -> Culprit | None:
    """Return who made `call`, or None when nobody did anything wrong.

    Args:
        frame: the innermost frame, in which `call` was noticed.
        call: its dotted name, for when the frame is the user's own.
    """
    interruptions = _interruptions()
    inner: list[FrameType] = []  # what lies between the call and the user's line, innermost first
    user: FrameType | None = None
    while frame is not None:
        module = _module(frame)
        if frame.f_code in interruptions or frame.f_code.co_name == "__del__" or _is_watcher(module):
            return None
        origin = origin_of(frame)
        minds_itself = origin is Origin.RUNTIME or _is_within(module, DURABLE)
        if minds_itself and user is None and not any(origin_of(each) is Origin.LIBRARY for each in inner):
            return None
        if origin is Origin.RUNTIME and (user is not None or _is_within(module, DRIVERS)):
            break
        if user is None:
            if origin is Origin.USER:
                user = frame
            else:
                inner.append(frame)
        frame = frame.f_back
    if user is not None:
        return _culprit(user, inner[-1] if inner else None, call)
    # A workflow that was installed as a package looks like a library: it is the outermost one.
    while inner and origin_of(inner[-1]) is not Origin.LIBRARY:
        inner.pop()
    return _culprit(inner[-1], inner[-2] if inner[1:] else None, call) if inner else None


def is_asyncio(frame: FrameType | None) -> bool:
    """Say whether asyncio itself made the call: it asks for the time without telling anybody."""
    return frame is not None and _is_within(_module(frame), ("asyncio",))


def origin_of(frame: FrameType) -> Origin:
    """Say whose code `frame` runs."""
    return origin_of_module(_module(frame), frame.f_code.co_filename)


def origin_of_module(module: str, file: str) -> Origin:
    """Say whose code a module is, by its name and its file."""
    if _is_within(module, (RUNTIME,)):
        return Origin.USER if _is_within(module, AUTHORED) else Origin.RUNTIME
    return origin_of_file(file)


@lru_cache(maxsize=4096)
def origin_of_file(file: str) -> Origin:
    """Say whose code stands in `file`. Code without a file, such as a prompt's, is the user's."""
    if file.startswith("<frozen "):
        return Origin.STANDARD
    path = os.path.normcase(file)
    if any(folder in path for folder in _PACKAGES):
        return Origin.LIBRARY
    return Origin.STANDARD if path.startswith(_STANDARD) else Origin.USER


def place(file: str, line: int) -> str:
    """Return the words for a line: relative to the working directory where that is shorter."""
    try:
        folder = os.getcwd() + os.sep  # noqa: PTH109  # a prefix of text is all it is
    except OSError:  # it was deleted
        return f"{file}:{line}"
    return f"{file.removeprefix(folder)}:{line}"


# Packages are installed below the standard library's own folder, so they are asked for first.
_PACKAGES: Final = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_STANDARD: Final = os.path.normcase(os.__file__).removesuffix("os.py")


def _culprit(frame: FrameType, entered: FrameType | None, call: str) -> Culprit:
    code = frame.f_code
    first, last = _lines(frame)
    return Culprit(
        names=(call,) if entered is None else (*_names(entered), call),
        where=f"{place(code.co_filename, first)}, in {code.co_qualname.replace('.<locals>', '')}",
        file=code.co_filename,
        first_line=first,
        last_line=last,
    )


def _names(frame: FrameType) -> Iterator[str]:
    """Yield what the function that `frame` runs may be known by, such as `pathlib.Path.read_text`."""
    module = _module(frame)
    name = frame.f_code.co_qualname.rpartition("<locals>.")[2]
    for constructor in (".__init__", ".__new__", ".__call__", ".__enter__"):
        name = name.removesuffix(constructor)
    package = module.partition(".")[0]
    if module == "random":
        name = name.removeprefix("Random.")  # the module's functions are methods of one hidden instance
    yield f"{module}.{name}"
    yield f"{package}.{name}"


def _lines(frame: FrameType) -> tuple[int, int]:
    """Return the first and the last line of the instruction that `frame` is at."""
    line = frame.f_lineno or frame.f_code.co_firstlineno
    for index, (first, last, _, _) in enumerate(frame.f_code.co_positions()):
        if index == frame.f_lasti // 2:
            return first or line, last or line
    return line, line


def _interruptions() -> frozenset[CodeType]:
    """Return the code that the interpreter runs between two instructions of whatever runs at the moment."""
    callbacks = [*gc.callbacks, sys.gettrace(), sys.getprofile(), *map(signal.getsignal, signal.valid_signals())]
    codes = (getattr(callback, "__code__", None) for callback in callbacks)
    return frozenset(code for code in codes if isinstance(code, CodeType))


def _module(frame: FrameType) -> str:
    name = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else ""


@lru_cache(maxsize=4096)
def _is_watcher(module: str) -> bool:
    parts = module.split(".")
    return any(".".join(parts[: length + 1]) in WATCHERS for length in range(len(parts)))


def _is_within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)
