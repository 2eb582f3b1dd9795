"""Request bodies: how much is read, for how long, and as what."""

from __future__ import annotations

import itertools

import pytest

from tests.unit.controller.rig import check_problem, on_loop, raw_request, serving

START = b"/v1/workflows/greet/runs?id=r-1"
JSON = ("content-type", "application/json")
HOST = ("host", "localhost")


@on_loop
async def test_a_body_that_says_it_is_too_large_is_not_read(tmp_path):
    """The announced length is enough to refuse."""
    async with serving(tmp_path, body_bytes_max=1000) as api:
        for length in ("1001", "9" * 30):
            reply = await raw_request(
                api.app, "POST", START, headers=[HOST, JSON, ("content-length", length)], body=None
            )
            assert "1,000" in check_problem(reply, 413)["detail"]
            assert reply.received == 0


@on_loop
async def test_a_body_that_grows_too_large_is_not_read_to_its_end(tmp_path):
    """Without an announced length, or with a false one, reading stops at the limit."""
    async with serving(tmp_path, body_bytes_max=1000) as api:
        for headers in ([], [("content-length", "10")], [("content-length", "-1")], [("content-length", "x")]):
            endless = itertools.repeat(b"x" * 100)
            reply = await raw_request(api.app, "POST", START, headers=[HOST, JSON, *headers], body=endless)
            check_problem(reply, 413)
            assert reply.received == 11


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
        reply = await raw_request(api.app, "POST", START, headers=[HOST, JSON], body=None)
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
            check_problem(reply, 415)


@on_loop
async def test_a_compressed_body_is_refused(tmp_path):
    """Nothing is unpacked: a few bytes could become gigabytes."""
    async with serving(tmp_path) as api:
        headers = [HOST, JSON, ("content-encoding", "gzip")]
        reply = await raw_request(api.app, "POST", START, headers=headers, body=[b'"bob"'])
        check_problem(reply, 415)


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
