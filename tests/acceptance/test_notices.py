"""Notices: an outside system is told, signed and until it has heard, how a run has ended."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast import Holdfast, workflow
from holdfast.app import Settings, make_key, notice_secret
from holdfast.controller import ControllerService
from holdfast.controller.http import create_app
from holdfast.controller.notices import notifier, read_secret, sending
from holdfast.errors import InputError, SettingsError
from holdfast.ports.operations import DUE, SENT, UNSENT, NoticeRecord
from holdfast.ports.reach import Reach
from tests.backends import store_of
from tests.unit.worker.rig import on_loop, wait_for, wait_until

pytestmark = pytest.mark.usefixtures("backend")

CANARY = "canary-4711"
METADATA = "169.254.169.254"
"""Where clouds keep the credentials of a machine."""


@workflow
async def greet(name: str) -> str:
    """Greet somebody, unless they have no name."""
    if not name:
        raise ValueError("nobody to greet")
    return f"hello {name}"


@dataclass
class Ear:
    """A server that notes what it is told, and answers what it is meant to."""

    url: str = ""
    answers: list[str] = field(default_factory=list)
    """Status lines and headers of the first answers; then it answers 200."""
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request on a connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")[1:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.heard.append((headers, body))
        answer = self.answers.pop(0) if self.answers else "200 OK"
        if answer:
            writer.write(f"HTTP/1.1 {answer}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode())
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def ear(*answers: str) -> AsyncIterator[Ear]:
    """Serve an ear on a free port of this machine."""
    listening = Ear(answers=list(answers))
    server = await asyncio.start_server(listening.serve, "127.0.0.1", 0)
    listening.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/told"
    async with server:
        yield listening


@asynccontextmanager
async def system(folder: Path, **settings: Any) -> AsyncIterator[Holdfast]:
    """Run a stack that may tell this machine."""
    settings = {"notify_allow": ["127.0.0.0/8"], **settings}
    async with Holdfast(definitions=[greet], store=store_of(folder), **settings) as stack:
        yield stack


async def settled(stack: Holdfast, done: Callable[[NoticeRecord], bool]) -> NoticeRecord:
    """Wait until the newest notice is as it should be; return it."""

    async def look() -> NoticeRecord | None:
        newest, *_ = await stack._stack.store.notices()
        return newest if done(newest) else None

    return await wait_for(look)


@on_loop
async def test_the_end_of_a_run_is_told_and_signed(tmp_path: Path) -> None:
    """Result or error, under the store's own secret, which the receiver was given; once for each run."""
    async with ear() as told, system(tmp_path) as stack:
        handle = await stack.client.start(greet, "ada", id="good", notify=told.url)
        assert await handle.result() == "hello ada"
        await wait_until(lambda: told.heard)
        await stack.client.start(greet, "", id="bad", notify=[told.url])
        await wait_until(lambda: len(told.heard) == 2)
        await stack.client.start(greet, "ada", id="good", notify=[told.url])  # is there: nobody is told again
        written = await notice_secret(Settings(), stack._stack.store)
    (headers, body), (_, failed) = told.heard
    said = json.loads(body)
    assert (said["type"], said["data"]["run_id"], said["data"]["result"]) == ("run.completed", "good", "hello ada")
    assert said["timestamp"] == said["data"]["closed_at"]
    error = json.loads(failed)["data"]["error"]
    assert (json.loads(failed)["type"], error["message"]) == ("run.failed", "nobody to greet")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    signature = hmac.new(read_secret(written, "the store"), signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(signature).decode()}"
    assert headers["content-type"] == "application/json"


