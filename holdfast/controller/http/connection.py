"""A connection, and how long somebody may take to say what they want.

Owns: how large the head of a request may grow, how long it may take to come, and how both are refused.
Must not know: what is asked for; bodies.

Theory of operation
===================

Whoever opens a connection and says nothing, or one header every few seconds, costs a descriptor for as long as they
like: enough of them, and nobody else gets in. So a head that is not complete in time ends its connection, however
busily it drips. The time begins with the connection, and anew with the first byte after an answer; between requests
the server's own keep-alive time counts, which is shorter. Once the head is there `body.py` minds the clock.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Final

import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

from holdfast.controller.http.parts import parts_of
from holdfast.controller.http.problems import MEDIA_TYPE, refusal

_NEED_HEAD: Final = "IDLE"
"""The client's state while the head of its next request is not complete."""


class Gathering:
    """A transport that sends what is written at one go in one go: head and body of an answer leave together.

    Half a system call for the server, and its client wakes up once.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        """Write to `transport`."""
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send something before the loop turns to anything else that is not ready yet."""
        if data:
            if not self._waiting:
                self._loop.call_soon(self._flush)
            self._waiting.append(data)

    def close(self) -> None:
        """Send what is waiting, then close."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """Do everything else as the transport does it."""
        return getattr(self._transport, name)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting and not self._transport.is_closing():
            self._transport.write(b"".join(waiting))


class PatientProtocol(H11Protocol):
    """A connection that waits for a head, but not for ever."""

    def __init__(self, config: Any, *arguments: Any, **options: Any) -> None:
        """Take the times from the settings of the application that is served."""
        super().__init__(config, *arguments, **options)
        self._settings = parts_of(config.app).settings
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head."""
        super().connection_made(Gathering(transport, self.loop))  # type: ignore[arg-type]  # it does all that is asked
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; wait on for the rest of a head."""
        super().data_received(data)
        if str(self.conn.their_state) != _NEED_HEAD or self.transport.is_closing():
            self._stop_waiting()
        elif self._head_timer is None:
            self._wait_for_head()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, and say so where it only was too long."""
        unread, _ = self.conn.trailing_data
        limit = self._settings.head_bytes_max
        if len(unread) > limit:
            self._refuse(431, f"the head of the request is larger than {limit:,} bytes (head_bytes_max)")
        else:
            self._refuse(400, msg)

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(self._settings.head_seconds_max, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self.conn.trailing_data[0]:
            self._refuse(408, f"the head of the request did not arrive within {self._settings.head_seconds_max:g} s")
        else:
            self.transport.close()  # nothing was asked

    def _refuse(self, status: int, detail: str) -> None:
        phrase = HTTPStatus(status).phrase
        body = msgspec.json.encode(refusal(status, detail, "/"))
        head = (
            f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
