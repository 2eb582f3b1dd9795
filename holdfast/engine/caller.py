"""Which line of the user's code is running, or waiting.

Owns: the walk over frames to the first one that is the user's.
Must not know: what the position is wanted for.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, Final

_OURS: Final = ("holdfast", "asyncio", "contextvars", "contextlib")
_AUTHORED: Final = ("holdfast.demo", "holdfast.testing")
"""Packages of Holdfast whose code is written the way a user would."""
_DEPTH_MAX: Final = 64


def user_position() -> str:
    """Return `file:line, in function` of the innermost frame outside Holdfast and asyncio, or ''."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_DEPTH_MAX):
        if frame is None:
            return ""
        name = frame.f_globals.get("__name__", "")
        if _is_users(name):
            # The host that drives the loop is not workflow code: only frames below the loop's turn count.
            return _describe(frame) if _below_turn(frame) else ""
        if frame.f_code.co_name == "turn" and name == "holdfast.engine.loop":
            return ""
        frame = frame.f_back
    return ""


def code_position(coroutine: Any) -> str:
    """Return `file:line, in function` of where a suspended coroutine waits, innermost user frame, or ''."""
    position = ""
    for _ in range(_DEPTH_MAX):
        frame = getattr(coroutine, "cr_frame", None)
        if frame is None:
            return position
        if _is_users(frame.f_globals.get("__name__", "")):
            position = _describe(frame)
        coroutine = coroutine.cr_await
    return position


def _is_users(module: str) -> bool:
    return not _is_within(module, _OURS) or _is_within(module, _AUTHORED)


def _is_within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == each or module.startswith(each + ".") for each in packages)


def _below_turn(frame: FrameType) -> bool:
    outer: FrameType | None = frame
    for _ in range(_DEPTH_MAX):
        if outer is None:
            return False
        if outer.f_code.co_name in {"turn", "_read"} and outer.f_globals.get("__name__", "").startswith("holdfast."):
            return True
        outer = outer.f_back
    return False


def _describe(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}, in {frame.f_code.co_qualname}"
