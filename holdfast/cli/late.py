"""Verbs that are imported when they are used, so that a program starts as fast as the one verb it was started for.

Owns: where verbs stand, and making commands of them.
Must not know: any verb.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group


class Verb(NamedTuple):
    """Where a verb stands, and where it is shown."""

    place: str
    """`module:name` in this package: a function, or a `typer.Typer` with verbs of its own."""
    panel: str


class Verbs(Mapping[str, Any]):
    """Verbs by their names, each imported when it is first looked up."""

    def __init__(self, verbs: Mapping[str, Verb]) -> None:
        """Know where `verbs` stand, in their order."""
        self._verbs = verbs
        self._commands: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """Return the command, made once. Raises KeyError: there is none of this name."""
        verb = self._verbs[name]
        if name not in self._commands:
            self._commands[name] = _make_command(name, verb)
        return self._commands[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names, and import nothing."""
        return iter(self._verbs)

    def __len__(self) -> int:
        """Return how many verbs there are."""
        return len(self._verbs)


def group_of(verbs: Mapping[str, Verb]) -> type[TyperGroup]:
    """Return the class of a group whose verbs are these."""

    class LateGroup(TyperGroup):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.commands: Any = Verbs(verbs)

    return LateGroup


def _make_command(name: str, verb: Verb) -> Any:
    module, _, attribute = verb.place.partition(":")
    found = getattr(import_module(f"{__package__}.{module}"), attribute)
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name, group.rich_help_panel = name, verb.panel
        return group
    alone = typer.Typer(add_completion=False)
    alone.command(name, rich_help_panel=verb.panel)(found)
    return get_command(alone)
