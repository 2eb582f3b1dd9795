"""API keys.

Owns: making, revoking and listing them.
Must not know: secrets, and what a scope allows.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class PutKey(Value, frozen=True):
    """Store an API key by its hash. Result: True, or RunConflictError when the name is taken."""

    name: str
    key_hash: bytes
    scopes: tuple[str, ...]
    expires_at: float | None = None


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
