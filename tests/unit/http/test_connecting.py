"""A call whose target a stranger chose reaches public addresses, and what the settings allow."""

from __future__ import annotations

import asyncio
import socket

import httpcore
import pytest

from holdfast.errors import SettingsError
from holdfast.http import ForbiddenAddressError, GuardedBackend
from holdfast.ports.reach import Reach, is_public, read_address

FORBIDDEN = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.169.254 169.254.0.1
172.16.0.1 172.31.255.255 192.0.0.8 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.1
203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::a00:1 64:ff9b::7f00:1 64:ff9b:1::1
100::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: 2001:0:4136:e378:8000:63bf:80ff:fffe fc00::1 fd00:ec2::254 fe80::1
fe80::1%eth0 fec0::1 ff02::1 3fff::1 5f00::1
"""
PUBLIC = """
1.1.1.1 8.8.8.8 172.15.0.1 172.32.0.1 100.63.255.255 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808
"""


@pytest.mark.parametrize("text", FORBIDDEN.split())
def test_what_is_not_public_is_not_reached(text: str) -> None:
    """This machine, its neighbours, the clouds' own addresses, and every way of wrapping one of them."""
    assert not is_public(read_address(text))
    assert not Reach().allows("example.com", read_address(text))


@pytest.mark.parametrize("text", PUBLIC.split())
def test_what_is_public_is_reached(text: str) -> None:
    """Neighbours of the forbidden networks included."""
    assert Reach().allows("example.com", read_address(text))


def test_what_is_allowed_is_reached() -> None:
    """A network, an address or a name; nothing beside them."""
    reach = Reach.allowing(["10.1.0.0/16", "192.168.7.7", "Hooks.Internal.", "fd00::/8"])
    assert reach.allows("a", read_address("10.1.2.3"))
    assert not reach.allows("a", read_address("10.2.2.3"))
    assert reach.allows("a", read_address("192.168.7.7"))
    assert not reach.allows("a", read_address("192.168.7.8"))
    assert reach.allows("a", read_address("fd00:ec2::254"))
    assert reach.allows("hooks.internal", read_address("127.0.0.1"))
    assert not reach.allows("x.hooks.internal", read_address("127.0.0.1"))


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0", "300.1.1.1", "", ".", "http:/x", "1234"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """A network with bits behind its mask, half an address, a URL: said before anything is sent."""
    with pytest.raises(SettingsError, match="no address, network or name"):
        Reach.allowing([text])


def test_a_name_that_leads_home_is_not_connected_to() -> None:
    """The listener on this machine is never touched, whatever spelling leads to it; allowed, it is."""

    async def run() -> None:
        touched: list[str] = []
        server = await asyncio.start_server(lambda _, writer: (touched.append("x"), writer.close())[0], "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            for host in ("localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "0"):
                with pytest.raises(ForbiddenAddressError, match="not a public address"):
                    await GuardedBackend(Reach()).connect_tcp(host, port, 5.0)
            assert touched == []
            stream = await GuardedBackend(Reach.allowing(["127.0.0.0/8", "::1"])).connect_tcp("localhost", port, 5.0)
            assert await stream.read(1) == b""
            await stream.aclose()
            assert touched == ["x"]

    asyncio.run(run())


def test_one_bad_address_of_a_name_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads to a public address and to this machine is refused before either is tried."""

    async def run() -> None:
        answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in ("1.1.1.1", "127.0.0.1")]

        async def look_up(*_: object, **__: object) -> list[tuple[object, ...]]:
            return answers

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
        with pytest.raises(ForbiddenAddressError, match=r"leads to 127\.0\.0\.1"):
            await GuardedBackend(Reach()).connect_tcp("rebound.example.com", 80, 5.0)

    asyncio.run(run())


def test_what_leads_nowhere_says_so() -> None:
    """No such name, a name that cannot be one, nobody listening, a socket file."""

    async def run() -> None:
        backend = GuardedBackend(Reach.allowing(["127.0.0.1"]))
        for host in ("nowhere.invalid", "a" * 300):
            with pytest.raises(httpcore.ConnectError, match="leads nowhere"):
                await backend.connect_tcp(host, 80, 5.0)
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            with pytest.raises(httpcore.ConnectError):
                await backend.connect_tcp("127.0.0.1", unused.getsockname()[1], 5.0)
        with pytest.raises(ForbiddenAddressError):
            await backend.connect_unix_socket("/run/docker.sock")

    asyncio.run(run())
