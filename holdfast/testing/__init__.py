"""What tests of your automations, of stores and engines of your own, and of Holdfast itself are built from.

Owns: the names a test imports.
Must not know: pytest, outside of `holdfast.testing.plugin`. Everything else here runs under any test runner.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from holdfast.testing.world import Call, World, WorldRun

__all__ = ["Call", "World", "WorldRun"]

_HOME: Final = "holdfast.testing.world"


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: pytest loads the plugin beside it in every project."""
    if name not in __all__:
        raise AttributeError(f"module 'holdfast.testing' has no attribute {name!r}")
    value = getattr(import_module(_HOME), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