@on_loop
async def test_a_notice_is_tried_until_it_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Across an error, a redirect, a connection that ends without an answer, and a restart; under one id."""
    monkeypatch.setattr(notifier, "RETRIES", (0.0,) * 9)
    async with ear("500 No", "302 Elsewhere", "", "503 Later") as told:
        async with system(tmp_path) as stack:
            await (await stack.client.start(greet, "ada", notify=told.url)).result()
            await wait_until(lambda: len(told.heard) >= 2)
        async with system(tmp_path) as stack:
            record = await settled(stack, lambda each: each.status == SENT)
    assert record.attempt == len(told.heard) == 5
    assert len({headers["webhook-id"] for headers, _ in told.heard}) == 1
    assert len({body for _, body in told.heard}) == 1


@on_loop
async def test_a_receiver_that_says_later_is_waited_for(tmp_path: Path) -> None:
    """Retry-After counts when it is longer; the list says what was wrong, and when the next try is."""
    async with ear("503 Later\r\nRetry-After: 3000") as told, system(tmp_path) as stack:
        await (await stack.client.start(greet, "ada", notify=told.url)).result()
        record = await settled(stack, lambda each: bool(each.error))
        wait = (record.due or 0.0) - record.changed_at
    assert (record.status, record.error) == (DUE, "it answered 503")
    assert 3000 <= wait <= 3300


@on_loop
async def test_what_is_of_no_use_is_given_up(tmp_path: Path) -> None:
    """410, and an address that may not be called: nobody there is touched."""
    async with ear("410 Gone") as told, system(tmp_path) as stack:
        await (await stack.client.start(greet, "ada", notify=told.url)).result()
        assert (await settled(stack, lambda each: each.status == UNSENT)).error == "it answered 410"
    async with ear() as told, system(tmp_path, notify_allow=[]) as stack:
        url = told.url.replace("127.0.0.1", "localhost")
        await (await stack.client.start(greet, "ada", notify=url)).result()
        record = await settled(stack, lambda each: each.status == UNSENT)
    assert "not a public address" in record.error
    assert told.heard == []


@on_loop
async def test_a_receiver_that_never_comes_to_an_end_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says for ever that it is still at it: each read is in time, and the try is not."""
    assert sending.TRY_SECONDS < notifier.CLAIM_SECONDS
    monkeypatch.setattr(sending, "TRY_SECONDS", 0.2)
    left = asyncio.Event()

    async def go_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
                await writer.drain()
        left.set()
        writer.close()

    server = await asyncio.start_server(go_on, "127.0.0.1", 0)
    sender = sending.Sender(b"secret", Reach.allowing(["127.0.0.1"]), "test", 1)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        answer = await sender.send(url, "notice-1", b"{}", 0.0)
        await left.wait()
    await sender.close()
    assert (answer.heard, answer.final, answer.error) == (False, False, "it did not answer within 0.2 s")


@on_loop
async def test_who_is_to_be_told_is_a_secret_of_an_encrypted_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The URL is in no file; with another's key only the place in the list is seen."""
    monkeypatch.setenv("KEY", make_key())
    async with ear() as told, system(tmp_path, encryption_keys=["env:KEY"]) as stack:
        url = f"{told.url}?token={CANARY}"
        await (await stack.client.start(greet, "ada", notify=url)).result()
        record = await settled(stack, lambda each: each.status == SENT)
        assert record.url.decode() == url
    assert len(told.heard) == 1
    assert [each for each in _files(tmp_path) if CANARY.encode() in each] == []


def _files(folder: Path) -> list[bytes]:
    return [each.read_bytes() for each in folder.iterdir()]


@on_loop
async def test_bad_settings_and_urls_are_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a run begins: a URL that cannot be called; before the process does: a secret that is none."""
    async with system(tmp_path) as stack:
        with pytest.raises(InputError, match="notify"):
            await stack.client.start(greet, "ada", id="none", notify="file:///etc/passwd")
        waiting = await stack.client.runs()
        assert waiting[0] == []
    monkeypatch.setenv("SHORT", "whsec_c2hvcnQ=")
    for settings in ({"notify_secret": "env:SHORT"}, {"notify_secret": "whsec_x"}, {"notify_allow": ["10.0.0.1/8"]}):
        with pytest.raises(SettingsError):
            async with system(tmp_path, **settings):
                raise AssertionError("it began")


@on_loop
async def test_notices_are_seen_and_sent_again(tmp_path: Path) -> None:
    """Over HTTP: by page, by run, by status; one that was given up is heard the second time; a waiting one is not."""
    async with ear("410 Gone") as told, system(tmp_path) as stack:
        parts = stack._stack
        reach = Reach.allowing(["127.0.0.0/8"])
        service = ControllerService(parts.engine, parts.registry, parts.store, parts.clock, reach=reach)
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            path = "/v1/workflows/greet/runs"
            assert (await http.post(path, json="x", params={"notify": "gopher://x"})).status_code == 422
            forbidden = await http.post(path, json="x", params={"notify": f"http://{METADATA}/latest"})
            assert (forbidden.status_code, "notify_allow" in forbidden.text) == (422, True)
            started = await http.post(path, json="ada", params={"id": "r", "notify": told.url})
            assert started.status_code == 201
            gone = await settled(stack, lambda each: each.status == UNSENT)
            page = (await http.get("/v1/notices", params={"status": "UNSENT", "run": "r"})).json()
            assert [(each["id"], each["url"], each["error"]) for each in page["notices"]] == [
                (gone.notice_id, told.url, "it answered 410")
            ]
            assert (await http.post(f"/v1/notices/{gone.notice_id}/resend")).status_code == 202
            await settled(stack, lambda each: each.status == SENT)
            assert (await http.post("/v1/notices/99/resend")).status_code == 404
            assert parts.meters.notices == {("given_up",): 1, ("heard",): 1}
            await http.post(path, json="bob", params={"id": "s", "notify": told.url})
            await settled(stack, lambda each: each.run_id == "s" and each.status == SENT)
            first = (await http.get("/v1/notices", params={"limit": 1})).json()
            second = (await http.get("/v1/notices", params={"limit": 1, "cursor": first["next"]})).json()
            assert [first["notices"][0]["run_id"], second["notices"][0]["run_id"]] == ["s", "r"]
            assert second["next"] is None
