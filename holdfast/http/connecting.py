"""Connections that reach only what they may. The one module that opens one.

Owns: names becoming addresses, once: what was looked at is what is connected to.
Must not know: requests.

Whoever owns a name may let it lead somewhere else a moment later. So the name is looked up here, every address it leads
to is looked at, and the connection is made to one of these. TLS still asks for the name.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import httpcore

from holdfast.ports.reach import Address, Reach, read_address

if TYPE_CHECKING:
    from typing import TypeAlias

    SocketOption: TypeAlias = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]

LOOKUP_SECONDS: Final = 10.0


class ForbiddenAddressError(httpcore.ConnectError):
    """A name leads to an address that may not be reached."""


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects by TCP, and only to where `reach` allows."""

    def __init__(self, reach: Reach) -> None:
        """Connect within `reach`."""
        self._reach = reach
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to one of the addresses that `host` leads to.

        Raises:
            ForbiddenAddressError: one of them may not be reached.
            httpcore.ConnectError: it leads nowhere, or nobody listens.
        """
        addresses = await _look_up(host, port, timeout or LOOKUP_SECONDS)
        for each in addresses:
            if not self._reach.allows(host, each):
                found = host if host == str(each) else f"{host} leads to {each}, which"
                raise ForbiddenAddressError(f"{found} is not a public address, nor one that is allowed")
        refusal: httpcore.ConnectError | None = None
        for each in addresses:
            try:
                return await self._inner.connect_tcp(str(each), port, timeout, local_address, socket_options)
            except httpcore.ConnectError as error:
                refusal = error
        raise refusal or httpcore.ConnectError(f"{host} leads nowhere")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002 - the base class has it
        socket_options: Iterable[SocketOption] | None = None,  # noqa: ARG002 - the same
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: a socket file is on this machine."""
        raise ForbiddenAddressError(f"{path} is on this machine")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._inner.sleep(seconds)


async def _look_up(host: str, port: int, seconds: float) -> list[Address]:
    """Return the addresses that a name leads to, each once. Raises httpcore.ConnectError."""
    try:
        async with asyncio.timeout(seconds):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise httpcore.ConnectTimeout(f"nobody said within {seconds:g} s where {host} leads") from None
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"{host} leads nowhere: {error}") from None
    return list(dict.fromkeys(read_address(str(each[4][0])) for each in found))
