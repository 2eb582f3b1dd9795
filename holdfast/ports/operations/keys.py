"""API keys.

Owns: making, renewing, revoking and listing them.
Must not know: secrets, and what a scope allows.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class PutKey(Value, frozen=True):
    """Store an API key by its hash. Result: True, or KeyNameError when the name is taken."""

    name: str
    key_hash: bytes
    scopes: tuple[str, ...]
    expires_at: float | None = None
    workflows: tuple[str, ...] = ()
    """The only workflows it is for; none is all of them."""
    rate_limit: str = ""
    """How many requests it may make; the controller's business."""


class RotateKey(Value, frozen=True):
    """Give an API key another secret, by its hash; the one it had stays good for a while. Result: True.

    False when there is none of this name; KeyNameError when it was revoked, or the hash belongs to another one. The
    very same again changes nothing. A secret that was still good from the time before ends with it.
    """

    name: str
    key_hash: bytes
    overlap_seconds: float


class NoteUse(Value, frozen=True):
    """Note when API keys were used last. Result: True."""

    used: tuple[tuple[str, float], ...]
    """(name, time) pairs."""


class RevokeKey(Value, frozen=True):
    """Make an API key invalid. Result: True when there was one."""

    name: str


class KeyRecord(Value, frozen=True):
    """An API key, without its secret."""

    name: str
    key_hash: bytes
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None
    revoked: bool
    workflows: tuple[str, ...] = ()
    rate_limit: str = ""
    last_used_at: float | None = None
    """Coarse: within a minute or so."""
    old_hash: bytes = b""
    """Of the secret it had before, which is good until `old_until`; empty for none."""
    old_until: float = 0.0
