"""Prefixes of prompts: who holds which, and who computes one that is cold.

Owns: saying what a member holds; taking turns at a prefix that a provider keeps.
Must not know: models, prompts.
"""

from __future__ import annotations

from typing import Final

from holdfast.ports.operations.base import Value

HELD_MAX: Final = 256
"""How many prefixes a member says that it holds; of more it names some."""


class HoldPrefixes(Value, frozen=True):
    """Say what the writing member holds; what it said before is forgotten. Result: True."""

    prefixes: dict[str, float]
    """Digest to how many seconds it took to compute it; 0 for not measured."""


class WarmPrefix(Value, frozen=True):
    """Ask whether a prefix is warm with its provider. The first to ask of one that is cold warms it.

    Result: PrefixWarmth.
    """

    name: str
    """Provider, model and digest."""
    asker: str
    """Names who asks, among all who do."""
    seconds: float
    """For how long nobody else is told to warm it; who has it already asks again to keep it so."""


class NotePrefix(Value, frozen=True):
    """Say what came of warming a prefix. Result: whether it was this one's to warm."""

    name: str
    asker: str
    seconds: float
    """For how long it is warm from now on; 0 where it is as cold as before, and the next one's to warm."""


class PrefixWarmth(Value, frozen=True):
    """How a prefix is found."""

    warm_seconds: float
    """For how long it will be warm; 0 where it is cold."""
    mine: bool
    """Whether whoever asked is to warm it; False where it is warm, and where somebody else is at it."""
