"""One try at telling an outside system something. The one door to the HTTP client.

Owns: the request, and what its answer means.
Must not know: runs, stores, when the next try is.

A receiver answers 2xx when it has heard. 410 says that it does not want to hear any more. Redirects are not followed:
they would lead to where nobody has looked. What a receiver answers besides its status is not read. One that answers
byte by byte, or for ever says that it is still at it (1xx), is left alone in time to be tried again.
"""

from __future__ import annotations

import asyncio
import email.utils
from typing import Final

import httpcore

from holdfast.controller.notices.answer import Answer
from holdfast.controller.notices.signing import sign
from holdfast.http import ForbiddenAddressError, GuardedBackend
from holdfast.ports.reach import Reach

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 20.0
"""For each read and each write."""
TRY_SECONDS: Final = 45.0
"""For all of them together; less than a notice is claimed for."""
RETRY_AFTER_SECONDS_MAX: Final = 86_400.0
"""A receiver that asks for more is tried again after this all the same."""

_GONE: Final = 410


class Sender:
    """Sends notices under one secret. Belongs to one event loop."""

    def __init__(self, secret: bytes, reach: Reach, agent: str, connections_max: int) -> None:
        """Make a sender; connections are opened when there is something to send.

        Args:
            secret: what notices are signed with.
            reach: where they may go.
            agent: the User-Agent.
            connections_max: how many at once.
        """
        self._secret = secret
        self._agent = agent
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=connections_max, network_backend=GuardedBackend(reach), keepalive_expiry=5.0
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    async def send(self, url: str, notice: str, body: bytes, now: float) -> Answer:
        """Send a notice once.

        Args:
            url: where to.
            notice: names it.
            body: JSON text.
            now: seconds since the epoch.
        """
        headers: dict[bytes | str, bytes | str] = {
            "content-type": "application/json",
            "user-agent": self._agent,
        }
        headers.update(sign(self._secret, notice, int(now), body))
        seconds = {"connect": CONNECT_SECONDS, "read": ANSWER_SECONDS, "write": ANSWER_SECONDS, "pool": ANSWER_SECONDS}
        try:
            async with (
                asyncio.timeout(TRY_SECONDS),
                self._pool.stream(
                    "POST", url, headers=headers, content=body, extensions={"timeout": seconds}
                ) as answer,
            ):
                return _meaning(answer.status, dict(answer.headers), now)
        except ForbiddenAddressError as error:
            return Answer(heard=False, error=str(error), final=True)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            return Answer(heard=False, error=f"{type(error).__name__}: {error}".rstrip(": "))
        except TimeoutError:
            return Answer(heard=False, error=f"it did not answer within {TRY_SECONDS:g} s")
        except httpcore.UnsupportedProtocol as error:
            return Answer(heard=False, error=str(error), final=True)


def _meaning(status: int, headers: dict[bytes, bytes], now: float) -> Answer:
    if 200 <= status < 300:
        return Answer(heard=True)
    error = f"it answered {status}"
    if 300 <= status < 400:
        error += ", and redirects are not followed"
    lowered = {name.lower(): value for name, value in headers.items()}
    wait = _retry_after(lowered.get(b"retry-after", b"").decode("latin-1"), now)
    return Answer(heard=False, error=error, final=status == _GONE, retry_after=wait)


def _retry_after(text: str, now: float) -> float:
    """Return the seconds that a Retry-After header asks for, 0 when it says nothing that can be understood."""
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), RETRY_AFTER_SECONDS_MAX)
    try:
        then = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
    return min(max(then - now, 0.0), RETRY_AFTER_SECONDS_MAX)
