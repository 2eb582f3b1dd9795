"""Streams of events: their form, resuming, staying alive, and ending with reader, source or server."""

from __future__ import annotations

import asyncio
import logging

import msgspec
import pytest

from holdfast.controller.http.stream import EventStream, encode_event
from holdfast.controller.keys import Scope
from holdfast.ports.operations import Prune
from tests.unit.controller.rig import check_problem, on_loop, raw_request, serving


class Source:
    """Events that a test lets out one by one."""

    def __init__(self, *documents, then=None):
        """Give `documents`, then wait for ever, end (`then=StopAsyncIteration`) or fail."""
        self.documents = list(documents)
        self.then = then
        self.closed = False

    def __aiter__(self):
        """Return the source."""
        return self

    async def __anext__(self):
        """Return the next event."""
        if self.documents:
            return self.documents.pop(0)
        if self.then is None:
            await asyncio.Event().wait()
        raise self.then

    async def aclose(self):
        """Note that nobody reads any more."""
        self.closed = True


def event(number):
    """Return an event as a document."""
    return {"id": number, "type": "TimerFired", "text": "a\nb"}


async def read(source, *, until=None, keep_alive=60.0, stopping=None):
    """Return what a stream of `source` sends; the reader leaves once `until` was sent."""
    leave = asyncio.Event()
    seen = b""

    def look(chunk):
        nonlocal seen
        seen += chunk
        if until is not None and until in seen:
            leave.set()

    stream = EventStream(source, keep_alive, stopping or asyncio.Event())
    return await raw_request(stream, "GET", b"/", on_chunk=look, leave=leave)


@on_loop
async def test_an_event_is_its_id_its_type_and_one_line_of_json():
    """What browsers expect of an event; a line break inside it stays inside it."""
    text = encode_event(event(7)).decode()
    identity, kind, data, *rest = text.split("\n")
    assert (identity, kind, rest) == ("id: 7", "event: TimerFired", ["", ""])
    assert msgspec.json.decode(data.removeprefix("data: ")) == event(7)


@on_loop
async def test_a_stream_ends_with_its_source():
    """When the run has ended, so does the stream."""
    source = Source(event(1), event(2), then=StopAsyncIteration())
    reply = await read(source)
    assert reply.body == encode_event(event(1)) + encode_event(event(2))
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert "content-length" not in reply.headers
    assert source.closed


@on_loop
async def test_a_stream_says_that_it_is_alive():
    """In silence, comments come; an event that comes afterwards was not lost by waiting for it."""
    source = Source()
    reply = await read(source, until=b": still here\n\n: still here\n\n", keep_alive=0.001)
    assert reply.body.count(b": still here\n\n") >= 2
    assert source.closed


@on_loop
async def test_no_event_is_lost_to_a_sign_of_life():
    """A source that has taken an event out and is slow to hand it over is not asked anew after a comment."""
    alive = asyncio.Event()

    async def slow():
        yield event(1)
        await alive.wait()
        yield event(2)

    def look(chunk):
        if b"still here" in chunk:
            alive.set()

    reply = await raw_request(EventStream(slow(), 0.001, asyncio.Event()), "GET", b"/", on_chunk=look)
    assert reply.body.replace(b": still here\n\n", b"") == encode_event(event(1)) + encode_event(event(2))
    assert b"still here" in reply.body


@on_loop
async def test_a_stream_ends_when_its_reader_leaves():
    """Nobody reads any more: the source is closed at once, though it has more to come."""
    source = Source(event(1))
    await read(source, until=encode_event(event(1)))
    assert source.closed


@on_loop
async def test_a_stream_ends_when_the_server_stops():
    """A stream does not keep a server from stopping."""
    stopping = asyncio.Event()
    stopping.set()
    source = Source()
    reply = await read(source, stopping=stopping)
    assert reply.status == 200
    assert source.closed


@on_loop
async def test_a_stream_whose_source_fails_ends(caplog):
    """A failing source ends the stream, so that its reader comes back; the failure is in the log."""
    with caplog.at_level(logging.WARNING, "holdfast.controller"):
        reply = await read(Source(event(1), then=RuntimeError("gone")))
    assert reply.body == encode_event(event(1))
    assert "gone" in caplog.records[0].error


