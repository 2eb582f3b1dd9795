"""Pages: the unit in which a history is written, hashed and read back.

Owns: the stored form of events, the hash chain, the split of large payloads.
Must not know: tables, files, transactions.

One commit appends at most one page to an execution. A page's hash covers its
bytes, the hash of the page before it and the id of its first event, so a page
that was changed, moved, dropped or put in twice breaks the chain.

    hash(page) = BLAKE2b-128(previous hash, first event id as 8 bytes, body)

With a codec it is the encrypted body that is hashed, so that a store can be
checked without its keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from hashlib import blake2b
from typing import Any, Final

import msgspec

from holdfast.errors import HistoryError, PrunedError
from holdfast.history.chain import chain
from holdfast.history.codec import BLOB_PLACE, Codec, decrypted, is_encrypted
from holdfast.history.events import AnyEvent, BlobRef

INLINE_BYTES_MAX: Final = 4096
"""Payloads over this many bytes are stored once, by content hash, outside the page."""

HASH_BYTES: Final = 16
ROOT: Final = bytes(HASH_BYTES)
"""The "previous hash" of an execution's first page."""

_encode = msgspec.msgpack.Encoder().encode


@cache
def _decoder() -> msgspec.msgpack.Decoder[list[AnyEvent]]:
    # Made when it is first used: it takes longer than all else here, and many processes read no pages.
    return msgspec.msgpack.Decoder(list[AnyEvent])


class Page(msgspec.Struct, gc=False):
    """Consecutive events of one execution, as stored."""

    first: int
    """Id of the first event."""
    last: int
    """Id of the last event."""
    body: bytes
    hash: bytes


def blob_digest(content: bytes) -> bytes:
    """Return the name under which `content` is stored outside a page."""
    return blake2b(content, digest_size=HASH_BYTES).digest()


def page_hash(previous: bytes, first: int, body: bytes) -> bytes:
    """Return the chain hash of a page."""
    state = blake2b(previous, digest_size=HASH_BYTES)
    state.update(first.to_bytes(8, "big"))
    state.update(body)
    return state.digest()


def seal(
    events: Sequence[AnyEvent],
    first: int,
    previous: bytes,
    blobs: dict[bytes, bytes],
    codec: Codec | None = None,
    place: bytes = b"",
) -> Page:
    """Encode `events` as the page that starts with event id `first`.

    Large payloads are moved into `blobs` (digest -> content), which the caller stores in the same transaction.

    Args:
        events: at least one.
        first: id of the first event.
        previous: hash of the page before it, ROOT for the first.
        blobs: receives what is stored outside the page.
        codec: encrypts page and payloads.
        place: what the page is encrypted for; see `page_place`.
    """
    body = _encode(events)
    if len(body) > INLINE_BYTES_MAX:
        body = _encode([_without_large_payloads(event, blobs, codec) for event in events])
    if codec is not None:
        body = codec.encrypt(body, place)
    return Page(first, first + len(events) - 1, body, page_hash(previous, first, body))


def open_page(body: bytes, codec: Codec | None = None, place: bytes = b"") -> list[AnyEvent]:
    """Decode a page's events. Payloads stored outside the page are still references: see `outside_payloads`.

    Raises:
        HistoryError: `body` is not a page; PrunedError: it was one, long ago.
        EncryptionError: it is encrypted, and `codec` cannot decrypt it at `place`.
    """
    if not body:
        raise _pruned()
    body = decrypted(body, codec, place, "a page of history")
    try:
        return _decoder().decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise HistoryError(f"a page cannot be decoded: {error}") from error


def outside_payloads(events: Iterable[AnyEvent]) -> Iterator[tuple[AnyEvent, str, BlobRef]]:
    """Yield (event, field, reference) for every payload that is stored outside its page."""
    for event in events:
        for field in _PAYLOAD_FIELDS.get(type(event), ()):
            value = getattr(event, field)
            if type(value) is BlobRef:
                yield event, field, value


def verify_chain(pages: Iterable[Page]) -> tuple[int, bytes]:
    """Return (last event id, head hash) of one execution's pages, in order.

    Raises:
        HistoryError: a page was changed, moved, lost or repeated.
    """
    last, head = 0, ROOT
    for page in pages:
        if not page.body:
            raise _pruned(f"event {page.first}")
        if page.first != last + 1:
            raise HistoryError(f"event {last + 1} is missing: the next page starts with event {page.first}")
        if page_hash(head, page.first, page.body) != page.hash:
            raise HistoryError(f"events {page.first} to {page.last} are not what was written", f"event {page.first}")
        # How many events an encrypted page holds is for those to see who have its key.
        count = page.last - page.first + 1 if is_encrypted(page.body) else len(open_page(page.body))
        if page.first + count - 1 != page.last:
            raise HistoryError(f"page {page.first} to {page.last} holds {count} events", f"event {page.first}")
        last, head = page.last, page.hash
    return last, head


def _pruned(where: str = "") -> PrunedError:
    return PrunedError("events were pruned", where)


def _without_large_payloads(event: AnyEvent, blobs: dict[bytes, bytes], codec: Codec | None) -> Any:
    changes: dict[str, BlobRef] = {}
    for field in _PAYLOAD_FIELDS.get(type(event), ()):
        value = getattr(event, field)
        if type(value) is bytes and len(value) > INLINE_BYTES_MAX:
            digest = _keep_outside(value, blobs, codec)
            changes[field] = BlobRef(digest, len(value))
    # The event itself keeps its bytes: whoever made it goes on to apply it.
    return msgspec.structs.replace(event, **changes) if changes else event


def _keep_outside(value: bytes, blobs: dict[bytes, bytes], codec: Codec | None) -> bytes:
    def keep(content: bytes) -> bytes:
        if codec is not None:
            # Alike, so that the same payload is still stored once.
            content = codec.encrypt_alike(content, BLOB_PLACE)
        digest = blob_digest(content)
        blobs[digest] = content
        return digest

    return keep(chain(value, keep) or value)


def _payload_fields() -> dict[type, tuple[str, ...]]:
    table: dict[type, tuple[str, ...]] = {}
    for kind in AnyEvent.__args__:
        names = tuple(each for each in kind.__struct_fields__ if each in {"input", "result"})
        if names:
            table[kind] = names
    return table


_PAYLOAD_FIELDS: Final = _payload_fields()
