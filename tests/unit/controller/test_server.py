"""The server: on a socket of its own, beside other work, and gone without a trace."""

from __future__ import annotations

import asyncio
import signal
import socket

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse

from holdfast.controller import Scope
from holdfast.controller.http import HttpSettings, create_app, serve
from holdfast.errors import SettingsError
from tests.unit.controller.rig import on_loop, serving


@on_loop
async def test_it_serves_on_a_free_port_and_stops(tmp_path):
    """Port 0 takes a free one; after `stop` nobody listens, and signals are as they were."""
    async with serving(tmp_path) as api:
        handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
        server = await serve(api.app, port=0)
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
        assert server.url == f"http://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(base_url=server.url) as client:
            answer = await client.get("/healthz")
            assert answer.json()["status"] == "ok"
            assert "server" not in answer.headers
        await server.stop()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(server.host, server.port)
        await server.stop()


@on_loop
async def test_stopping_ends_waits_and_streams(tmp_path):
    """Whoever waits for a result or follows events gets an orderly end at once."""
    async with serving(tmp_path) as api:
        await api.service.starts.start("idle", b"", "r")
        server = await serve(api.app, port=0)
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            waiting = asyncio.create_task(client.get("/v1/runs/r/result?wait=50"))
            async with client.stream("GET", "/v1/runs/r/events") as stream:
                lines = stream.aiter_lines()
                assert await anext(lines) == "id: 1"
                stopping = asyncio.create_task(server.stop())
                assert [each async for each in lines][-1] == ""
            assert (await waiting).status_code == 202
            await stopping


@on_loop
async def test_a_port_that_is_taken_is_said_to_be(tmp_path):
    """A second server on one port is refused in words, and leaves nothing open."""
    async with serving(tmp_path) as api:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            with pytest.raises(SettingsError, match="--port 0"):
                await serve(api.app, port=taken.getsockname()[1])
        with pytest.raises(SettingsError, match=r"192\.0\.2\.1"):
            await serve(create_app(api.service, settings=HttpSettings(host="192.0.2.1")), port=0)


@on_loop
async def test_it_does_not_listen_in_public_without_keys(tmp_path):
    """Without keys a public address is refused; with keys it is served, and every request needs one."""
    async with serving(tmp_path) as api:
        public = create_app(api.service, settings=HttpSettings(host="0.0.0.0"))
        with pytest.raises(SettingsError, match="holdfast keys create"):
            await serve(public, port=0)
        issued = await api.service.keys.create("ci", [Scope.READ])
        with pytest.raises(SettingsError, match="was made to listen on"):
            await serve(api.app, host="0.0.0.0", port=0)
        server = await serve(public, port=0)
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
                assert (await client.get("/v1/runs")).status_code == 401
                headers = {"Authorization": f"Bearer {issued.secret}"}
                assert (await client.get("/v1/runs", headers=headers)).status_code == 200
        finally:
            await server.stop()


@on_loop
async def test_ipv6_is_served(tmp_path):
    """An IPv6 loopback address works, with or without brackets."""
    async with serving(tmp_path) as api:
        server = await serve(api.app, host="[::1]", port=0)
        try:
            assert server.url == f"http://[::1]:{server.port}"
            async with httpx.AsyncClient(base_url=server.url) as client:
                assert (await client.get("/v1/runs")).status_code == 200
        finally:
            await server.stop()


@on_loop
async def test_a_route_without_a_scope_keeps_the_server_from_starting(tmp_path):
    """A route that was added after the application was made is found when it starts."""
    async with serving(tmp_path) as api:
        assert isinstance(api.app, FastAPI)
        api.app.add_route("/dummy", lambda _: PlainTextResponse("secret"))
        with pytest.raises(SettingsError, match="refused to start"):
            await serve(api.app, port=0)


async def speak(server, text):
    """Send bytes to the server and return all it answers."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(text)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@on_loop
async def test_paths_on_the_wire_do_not_slip_past(tmp_path):
    """What a server makes of a raw request line does not get past a door either."""
    async with serving(tmp_path) as api:
        await api.service.keys.create("ci", [Scope.READ])
        server = await serve(api.app, port=0)
        try:
            for path in (
                b"//v1/keys",
                b"/healthz/../v1/keys",
                b"/%2e%2e/v1/keys",
                b"/v1/keys;x",
                b"/v1%2fkeys",
                b"/v1/keys",
            ):
                request = b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                status = (await speak(server, request)).split(b" ", 2)[1]
                assert status in {b"401", b"404"}, path
            chunked = (
                b"POST /v1/workflows/idle/runs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
                b"Content-Length: 3\r\nConnection: close\r\n\r\n0\r\n\r\n"
            )
            assert (await speak(server, chunked)).split(b" ", 2)[1] in {b"400", b"401"}
        finally:
            await server.stop()


@on_loop
async def test_a_head_that_drips_is_not_waited_for(tmp_path):
    """A connection that says nothing is closed, one whose head does not end is told so, and others are served."""
    async with serving(tmp_path, head_seconds_max=0.2) as api:
        server = await serve(api.app, port=0)
        try:
            silent, dripping = [await asyncio.open_connection(server.host, server.port) for _ in range(2)]
            dripping[1].write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
            answer = await dripping[0].read()
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"head_seconds_max" not in answer
            assert b"0.2 s" in answer
            assert await silent[0].read() == b""
            for _, writer in (silent, dripping):
                writer.close()
                await writer.wait_closed()
            request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            assert (await speak(server, request)).startswith(b"HTTP/1.1 200 ")
        finally:
            await server.stop()


@on_loop
async def test_a_second_request_may_take_as_long_as_the_first(tmp_path):
    """A kept connection gets a new time for each head, and a body that is on its way is no head."""
    async with serving(tmp_path, head_seconds_max=0.2) as api:
        server = await serve(api.app, port=0)
        try:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            head = b"POST /v1/workflows/greet/runs?id=r HTTP/1.1\r\nHost: localhost\r\n"
            writer.write(head + b"Content-Type: application/json\r\nContent-Length: 5\r\n\r\n")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.4):
                    await reader.read(1)
            writer.write(b'"bob"')
            assert (await reader.readline()).startswith(b"HTTP/1.1 201 ")
            rest = await reader.readuntil(b"}")
            writer.write(b"GET /healthz HTTP/1.1\r\n")
            tail = await reader.read()
            assert b"HTTP/1.1 408 " in rest + tail
            writer.close()
            await writer.wait_closed()
        finally:
            await server.stop()


@on_loop
async def test_an_endless_head_is_cut_off(tmp_path):
    """A head that grows past the limit is refused as too large, whether it ends or not."""
    async with serving(tmp_path, head_bytes_max=10_000) as api:
        server = await serve(api.app, port=0)
        try:
            start = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: "
            for text in (start + b"y" * 50_000, start + b"y" * 50_000 + b"\r\n\r\n"):
                assert (await speak(server, text)).startswith(b"HTTP/1.1 431 ")
            assert (await speak(server, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        finally:
            await server.stop()
