"""Request bodies: how much is read, for how long, and as what."""

from __future__ import annotations

import itertools

import pytest

from holdfast.controller.http import body
from tests.unit.controller.rig import check_problem, on_loop, raw_request, serving

START = b"/v1/workflows/greet/runs?id=r-1"
JSON = ("content-type", "application/json")
HOST = ("host", "localhost")


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Let nobody wait for what a test never sends."""
    monkeypatch.setattr(body, "DRAIN_SECONDS", 0.01)


@on_loop
async def test_a_body_that_says_it_is_too_large_is_not_read(tmp_path):
    """The announced length is enough to refuse, and the connection is closed behind the answer."""
    async with serving(tmp_path, body_bytes_max=1000) as api:
        for length in ("1001", "9" * 30):
            reply = await raw_request(
                api.app, "POST", START, headers=[HOST, JSON, ("content-length", length)], body=None
            )
            assert "1,000" in check_problem(reply, 413)["detail"]
            assert reply.headers["connection"] == "close"


@on_loop
async def test_a_body_that_grows_too_large_is_not_read_to_its_end(tmp_path):
    """Without an announced length, or with a false one, reading stops after twice the limit at the latest."""
    async with serving(tmp_path, body_bytes_max=1000) as api:
        for header in (("transfer-encoding", "chunked"), *(("content-length", each) for each in ("10", "-1", "x"))):
            endless = itertools.repeat(b"x" * 100)
            reply = await raw_request(api.app, "POST", START, headers=[HOST, JSON, header], body=endless)
            check_problem(reply, 413)
            assert reply.received == 20
            assert reply.headers["connection"] == "close"


@on_loop
async def test_whoever_sends_a_little_too_much_can_read_the_answer(tmp_path):
    """What is a little too large is read to its end before it is refused: the sender is not cut off while sending."""
    async with serving(tmp_path, body_bytes_max=1000) as api:
        for header in (("transfer-encoding", "chunked"), ("content-length", "1500")):
            reply = await raw_request(api.app, "POST", START, headers=[HOST, JSON, header], body=[b"x" * 100] * 15)
            check_problem(reply, 413)
            assert reply.received == 16


@on_loop
async def test_a_connection_is_kept_when_all_was_read(tmp_path):
    """Only a body that was not read to its end costs the connection: a refusal before reading, for one."""
    async with serving(tmp_path) as api:
        headers = [HOST, JSON, ("content-length", "5")]
        read = await raw_request(api.app, "POST", START, headers=headers, body=[b'"bob"'])
        assert (read.status, "connection" in read.headers) == (201, False)
        unread = await raw_request(api.app, "POST", b"/nothing", headers=headers, body=[b'"bob"'])
        assert (unread.status, unread.headers["connection"]) == (404, "close")
        assert "connection" not in (await api.raw("GET", b"/nothing")).headers


@on_loop
async def test_a_body_of_exactly_the_limit_is_taken(tmp_path):
    """The limit itself is allowed."""
    async with serving(tmp_path, body_bytes_max=100) as api:
        text = b'"' + b"x" * 98 + b'"'
        reply = await raw_request(api.app, "POST", START, headers=[HOST, JSON], body=[text[:50], text[50:]])
        assert reply.status == 201
        reply = await raw_request(api.app, "POST", START, headers=[HOST, JSON], body=[text[:50], text[50:] + b" "])
        check_problem(reply, 413)


@on_loop
async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path):
    """A client that keeps its body back is told so and let go."""
    async with serving(tmp_path, body_seconds_max=0.01) as api:
        headers = [HOST, JSON, ("content-length", "5")]
        reply = await raw_request(api.app, "POST", START, headers=headers, body=None)
        check_problem(reply, 408)
        assert reply.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 201),
        ("Application/JSON; Charset=UTF-8", 201),
        ("application/vnd.acme+json", 201),
        (None, 415),
        ("", 415),
        ("text/plain", 415),
        ("text/json", 415),
        ("application/jsonp", 415),
        ("application/json; charset=utf-16", 415),
        ("application/xml", 415),
        ("application/x-www-form-urlencoded", 415),
    ],
)
@on_loop
async def test_only_json_is_taken(tmp_path, content_type, status):
    """A body says that it is JSON, in UTF-8, or is not taken."""
    async with serving(tmp_path) as api:
        headers = [HOST] if content_type is None else [HOST, ("content-type", content_type)]
        reply = await raw_request(api.app, "POST", START, headers=headers, body=[b'"bob"'])
        assert reply.status == status
        if status == 415:
            check_problem(reply, 415, "HF653")


@on_loop
async def test_a_compressed_body_is_refused(tmp_path):
    """Nothing is unpacked: a few bytes could become gigabytes."""
    async with serving(tmp_path) as api:
        headers = [HOST, JSON, ("content-encoding", "gzip")]
        reply = await raw_request(api.app, "POST", START, headers=headers, body=[b'"bob"'])
        check_problem(reply, 415, "HF653")


@pytest.mark.parametrize(
    "text",
    [b"NaN", b"1e999", b"[" * 5000, rb'"\u0000"', rb'"\ud800"', b"\xff", b'{"a":1,"a":2}', b"{", b'"a" "b"'],
)
@on_loop
async def test_hostile_json_is_refused_with_a_pointer(tmp_path, text):
    """Each kind of hostile JSON is a 422 on every route that takes JSON, and starts nothing."""
    async with serving(tmp_path) as api:
        assert (await api.http.post("/v1/workflows/greet/runs?id=r", json="bob")).status_code == 201
        for path in (
            "/v1/workflows/greet/runs?id=r-1",
            "/v1/runs/r/signals/any",
            "/v1/runs/r/cancel",
            "/v1/runs/r/terminate",
            "/v1/keys",
        ):
            answer = await api.http.post(path, content=text, headers=dict([JSON]))
            problem = check_problem(answer, 422, "HF402")
            assert all(set(each) == {"pointer", "detail"} for each in problem["errors"])
        assert (await api.http.get("/v1/runs/r-1")).status_code == 404
        assert (await api.http.get("/v1/runs/r")).json()["last_event"] == 1
        assert (await api.http.get("/v1/keys")).json() == {"keys": []}
