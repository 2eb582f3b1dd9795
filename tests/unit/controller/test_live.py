"""How all runs change, as it happens: nothing missed, in order, from wherever a reader was."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from holdfast.controller import Scope
from holdfast.controller.http import access
from holdfast.controller.http.stream import EventStream
from holdfast.ports.operations import PARKED, Append, ClaimRuns, Deliver, Fit, Join, Position
from tests.unit.controller.rig import check_problem, on_loop, raw_request, serving

pytestmark = pytest.mark.usefixtures("backend")

ORDER = {"order": {"account": "a"}}
EXPECTED = [
    ("r", "RUNNING"),
    ("g", "RUNNING"),
    ("r", "PAUSED"),
    ("r", "RUNNING"),
    ("r", "PAUSED"),
    ("r", "RUNNING"),
    ("r", "TERMINATED"),
    ("r@2", "RUNNING"),
    ("r@2", "PAUSED"),
    ("r@2", "TERMINATED"),
]


async def live(api):
    """Let runs begin, be paused, go on, and end."""
    for path, body in (
        ("/v1/workflows/Review/runs?id=r", ORDER),
        ("/v1/workflows/greet/runs?id=g", "bob"),
        ("/v1/runs/r/signals/approve", "me"),
        ("/v1/runs/r/pause", {}),
        ("/v1/runs/r/resume", None),
        ("/v1/runs/r/pause", {}),
        ("/v1/runs/r/resume", None),
        ("/v1/runs/r/terminate", {}),
        ("/v1/workflows/Review/runs?id=r&id_reuse_policy=allow_duplicate", ORDER),
        ("/v1/runs/r/pause", {}),
        ("/v1/runs/r/terminate", {}),
    ):
        answer = await (api.http.post(path) if body is None else api.http.post(path, json=body))
        assert answer.status_code < 300, (path, answer.text)


def events_of(body):
    """Return the events of a stream as documents; comments and bare positions are none."""
    found = []
    for each in body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in each.split("\n") if line and not line.startswith(":"))
        if "data" in lines:
            document = msgspec.json.decode(lines["data"])
            assert (lines["id"], lines["event"]) == (document["id"], document["status"])
            found.append(document)
    return found


async def follow(api, path, count, **headers):
    """Read a stream until it has sent `count` events; return them and its last line with an id."""
    leave = asyncio.Event()
    body = bytearray()

    def look(chunk):
        body.extend(chunk)
        if len(events_of(bytes(body))) >= count:
            leave.set()

    named = [("host", "localhost"), *((name.replace("_", "-"), value) for name, value in headers.items())]
    reply = await raw_request(api.app, "GET", path.encode(), headers=named, on_chunk=look, leave=leave)
    assert reply.status == 200, reply
    return events_of(bytes(body)), bytes(body).rpartition(b"id: ")[2].partition(b"\n")[0].decode()


def told(events):
    """Return (execution, status) of events."""
    return [(each["execution"], each["status"]) for each in events]


@on_loop
async def test_every_change_is_told_once_and_in_order(tmp_path):
    """Runs begin, are paused, go on, end and begin again; steps and messages are not changes of a run."""
    async with serving(tmp_path) as api:
        await live(api)
        events, _ = await follow(api, "/v1/events?after=0-0", len(EXPECTED))
        assert told(events) == EXPECTED
        assert {each["workflow"] for each in events} == {"Review", "greet"}
        assert (events[0]["run_id"], events[5]["run_id"], events[0]["time"][:4]) == ("r", "r", "2023")
        assert [each["id"] for each in events] == sorted({each["id"] for each in events}, key=_number)


def _number(identity):
    return tuple(map(int, identity.split("-")))


@on_loop
async def test_a_reader_who_comes_back_gets_the_rest(tmp_path):
    """From every place, in a later process, exactly what came after it: nothing twice, nothing missed."""
    async with serving(tmp_path) as api:
        await live(api)
        events, _ = await follow(api, "/v1/events?after=0-0", len(EXPECTED))
    async with serving(tmp_path) as later:
        for index, each in enumerate(events[:-1]):
            rest, _ = await follow(later, "/v1/events", len(events) - index - 1, last_event_id=each["id"])
            assert rest == events[index + 1 :]


@on_loop
async def test_what_happens_while_nobody_looks_is_not_missed(tmp_path):
    """A reader is told where it is before there is anything to tell, and gets from there what came meanwhile."""
    async with serving(tmp_path) as api:
        await api.http.post("/v1/workflows/greet/runs?id=old", json="bob")
        _, place = await follow(api, "/v1/events", 0)
        await api.http.post("/v1/workflows/greet/runs?id=new", json="bob")
        events, _ = await follow(api, "/v1/events", 1, last_event_id=place)
        assert told(events) == [("new", "RUNNING")]


@on_loop
async def test_a_reader_knows_how_far_it_is_although_nothing_was_for_it(tmp_path):
    """A comment in silence carries the place up to which was read: coming back does not read all of that again."""
    async with serving(tmp_path, keep_alive_seconds=0.01) as api:
        await live(api)
        leave, body = asyncio.Event(), bytearray()

        def look(chunk):
            body.extend(chunk)
            if b"still here" in chunk and not body.rstrip().endswith(b"id: 0-0"):
                leave.set()

        await raw_request(api.app, "GET", b"/v1/events?after=0-0&status=FAILED", on_chunk=look, leave=leave)
        assert events_of(bytes(body)) == []
        assert b"id: 0-0\n\n" in body
        newest = await api.store.newest_change()
        assert body.rstrip().endswith(b"id: %d-%d" % (newest.page, newest.change))


@on_loop
async def test_readers_get_what_they_ask_for(tmp_path):
    """By workflow, by status, and for a key that is for some workflows only nothing of the others."""
    async with serving(tmp_path) as api:
        await live(api)
        events, _ = await follow(api, "/v1/events?after=0-0&workflow=greet", 1)
        assert told(events) == [("g", "RUNNING")]
        events, _ = await follow(api, "/v1/events?after=0-0&status=PAUSED&status=TERMINATED", 5)
        assert told(events) == [each for each in EXPECTED if each[1] in {"PAUSED", "TERMINATED"}]
        issued = await api.service.keys.create("ci", [Scope.READ], workflows=["greet"])
        events, _ = await follow(api, "/v1/events?after=0-0", 1, authorization=f"Bearer {issued.secret}")
        assert told(events) == [("g", "RUNNING")]


@on_loop
async def test_parked_runs_are_told_of(tmp_path):
    """Parked by its owner, let go on by other code, and by a request to cancel it."""
    async with serving(tmp_path) as api:
        store = api.store
        await api.http.post("/v1/workflows/greet/runs?id=r", json="bob")
        (member,) = await store.write([Join("m", "orchestrator", "here", 1, 60.0)])
        for loosen in (Fit("greet", "new"), Deliver("r", "cancel", "", b"", "op")):
            ((claimed,),) = await store.write([ClaimRuns(("greet",), 1)], member)
            park = Append(claimed.execution_id, None, park="drift", misfit="old")
            assert await store.write([park], member) == [True]
            await store.write([loosen])
        events, _ = await follow(api, "/v1/events?after=0-0", 5)
        assert [each["status"] for each in events] == ["RUNNING", PARKED, "RUNNING", PARKED, "RUNNING"]


@pytest.mark.parametrize("pages", [1, 2, 3, 100])
@on_loop
async def test_however_little_is_read_at_a_time_it_is_the_same(tmp_path, pages):
    """Page by page all changes come once and in order, and each position leads to the next one."""
    async with serving(tmp_path) as api:
        await live(api)
        seen, position, more = [], Position(), True
        while more:
            found = await api.store.changes(position, pages)
            seen += found.changes
            assert found.position >= position
            position, more = found.position, found.more
        assert [(each.execution, each.status) for each in seen] == EXPECTED
        assert position == await api.store.newest_change()
        for index, each in enumerate(seen):
            rest = await api.store.changes(each.position, 100)
            assert list(rest.changes) == seen[index + 1 :]


@on_loop
async def test_odd_positions_and_filters_are_refused(tmp_path):
    """What is no id of ours, or no status, is told; one from a later time than the store knows is the newest."""
    async with serving(tmp_path) as api:
        for wrong in ("x", "1", "1-", "-1-2", "1-2-3", "9" * 30 + "-1", "1-x"):
            headers = [("host", "localhost"), ("last-event-id", wrong)]
            check_problem(await raw_request(api.app, "GET", b"/v1/events", headers=headers), 400)
            check_problem(await api.raw("GET", f"/v1/events?after={wrong}".encode()), 422, "HF402")
        check_problem(await api.raw("GET", b"/v1/events?status=LOST"), 422, "HF402")
        _, place = await follow(api, "/v1/events", 0, last_event_id="999999-999999")
        assert place == "0-0"


@on_loop
async def test_streams_of_all_runs_are_limited_too(tmp_path):
    """They take places beside those of single runs."""
    async with serving(tmp_path, streams_max=0) as api:
        assert "streams_max" in check_problem(await api.raw("GET", b"/v1/events"), 503)["detail"]


@on_loop
@pytest.mark.parametrize("ends", ["revoked", "expired"])
@pytest.mark.parametrize("path", [b"/v1/events", b"/v1/runs/r/events"])
async def test_a_stream_ends_with_the_key_of_its_reader(tmp_path, monkeypatch, path, ends):
    """Not only the next request is refused: what goes on does not go on. A stream with another key does."""
    monkeypatch.setattr(access, "LOOK_SECONDS", 0.001)
    async with serving(tmp_path) as api:
        await api.service.starts.start("Review", b'{"order":{"account":"a"}}', "r")
        short = await api.service.keys.create("short", [Scope.READ], api.clock.now() + 60)
        long = await api.service.keys.create("long", [Scope.READ])
        begun, leave = [asyncio.Event(), asyncio.Event()], asyncio.Event()

        def read(key, event, leave):
            headers = [("host", "localhost"), ("authorization", f"Bearer {key.secret}")]
            there = path + b"?after=0" + b"-0" * path.endswith(b"v1/events")
            sent = raw_request(api.app, "GET", there, headers=headers, on_chunk=lambda _: event.set(), leave=leave)
            return asyncio.create_task(sent)

        async with asyncio.timeout(30):
            ending, staying = read(short, begun[0], None), read(long, begun[1], leave)
            await asyncio.gather(*(each.wait() for each in begun))
            if ends == "revoked":
                await api.service.keys.revoke("short")
            else:
                api.clock.time += 61
            assert (await ending).status == 200
            assert not staying.done()
            leave.set()
            await staying


@on_loop
async def test_a_place_is_told_at_the_beginning_and_in_silence():
    """What browsers remember: an id without an event."""
    leave, stopping = asyncio.Event(), asyncio.Event()

    async def nothing():
        await asyncio.Event().wait()
        yield {}

    stream = EventStream(nothing(), 0.001, stopping, lambda: "7-3")
    reply = await raw_request(
        stream, "GET", b"/", on_chunk=lambda chunk: b"still" in chunk and leave.set(), leave=leave
    )
    assert reply.body.startswith(b"id: 7-3\n\n: still here\n\nid: 7-3\n\n")
