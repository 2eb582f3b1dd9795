"""Payloads that grow at the end of a list, such as a conversation with a language model, stored in links.

Owns: where a payload is cut, the form of a link, putting one together again.
Must not know: where links are stored.

Theory of operation
===================

A hundred calls over a conversation that grows by a message each would store, whole, some five thousand messages. So a
large payload whose weight is in a list is cut into links. A link ends with the element that brings it to LINK_BYTES,
and names the link before it by its hash. Where links end follows from the elements alone, so two payloads that begin
alike have their first links in common, and each is stored once. What comes after the last full link, and what stands
around the list, is in the payload's own last piece, its *head*:

    head  =  prefix, elements, suffix, link before         link  =  elements, link before

    payload  =  prefix  elements of the first link , ... , elements of the head  suffix

A call adds its new messages, and a head of at most LINK_BYTES with what stands around the list: bytes grow with the
conversation, not with its square.

Which list: from outside inwards into the heaviest value, the first list of two elements or more of which none is half
of it; failing that, the outermost of two or more. A poor choice costs room and nothing else: what is put together again
is compared with the payload, byte by byte, before it is stored that way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from holdfast.errors import HistoryError

LINK_BYTES: Final = 4096
"""A link ends with the element that brings it to this many bytes."""
CHAINED_BYTES_MIN: Final = 2 * LINK_BYTES
"""Smaller payloads are stored whole."""
DEPTH_MAX: Final = 6
"""How deep the list may be: a message list in an option of an argument of a call is at 3."""
LINKS_MAX: Final = 1_000_000
"""A payload has no more links than this: 64 MiB are 16,384 of them."""

START_BYTES: Final = 64
STARTS_MAX: Final = 100
"""How many values that begin alike are looked at to find the heaviest among them."""

CHAIN_MARK: Final = b"\xc1\x02"
"""First bytes of a link. JSON text is UTF-8, which has no byte 0xC1."""


class Link(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One piece of a payload."""

    before: bytes
    """Hash of the link before it; empty for the first."""
    elements: bytes
    """Elements of the list, with commas between them."""
    prefix: bytes = b""
    """Of a head: what stands before the list's first element."""
    suffix: bytes = b""
    """Of a head: what stands after its last."""


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Link).decode
_decode_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def chain(payload: bytes, store: Callable[[bytes], bytes]) -> bytes | None:
    """Store a payload in links; return what stands for it, None when it is not worth it.

    Args:
        payload: JSON text.
        store: keeps a link, once, and returns its hash.
    """
    if len(payload) < CHAINED_BYTES_MIN or payload[:1] not in (b"[", b"{"):
        return None
    found = _growing_list(payload)
    if found is None:
        return None
    start, elements = found
    # `elements` are the list's text, of which nothing but commas stands between them.
    before, first, length = b"", 0, 0
    for index, element in enumerate(elements):
        length += len(element) + 1
        if length >= LINK_BYTES:
            text = b",".join(elements[first : index + 1])
            before = store(CHAIN_MARK + _encode(Link(before, text)))
            first, length = index + 1, 0
    if not before:
        return None
    end = start + sum(len(each) for each in elements) + len(elements) - 1
    head = Link(before, b",".join(elements[first:]), payload[:start], payload[end:])
    return CHAIN_MARK + _encode(head)


def is_chained(content: bytes) -> bool:
    """Say whether stored content is a link or a head."""
    return content[:2] == CHAIN_MARK


def link_before(content: bytes) -> bytes:
    """Return the hash of the link before stored content; empty when there is none, or it is no link.

    Raises:
        HistoryError: it is damaged.
    """
    return _open(content).before if is_chained(content) else b""


async def unchained(content: bytes, read: Callable[[bytes], Awaitable[bytes]]) -> bytes:
    """Return the payload that stored content stands for: itself, unless it is the head of a chain.

    Args:
        content: what is stored under a payload's hash.
        read: returns what is stored under a link's hash.

    Raises:
        HistoryError: a link is damaged.
    """
    if not is_chained(content):
        return content
    head = _open(content)
    pieces = [head.elements] if head.elements else []
    before = head.before
    while before:
        link = _open(await read(before))
        pieces.append(link.elements)
        before = link.before
        if len(pieces) > LINKS_MAX:
            raise HistoryError(f"a payload has more than {LINKS_MAX:,} links (LINKS_MAX)")
    pieces.reverse()
    return b"".join((head.prefix, b",".join(pieces), head.suffix))


def _open(content: bytes) -> Link:
    if not is_chained(content):
        raise HistoryError("a payload's chain leads to what is no link")
    try:
        return _decode(content[len(CHAIN_MARK) :])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise HistoryError(f"a link of a payload cannot be decoded: {error}") from error


def _growing_list(payload: bytes) -> tuple[int, list[bytes]] | None:
    """Return where the first element of the list stands that the payload's weight is in, and its elements."""
    outermost: tuple[int, list[bytes]] | None = None
    node, offset = payload, 0
    for _ in range(DEPTH_MAX):
        opening = node[:1]
        try:
            values = _decode_list(node) if opening == b"[" else list(_decode_object(node).values())
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
            break  # no container, or not JSON of ours
        children = [bytes(each) for each in values]
        if not children:
            break
        heaviest = max(children, key=len)
        if opening == b"[" and len(children) > 1 and _is_compact(node, children):
            found = offset + 1, children
            if len(heaviest) * 2 < len(node):
                return found
            outermost = outermost or found
        if len(heaviest) < CHAINED_BYTES_MIN or heaviest[:1] not in (b"[", b"{"):
            break
        place = _place_of(heaviest, node)
        if place < 0:
            break
        offset += place
        node = heaviest
    return outermost


def _place_of(value: bytes, node: bytes) -> int:
    """Return where `value` stands in `node`; -1 when that is not found soon.

    Searching for all of it at once prepares a table as long as it is: ten times the work.
    """
    start = value[:START_BYTES]
    place = -1
    for _ in range(STARTS_MAX):
        place = node.find(start, place + 1)
        if place < 0 or node.startswith(value, place):
            return place
    return -1


def _is_compact(node: bytes, children: list[bytes]) -> bool:
    return node == b"[" + b",".join(children) + b"]"
