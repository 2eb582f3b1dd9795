"""The advisory locks that writes take.

Owns: their numbers.
Must not know: when they are taken.

A schema has a lock of its own; so has each of its members, and each name of a lock or a ledger entry. They are numbers
that everybody who uses the database shares, so they are drawn from the schema's name; two that were the same by chance
would only wait for one another.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_MEMBERS: Final = 2**31


def schema_lock(schema: str) -> int:
    """Return the lock of a schema, a bigint."""
    return int.from_bytes(_hash(schema), "big", signed=True)


@lru_cache
def member_lock(schema: str, member: int) -> tuple[int, int]:
    """Return the lock of a member, two ints, which are a space of their own."""
    return _space(schema, b"members"), member % _MEMBERS


def name_locks(schema: str, names: Iterable[str]) -> list[tuple[int, int]]:
    """Return the locks of names, two ints each, in the order in which they are taken."""
    hashed = {blake2b(name.encode(errors="replace"), digest_size=4).digest() for name in names}
    space = _space(schema, b"names")
    return sorted((space, int.from_bytes(each, "big", signed=True)) for each in hashed)


def _hash(schema: str, person: bytes = b"") -> bytes:
    return blake2b(schema.encode(), digest_size=8, person=b"holdfast" + person).digest()


def _space(schema: str, person: bytes) -> int:
    return int.from_bytes(_hash(schema, person)[:4], "big", signed=True)
