"""What a worker and its child processes say to each other.

Owns: the messages, and how they are laid on a stream: four bytes of length, then msgpack.
Must not know: who reads them.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from holdfast.errors import PayloadTooLargeError
from holdfast.history import Exchange, Failure

FRAME_BYTES_MAX: Final = 1 << 28
"""No message is larger: it would be a payload four times over its own limit, or no message of ours."""

_LENGTH_BYTES: Final = 4


class Prepare(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Look like the parent: import path, arguments, environment. The first message."""

    path: tuple[str, ...]
    arguments: tuple[str, ...]
    python_path: str | None
    """The parent's PYTHONPATH; the child was started with another."""
    prelude: str = ""
    """What is called before any task is run: `module:function`; empty for nothing."""


class Load(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Import a module ahead of the first call that needs it."""

    module: str
    """Its name; `__main__` is the script that the parent runs."""
    file: str = ""
    """Its source, which may lie outside the import path."""


class Call(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Make an attempt. One at a time."""

    number: int
    """Names the call in the answers to it."""
    load: Load
    qualname: str
    input: bytes
    idempotency_key: str
    attempt: int
    run_id: str
    execution: str
    task: str
    step: str
    token: int
    deadline: float | None
    """Seconds since the epoch."""
    progress: bytes


class Begun(msgspec.Struct, frozen=True, array_like=True, tag=16):
    """The child has a call; from now on its code may have run."""

    number: int


class Beat(msgspec.Struct, frozen=True, array_like=True, tag=17):
    """The code called `heartbeat`. `progress` is JSON text, empty for unchanged."""

    number: int
    progress: bytes


class Ended(msgspec.Struct, frozen=True, array_like=True, tag=18):
    """The attempt ended: with a result (JSON text), or a failure."""

    number: int
    result: bytes | None
    failure: Failure | None = None
    meaning: tuple[str, bytes] | None = None
    """The failure again, where it means more than that: see `holdfast.worker.meanings`."""
    exchanges: tuple[Exchange, ...] = ()
    """What the code asked of outside systems and was answered, where it failed."""


Frame: TypeAlias = Prepare | Load | Call | Begun | Beat | Ended

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Frame).decode


def encode_frame(frame: Frame) -> bytes:
    """Return a message as it goes onto the stream. Raises PayloadTooLargeError."""
    body = _encode(frame)
    if len(body) > FRAME_BYTES_MAX:
        raise PayloadTooLargeError("a message between processes", len(body), FRAME_BYTES_MAX)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class FrameReader:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Return the messages that are complete with `data`. Raises PayloadTooLargeError, msgspec.DecodeError."""
        buffer = self._buffer
        buffer += data
        frames: list[Frame] = []
        start = 0
        while len(buffer) - start >= _LENGTH_BYTES:
            end = start + _LENGTH_BYTES + int.from_bytes(buffer[start : start + _LENGTH_BYTES], "big")
            if end - start > FRAME_BYTES_MAX + _LENGTH_BYTES:
                raise PayloadTooLargeError("a message between processes", end - start, FRAME_BYTES_MAX)
            if len(buffer) < end:
                break
            frames.append(_decode(bytes(buffer[start + _LENGTH_BYTES : end])))
            start = end
        del buffer[:start]
        return frames
