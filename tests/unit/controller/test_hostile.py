"""What is sent to do harm: refused at once, on a real socket, in little memory, and the server goes on."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
import zlib
from typing import Any

import pytest

from holdfast import GitHub
from holdfast.authoring import webhook, workflow
from holdfast.controller.http import serve
from tests.unit.controller.rig import on_loop, serving
from tests.unit.controller.webhooks.senders import SECRETS, github

LIMIT = 1_000_000
"""Largest body taken here."""
MUCH = 100_000_000
PATH = b"/v1/workflows/greet/runs?id=r"


def bomb(count, window):
    """Return a few bytes that unpack to `count`."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    return b"".join(packer.compress(b" " * 1_000_000) for _ in range(count // 1_000_000)) + packer.flush()


@workflow(input_schema={"type": "string", "pattern": "^(a+)+$", "maxLength": 1_000_000})
async def lettered(text: str) -> str:
    """Take what fits a pattern that takes for ever where patterns go back."""
    return text


@workflow
async def anything(value: Any) -> None:
    """Take anything."""


async def attack(server, headers, body, path=PATH):
    """Send a request with `body`, piece by piece, until it is refused; return its status, and how much was sent."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    sent = 0
    head = b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    writer.write(head + headers + b"\r\n")
    answer = asyncio.create_task(reader.readline())
    with contextlib.suppress(ConnectionError):
        for piece in body:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
            if answer.done():
                break
    status = (await answer).split(b" ")[1:2]
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return int(status[0]) if status else 0, sent


def chunked(piece, total):
    """Yield the pieces of a chunked body of `total` bytes."""
    for _ in range(total // len(piece)):
        yield b"%x\r\n%s\r\n" % (len(piece), piece)


def plain(body):
    """Return the length header and the one piece of a body."""
    return b"Content-Length: %d\r\n" % len(body), [body]


PIECE = b" " * 65_536
ATTACKS = {
    "endless, in chunks": (b"Transfer-Encoding: chunked\r\n", lambda: chunked(PIECE, MUCH), 413),
    "endless, announced": (b"Content-Length: %d\r\n" % MUCH, lambda: (PIECE for _ in range(MUCH // 65_536)), 413),
    "a bomb of gzip": (b"Content-Encoding: gzip\r\n", lambda: bomb(MUCH, 31), 415),
    "a bomb of deflate": (b"Content-Encoding: deflate\r\n", lambda: bomb(MUCH, 15), 415),
    "two encodings": (b"Content-Encoding: identity, gzip\r\n", lambda: bomb(MUCH, 31), 415),
    "two headers": (b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n", lambda: bomb(MUCH, 31), 415),
    "deep arrays": (b"", lambda: b"[" * 100_000 + b"]" * 100_000, 422),
    "deep objects": (b"", lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 422),
    "many arrays": (b"", lambda: b"[" + b"[]," * 300_000 + b"[]]", 422),
    "not a number": (b"", lambda: b"NaN", 422),
    "more than all floats": (b"", lambda: b"1e999", 422),
    "a key twice": (b"", lambda: b'{"name":"a","name":"b"}', 422),
    "a NUL": (b"", lambda: rb'"\u0000"', 422),
    "half a surrogate": (b"", lambda: rb'"\ud800"', 422),
    "not UTF-8": (b"", lambda: b'"\xff"', 422),
}


@pytest.mark.parametrize(("headers", "body", "status"), ATTACKS.values(), ids=ATTACKS.keys())
@on_loop
async def test_it_is_refused_at_once_and_in_little_memory(tmp_path, headers, body, status):
    """Whatever is sent, however much: a 4xx after little of it, and no more memory than a few bodies of the limit."""
    async with serving(tmp_path, body_bytes_max=LIMIT) as api:
        server = await serve(api.app, port=0)
        content = body()
        if isinstance(content, bytes):
            length, content = plain(content)
            headers += length
        tracemalloc.start()
        try:
            async with asyncio.timeout(30):
                answered, sent = await attack(server, headers, content)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            await server.stop()
        assert answered == status
        assert sent <= MUCH // 5
        assert peak < 40 * LIMIT
        assert (await api.http.get("/v1/runs")).json()["runs"] == []


SENT = {name: body for name, (headers, body, _) in ATTACKS.items() if not headers}
"""What a sender whose signature is good may send all the same."""


@pytest.mark.parametrize("name", ATTACKS)
@on_loop
async def test_a_webhook_refuses_it_too(tmp_path, monkeypatch, name):
    """Genuine and senseless, or never to be checked: a 4xx at once, in little memory, noted in few bytes, no run."""
    monkeypatch.setenv("HOOK_GITHUB", SECRETS["HOOK_GITHUB"])
    hooked = webhook("git", verify=GitHub("env:HOOK_GITHUB"), start=anything, id="{body.id}")
    headers, body, _ = ATTACKS[name]
    async with serving(tmp_path, definitions=(anything, hooked), body_bytes_max=LIMIT) as api:
        server = await serve(api.app, port=0)
        content = body()
        if isinstance(content, bytes):
            signed = github(content, delivery="d-1")
            headers += b"".join(b"%s: %s\r\n" % (key.encode(), value.encode()) for key, value in signed.items())
            length, content = plain(content)
            headers += length
        tracemalloc.start()
        try:
            async with asyncio.timeout(30):
                answered, sent = await attack(server, headers, content, b"/v1/hooks/git")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            await server.stop()
        assert answered == (422 if name in SENT or "bomb" in name or "two" in name else 401)
        assert sent <= MUCH // 5
        assert peak < 40 * LIMIT
        assert (await api.http.get("/v1/runs")).json()["runs"] == []
        (row,) = (await api.http.get("/v1/deliveries")).json()["deliveries"]
        assert row["state"] == ("failed" if answered == 422 else "refused")
        assert len(str(row)) < 2_000


@on_loop
async def test_a_pattern_takes_no_longer_for_a_text_that_is_made_for_it(tmp_path):
    """What would keep a pattern that goes back busy for longer than the world lasts is a 422 like any other."""
    async with serving(tmp_path, definitions=(lettered,)) as api:
        server = await serve(api.app, port=0)
        try:
            async with asyncio.timeout(10):
                for letters in (30, 500_000):
                    length, content = plain(b'"%s!"' % (b"a" * letters))
                    answered, _ = await attack(server, length, content, b"/v1/workflows/lettered/runs")
                    assert answered == 422
        finally:
            await server.stop()


@on_loop
async def test_nothing_that_is_sent_makes_the_controller_call_anybody(tmp_path):
    """References, links and addresses in what strangers send are text: a server that waits for a call hears nothing."""
    heard = []

    async def hear(reader, writer):
        heard.append(await reader.readline())
        writer.close()

    listener = await asyncio.start_server(hear, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/x"
    values = [{"$ref": url}, {"$schema": url, "$id": url, "$dynamicRef": url}, url, [url], {"href": url, "src": url}]
    async with listener, serving(tmp_path, definitions=(anything, lettered)) as api:
        for value in values:
            assert (await api.http.post("/v1/workflows/anything/runs", json=value)).status_code == 201
            assert (await api.http.post("/v1/workflows/lettered/runs", json=value)).status_code == 422
        for each in ("X-Forwarded-Host", "Origin", "Referer", "Link", "X-Callback-Url"):
            await api.http.get("/v1/runs", headers={each: url})
        described = (await api.http.get("/openapi.json")).text
        assert url not in described
    assert heard == []
