"""What a chunk of `map_tasks` says on Temporal: its call, how far it is, and what came of it.

Owns: the form of a chunk's argument, of its heartbeat details and of its result, and how long each may be.
Must not know: who runs items, or when chunks begin.

A chunk is an activity of type `holdfast:map:TASK`, on the task queue of the task's pool, with the id `STEP/N`
(`map#1/0`). In histories:

    input           {"items": [[index, attempt, the call's input], ...]}, one argument
    header          `holdfast`: that of a task, with `fan_out`: step, count and digest (hex) of the whole, failures_max
    last details    {"done": [[index, ok, body], ...], "left": [[index, attempt], ...], "clean": n}
    result          {"done": [[index, ok, body], ...], "left": [[index, attempt], ...]}

`body` is the result, or a failure as `holdfast.history.Failure` has its fields. The chunk N of a step asks for the
fan-out where N is 0; chunks that follow, and what is `left` of one that was full, are later numbers. The code is told
when `count` items have an outcome, or more than `failures_max` (if that is not below 0) have failed; chunks that are
still under way then are cancelled, and no other result means anything to it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

PREFIX: Final = "holdfast:map:"
"""What the activity type of a chunk begins with, before the task's name."""
DONE_BYTES_MAX: Final = 1 << 18
"""A chunk with so many bytes of outcomes begins no other item: the next chunk takes what is left."""
RESULT_BYTES_MAX: Final = 1 << 20
"""How long the result of one item may be: with what a chunk has beside it, it is below Temporal's 2 MiB."""


class Item(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An item that is to be done."""

    index: int
    attempt: int
    """Which attempt comes next, from 1."""
    input: msgspec.Raw
    """The call's input as JSON text."""


class Chunk(msgspec.Struct, frozen=True):
    """What a chunk is called with."""

    items: tuple[Item, ...]


class Done(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The outcome of an item."""

    index: int
    ok: bool
    body: msgspec.Raw
    """The result, or the failure, as JSON text."""


class Left(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An item that has no outcome yet."""

    index: int
    attempt: int


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a chunk is."""

    done: tuple[Done, ...] = ()
    left: tuple[Left, ...] = ()
    clean: int = 0
    """So many attempts at the chunk, from the first, lost nothing, or something was done since."""


class ChunkEnd(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a chunk."""

    done: tuple[Done, ...]
    left: tuple[Left, ...] = ()
    """Items that the next chunk is to do."""


encode: Final = msgspec.json.Encoder().encode
decode_chunk: Final = msgspec.json.Decoder(Chunk).decode
decode_end: Final = msgspec.json.Decoder(ChunkEnd).decode
_decode_progress: Final = msgspec.json.Decoder(Progress).decode


def read_progress(details: Any) -> Progress:
    """Return how far a chunk was, from what Temporal's SDK made of its last heartbeat."""
    return _decode_progress(encode(details))