@on_loop
async def test_a_run_is_followed_from_where_its_reader_was(tmp_path):
    """Last-Event-ID resumes after that event, and is checked."""
    async with serving(tmp_path) as api:
        await api.http.post("/v1/workflows/greet/runs?id=r", json="bob")
        leave = asyncio.Event()
        headers = [("host", "localhost")]
        reply = await raw_request(
            api.app,
            "GET",
            b"/v1/runs/r/events",
            headers=headers,
            on_chunk=lambda chunk: chunk and leave.set(),
            leave=leave,
        )
        assert reply.body.startswith(b"id: 1\nevent: WorkflowStarted\n")
        assert b"bob" not in reply.body
        for wrong in ("x", "-1", "1" * 16, "1.5"):
            headers = [("host", "localhost"), ("last-event-id", wrong)]
            check_problem(await raw_request(api.app, "GET", b"/v1/runs/r/events", headers=headers), 400)
        check_problem(await api.raw("GET", b"/v1/runs/nobody/events"), 404)


@on_loop
async def test_a_stream_of_a_pruned_run_says_so_and_ends(tmp_path):
    """One event in place of those that went, wherever the reader was; who comes back after it has nothing to come."""
    async with serving(tmp_path) as api:
        await api.http.post("/v1/workflows/greet/runs?id=r", json="bob")
        await api.http.post("/v1/runs/r/terminate")
        await api.store.write([Prune(await api.store.now() + 1)])
        last = (await api.store.run("r")).last_event
        reply = await raw_request(api.app, "GET", b"/v1/runs/r/events")
        assert reply.status == 200
        assert reply.body.startswith(b"id: %d\nevent: HistoryPruned\ndata: " % last)
        (line,) = [each for each in reply.body.splitlines() if each.startswith(b"data: ")]
        told = msgspec.json.decode(line.removeprefix(b"data: "))
        assert (told["status"], "were pruned" in told["detail"]) == ("TERMINATED", True)
        headers = [("host", "localhost"), ("last-event-id", str(last))]
        assert (await raw_request(api.app, "GET", b"/v1/runs/r/events", headers=headers)).status == 204


@on_loop
async def test_streams_are_limited(tmp_path):
    """One stream too many is refused until another one ends."""
    async with serving(tmp_path, streams_max=1) as api:
        await api.http.post("/v1/workflows/greet/runs?id=r", json="bob")
        leave, begun = asyncio.Event(), asyncio.Event()
        first = asyncio.create_task(
            raw_request(api.app, "GET", b"/v1/runs/r/events", on_chunk=lambda _: begun.set(), leave=leave)
        )
        await begun.wait()
        refused = await api.raw("GET", b"/v1/runs/r/events")
        assert "streams_max" in check_problem(refused, 503)["detail"]
        assert refused.headers["retry-after"] == "10"
        leave.set()
        assert (await first).status == 200
        assert api.app.state.parts.streams == 0


@on_loop
async def test_a_stream_needs_its_scope(tmp_path):
    """A stream is refused like any other route."""
    async with serving(tmp_path) as api:
        await api.service.keys.create("start", [Scope.START])
        check_problem(await api.raw("GET", b"/v1/runs/r/events"), 401)


@pytest.mark.parametrize("number", [1, 10**14])
@on_loop
async def test_resuming_after_the_end_has_nothing(tmp_path, number):
    """A run that is under way and has nothing newer keeps its reader waiting."""
    async with serving(tmp_path, keep_alive_seconds=0.001) as api:
        await api.http.post("/v1/workflows/greet/runs?id=r", json="bob")
        leave = asyncio.Event()
        reply = await raw_request(
            api.app,
            "GET",
            b"/v1/runs/r/events",
            headers=[("host", "localhost"), ("last-event-id", str(number))],
            on_chunk=lambda chunk: chunk and leave.set(),
            leave=leave,
        )
        assert reply.body.replace(b": still here\n\n", b"") == b""
