"""Secrets of the whole store.

Owns: how one is kept.
Must not know: what it is for.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class KeepSecret(Value, frozen=True):
    """Store a secret, unless there is one of this name. Result: the one there is."""

    name: str
    value: bytes
