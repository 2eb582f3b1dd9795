"""Live updates: one look for all who watch, and none when nobody does."""

from __future__ import annotations

import asyncio

from holdfast.dashboard.live import STREAMS_MAX, Watches, watches_of
from tests.unit.controller.rig import on_loop, raw_request, serving


@on_loop
async def test_all_who_watch_share_one_look():
    """Two hundred pages of one thing cost what one costs; all are told of a change, who has just come in any case."""
    looks = 0
    mark = 0

    async def look():
        nonlocal looks
        looks += 1
        return mark

    watches = Watches()
    streams = [watches.follow("thing", look, 0.001) for _ in range(200)]
    waits = [asyncio.ensure_future(anext(each)) for each in streams]
    while looks < 3:  # noqa: ASYNC110 - a turn of the loop, not a wait
        await asyncio.sleep(0)
    assert [each["type"] for each in await asyncio.gather(*waits)] == ["change"] * 200  # they have just come
    waits = [asyncio.ensure_future(anext(each)) for each in streams]
    late = watches.follow("thing", look, 0.001)
    assert (await anext(late))["type"] == "change"
    assert not any(each.done() for each in waits)
    seen, mark = looks, 1
    assert [each["type"] for each in await asyncio.gather(*waits)] == ["change"] * 200
    assert looks <= seen + 3
    await late.aclose()
    for each in streams:
        await each.aclose()
    left = looks
    for _ in range(20):
        await asyncio.sleep(0)
    assert looks == left
    assert len(asyncio.all_tasks()) == 1


@on_loop
async def test_a_stream_says_that_something_changed_and_ends_with_its_reader(tmp_path):
    """A run that begins is told of; who leaves takes the watch along."""
    async with serving(tmp_path) as api:
        leave = asyncio.Event()
        begun = asyncio.Event()
        pieces = []

        def on_chunk(piece):
            pieces.append(piece)
            begun.set()
            if b"event: change" in piece:
                leave.set()

        stream = asyncio.ensure_future(raw_request(api.app, "GET", b"/live", on_chunk=on_chunk, leave=leave))
        await begun.wait()
        number = 0
        while not leave.is_set():  # the first look may come after the first of them
            number += 1
            await api.http.post(f"/v1/workflows/greet/runs?id=a-{number}", json="x")
            await asyncio.wait({stream}, timeout=0.1)
        reply = await stream
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert watches_of(api.app).streams == 0


@on_loop
async def test_there_is_a_limit_to_live_pages(tmp_path):
    """Beyond it a page is served, and does not move by itself."""
    async with serving(tmp_path) as api:
        watches_of(api.app).streams = STREAMS_MAX
        assert (await api.http.get("/live")).status_code == 503
        assert (await api.http.get("/")).status_code == 200
