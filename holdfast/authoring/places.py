"""Where in the user's code something stands, in words, and what its module is called.

Owns: `file:line, in name` for definitions and callers; one name for a module however it was started.
Must not know: what a definition is wanted for.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

FRAMES_MAX: Final = 64
"""How far out the user's frame is looked for."""

_OURS: Final = "holdfast."
_BETWEEN: Final = "contextlib"
"""Stands between us and whoever calls us in a `with` block of ours."""


def place_of(definition: Any) -> str:
    """Return `file:line, in name` of a function or class, or what is known of it."""
    name: str = getattr(definition, "__qualname__", repr(definition))
    code: CodeType | None = getattr(definition, "__code__", None)
    if code is not None:
        return f"{_short(code.co_filename)}:{code.co_firstlineno}, in {name}"
    # A class has no line of its own before Python 3.13; its first function stands close enough to find it.
    inside = (
        [each.__code__ for each in vars(definition).values() if hasattr(each, "__code__")]
        if _is_class(definition)
        else []
    )
    if inside:
        first = min(inside, key=lambda each: each.co_firstlineno)
        return f"{_short(first.co_filename)}:{first.co_firstlineno}, in {name}"
    return f"{getattr(definition, '__module__', '?')}, in {name}"


def calling_place() -> str:
    """Return `file:line, in name` of the innermost frame outside Holdfast, or ''."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(FRAMES_MAX):
        if frame is None:
            return ""
        module = frame.f_globals.get("__name__", "")
        if not module.startswith(_OURS) and module != _BETWEEN:
            return f"{_short(frame.f_code.co_filename)}:{frame.f_lineno}, in {frame.f_code.co_qualname}"
        frame = frame.f_back
    return ""


def module_name(name: str) -> str:
    """Return the name a module can be imported by: `bot` for `python bot.py` too, where Python says `__main__`."""
    if name != "__main__":
        return name
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else name


def _is_class(definition: Any) -> bool:
    return isinstance(definition, type)


def _short(file: str) -> str:
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the current folder is gone
        return file
