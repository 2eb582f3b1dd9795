"""The keys of a store, from where the settings say they are.

Owns: what a store looks like with them, and the check that they are the right ones.
Must not know: ciphers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from holdfast.app.opening import open_at
from holdfast.errors import EncryptionError
from holdfast.history import Codec, is_encrypted, key_id_of
from holdfast.observe import Meters, read_reference
from holdfast.stores import AesGcmCodec, EncryptedStore, GroupCommit, new_key, parse_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.app.settings import Settings
    from holdfast.ports.bus import Bus
    from holdfast.ports.clock import Clock
    from holdfast.ports.operations import Membership
    from holdfast.ports.store import Store


def make_key() -> str:
    """Return a new key, as it is written down."""
    return new_key()


def load_codec(references: Sequence[str]) -> Codec | None:
    """Return what encrypts with the keys that `references` name, the newest first; None when there are none.

    Raises:
        SettingsError: a reference leads to no key.
        MissingExtraError: the extra `encryption` is not installed.
    """
    if not references:
        return None
    return AesGcmCodec(
        [parse_key(read_reference(each, "encryption_keys", "encryption key"), each) for each in references]
    )


def make_store(
    settings: Settings,
    clock: Clock,
    bus: Bus,
    meters: Meters | None = None,
    doubted: Callable[[Membership], None] | None = None,
) -> Store:
    """Return the store of `settings`, not open yet. For `meters` and `doubted` see `GroupCommit`.

    Raises:
        SettingsError: `store` is something Holdfast cannot open, or a key is not where it should be.
        MissingExtraError: the extra `encryption` is not installed.
    """
    codec = load_codec(settings.encryption_keys)
    store = open_at(settings.address(), clock=clock, bus=bus, synchronous=settings.synchronous)
    grouped = cast("Store", GroupCommit(store, meters, doubted))
    return grouped if codec is None else cast("Store", EncryptedStore(grouped, codec))


async def check_keys(store: Store) -> None:
    """Refuse an open store whose newest history this process cannot read: it could only do harm there.

    Raises:
        EncryptionError: it has no key for it, or not the right one.
    """
    records, _ = await store.runs(limit=1)
    for record in records:
        for page in await store.pages(record.execution_id, max(record.last_event - 1, 0)):
            if is_encrypted(page.body) and key_id_of(page.body) not in _key_ids(store.codec):
                reason = "this process has no keys" if store.codec is None else "this process does not have that key"
                raise EncryptionError("the newest history in the store", key_id_of(page.body), reason)


def _key_ids(codec: Codec | None) -> tuple[str, ...]:
    return () if codec is None else codec.key_ids
