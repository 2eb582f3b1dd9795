"""Every public name says what it is."""

from __future__ import annotations

import inspect
from types import ModuleType, SimpleNamespace

import holdfast


def undocumented(module: ModuleType | SimpleNamespace) -> list[str]:
    """Return the public names of a module that have no docstring of their own."""
    return [each for each in getattr(module, "__all__", ()) if not _has_own_words(each, getattr(module, each))]


def _has_own_words(name: str, thing: object) -> bool:
    if name == "__version__":
        return isinstance(thing, str)
    if inspect.ismodule(thing) or callable(thing):
        words = getattr(thing, "__doc__", None) or ""
        return bool(words.strip()) and not words.startswith(f"{name}(")  # what a dataclass gives itself
    return bool((type(thing).__doc__ or "").strip())  # a constant is explained by its type


def test_public_names_are_documented() -> None:
    """Every name in `holdfast.__all__` exists and has a docstring."""
    assert undocumented(holdfast) == []


def test_undocumented_name_is_caught() -> None:
    """The check above sees a missing docstring, and the one a dataclass makes up."""

    def silent(): ...

    class MadeUp:
        __doc__ = "MadeUp(value: int)"

    def told():
        """Say something."""

    module = SimpleNamespace(__all__=["silent", "MadeUp", "told"], silent=silent, MadeUp=MadeUp, told=told)
    assert undocumented(module) == ["silent", "MadeUp"]
