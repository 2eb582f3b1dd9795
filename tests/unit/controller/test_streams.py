"""What steps say while they are at it is listed and followed over HTTP, from any place, in epochs."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from holdfast.controller import streams
from holdfast.ports.operations import BROKEN, WHOLE, OpenStream, Say
from tests.unit.controller.rig import check_problem, on_loop, raw_request, serving

HOSTILE = "data: not mine\r\n\nid: 9-9\n\n\x00\u2028 Zwölf \U0001f41c"


def events_in(body):
    """Return the events of a stream, each as the id it was sent with and its document."""
    found = []
    for block in body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "data" in lines:
            document = msgspec.json.decode(lines["data"])
            assert (lines["id"], lines["event"]) == (document["id"], document["type"])
            found.append(document)
    return found


class Speaker:
    """A step that says something."""

    def __init__(self, api, name="write#1", run_id="r-1"):
        """Say it beside a run."""
        self.store, self.name, self.run_id, self.epoch, self.start = api.store, name, run_id, 0, 0

    async def begin(self):
        """Begin anew."""
        (self.epoch,) = await self.store.write([OpenStream(self.run_id, self.name, self.run_id)])
        self.start = 0

    async def say(self, text, ended=""):
        """Say something."""
        said = Say(self.run_id, self.name, self.epoch, self.start, len(text), text.encode(), ended)
        self.start += len(text)
        await self.store.write([said])


async def read(api, path, until="ended", **headers):
    """Return the answer to a reader who leaves at the first event of a type, and the events that it got."""
    leave = asyncio.Event()
    seen = b""

    def look(chunk):
        nonlocal seen
        seen += chunk
        if any(each["type"] == until for each in events_in(seen)):
            leave.set()

    named = [("host", "localhost"), *((name.replace("_", "-"), value) for name, value in headers.items())]
    reply = await raw_request(api.app, "GET", path.encode(), headers=named, on_chunk=look, leave=leave)
    return reply, events_in(reply.body)


def told(events):
    """Return events as type and what each says."""
    words = {"began": "epoch", "text": "text", "ended": "how"}
    return [(each["type"], each[words[each["type"]]]) for each in events]


@on_loop
async def test_several_read_along_and_come_back_where_they_were(tmp_path, monkeypatch):
    """Each is told everything once, whatever is in it, from the place it names; nothing is left when it is over."""
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.001)
    async with serving(tmp_path) as api:
        await api.service.starts.start("idle", b"", "r-1")
        first = asyncio.create_task(read(api, "/v1/runs/r-1/stream?name=write%231"))
        second = asyncio.create_task(read(api, "/v1/runs/r-1/stream", "text"))
        speaker = Speaker(api)
        await speaker.begin()
        await speaker.say(HOSTILE)
        _, early = await second
        assert told(early) == [("began", 1), ("text", HOSTILE)]
        await speaker.say("and more", WHOLE)
        _, events = await first
        assert "".join(each.get("text", "") for each in events) == HOSTILE + "and more"
        assert (events[-1]["type"], events[-1]["how"]) == ("ended", WHOLE)
        reply, late = await read(api, "/v1/runs/r-1/stream", last_event_id=early[-1]["id"])
        assert told(late) == [("text", "and more"), ("ended", WHOLE)]
        assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        _, middle = await read(api, f"/v1/runs/r-1/stream?after=1-{len(HOSTILE) + 4}")
        assert told(middle) == [("text", "more"), ("ended", WHOLE)]
        assert (await read(api, "/v1/runs/r-1/stream", last_event_id=late[-1]["id"]))[0].status == 204
        (listed,) = (await api.http.get("/v1/runs/r-1/streams")).json()["streams"]
        assert (listed["name"], listed["epoch"], listed["ended"]) == ("write#1", 1, "whole")
        assert listed["characters"] == len(HOSTILE + "and more")


@on_loop
async def test_another_attempt_voids_what_its_readers_have(tmp_path, monkeypatch):
    """They are told so, and get the new text from its beginning, also when they were away meanwhile."""
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.001)
    async with serving(tmp_path) as api:
        await api.service.starts.start("idle", b"", "r-1")
        speaker = Speaker(api)
        await speaker.begin()
        await speaker.say("It may be s", BROKEN)
        _, before = await read(api, "/v1/runs/r-1/stream")
        assert told(before) == [("began", 1), ("text", "It may be s"), ("ended", BROKEN)]
        waits = asyncio.create_task(read(api, f"/v1/runs/r-1/stream?after={before[-1]['id']}", "text"))
        await speaker.begin()
        await speaker.say("Six.", WHOLE)
        assert told((await waits)[1])[-2:] == [("began", 2), ("text", "Six.")]
        _, after = await read(api, "/v1/runs/r-1/stream", last_event_id="1-5")
        assert told(after) == [("began", 2), ("text", "Six."), ("ended", WHOLE)]


@on_loop
async def test_what_is_not_there_is_said(tmp_path, monkeypatch):
    """No run, no stream of a run that has ended, no place; one that broke off ends with its run."""
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.001)
    async with serving(tmp_path) as api:
        await api.service.starts.start("idle", b"", "r-1")
        check_problem(await api.http.get("/v1/runs/nobody/stream"), 404)
        check_problem(await api.http.get("/v1/runs/nobody/streams"), 404)
        for wrong in ("x", "-1", "1-", "1-2-3", "1" * 30 + "-1"):
            check_problem(await api.http.get("/v1/runs/r-1/stream", params={"after": wrong}), 422)
            check_problem(await api.http.get("/v1/runs/r-1/stream", headers={"last-event-id": wrong}), 400)
        speaker = Speaker(api)
        await speaker.begin()
        await speaker.say("Si", BROKEN)
        leave = asyncio.Event()
        reading = asyncio.create_task(raw_request(api.app, "GET", b"/v1/runs/r-1/stream", leave=leave))
        await api.http.post("/v1/runs/r-1/terminate")
        assert told(events_in((await reading).body)) == [("began", 1), ("text", "Si"), ("ended", BROKEN)]
        check_problem(await api.http.get("/v1/runs/r-1/stream", params={"name": "other"}), 404)
        assert (await api.http.get("/v1/runs/r-1/stream", params={"after": "1-2"})).status_code == 204


@pytest.mark.parametrize("text", ["2-140", "0-0"])
def test_places_are_written_as_they_are_read(text):
    """An epoch and a number of characters."""
    assert str(streams.read_place(text)) == text
