"""Payloads in links: put together again byte by byte, and no more stored than was new."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import HistoryError
from holdfast.history import blob_digest, chain, is_chained, link_before, unchained
from holdfast.history.chain import CHAIN_MARK, CHAINED_BYTES_MIN, LINK_BYTES


class Shelf:
    """Blobs by their hash."""

    def __init__(self) -> None:
        self.blobs: dict[bytes, bytes] = {}

    def keep(self, content: bytes) -> bytes:
        """Store a link, once."""
        digest = blob_digest(content)
        self.blobs[digest] = content
        return digest

    def put(self, payload: bytes) -> bytes:
        """Store a payload."""
        return self.keep(chain(payload, self.keep) or payload)

    def get(self, digest: bytes) -> bytes:
        """Return a payload."""

        async def read(each: bytes) -> bytes:
            return self.blobs[each]

        return asyncio.run(unchained(self.blobs[digest], read))

    @property
    def size_bytes(self) -> int:
        """How much is stored."""
        return sum(len(each) for each in self.blobs.values())


def message(number: int, characters: int = 700) -> dict[str, str]:
    """Return a message of a conversation."""
    text = random.Random(number).randbytes(characters // 2).hex()
    return {"role": "user" if number % 2 else "assistant", "content": f"{number} {text}"}


SHAPES: dict[str, Any] = {
    "a list": lambda messages, _: messages,
    "a field": lambda messages, turn: {"model": f"m{turn}", "messages": messages, "turn": turn},
    "an argument": lambda messages, turn: {"prompt": {"options": {"n": turn}, "messages": messages}, "model": "m"},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_growing_conversation_costs_what_it_grows(shape: Any) -> None:
    """Twice as many calls store about twice as many bytes, and each payload comes back as it was."""
    sizes = {}
    for calls in (50, 100):
        shelf = Shelf()
        payloads = [msgspec.json.encode(shape([message(n) for n in range(turn + 1)], turn)) for turn in range(calls)]
        digests = [shelf.put(each) for each in payloads]
        assert [shelf.get(each) for each in digests] == payloads
        sizes[calls] = shelf.size_bytes
        assert shelf.size_bytes < len(payloads[-1]) + calls * (LINK_BYTES + 1_000)
    assert sizes[100] < 2.2 * sizes[50]
    assert sum(map(len, payloads)) > 10 * sizes[100]


def test_a_conversation_is_the_same_whatever_stands_around_it() -> None:
    """The links of a conversation are stored once, as an argument and as part of a result."""
    shelf = Shelf()
    messages = [message(n) for n in range(100)]
    shelf.put(msgspec.json.encode({"messages": messages, "model": "m"}))
    before = shelf.size_bytes
    shelf.put(msgspec.json.encode({"usage": 17, "all_messages": messages}))
    assert shelf.size_bytes < before + LINK_BYTES + 1_000


@pytest.mark.parametrize(
    "payload",
    [
        b"[" + b",".join([b"1"] * 3000) + b"]",
        json.dumps([message(n) for n in range(30)]).encode(),  # with spaces
        b'"' + b"x" * 100_000 + b'"',
        b"{" + b"x" * 100_000,
        msgspec.json.encode({"text": "x" * 100_000, "n": 1}),
        msgspec.json.encode(["x" * 100_000, "y"]),
        msgspec.json.encode([["x" * 50_000], ["x" * 50_000]]),
        msgspec.json.encode({str(n): n for n in range(10_000)}),
        b"[" * 5_000 + b"]" * 5_000,
    ],
    ids=lambda each: each[:12].decode(),
)
def test_any_payload_comes_back(payload: bytes) -> None:
    """Whatever it is, in links or whole."""
    shelf = Shelf()
    assert shelf.get(shelf.put(payload)) == payload


VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(max_size=40) | st.just("x" * 3_000),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=30,
)


@given(st.lists(VALUES, min_size=2, max_size=12), st.booleans())
def test_made_up_payloads_come_back(values: list[Any], wrapped: bool) -> None:
    """Payloads of any shape are put together as they were."""
    payload = msgspec.json.encode({"a": values, "b": [1, 2]} if wrapped else values)
    shelf = Shelf()
    assert shelf.get(shelf.put(payload)) == payload


def test_small_payloads_are_left_alone() -> None:
    """What is smaller than two links is stored whole."""
    payload = msgspec.json.encode(["x" * 100] * 70)
    assert len(payload) < CHAINED_BYTES_MIN
    assert chain(payload, Shelf().keep) is None


def test_damaged_links_are_said() -> None:
    """A link that is none is an error, not part of a payload."""
    shelf = Shelf()
    digest = shelf.put(msgspec.json.encode([message(n) for n in range(100)]))
    before = link_before(shelf.blobs[digest])
    assert is_chained(shelf.blobs[before])
    for damaged in (b"[]", CHAIN_MARK, CHAIN_MARK + b"\x93"):
        shelf.blobs[before] = damaged
        with pytest.raises(HistoryError):
            shelf.get(digest)
