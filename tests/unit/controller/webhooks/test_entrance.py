"""The short way in for deliveries, beside the long one: what is said, noted, counted and logged is the same on both."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast import GitHub, StandardWebhooks, webhook
from holdfast.controller.http import entrance
from holdfast.errors import StoreBusyError
from tests.logbook import logbook
from tests.unit.controller.rig import START, Reply, greet, on_loop, raw_request, serving
from tests.unit.controller.webhooks.senders import SECRETS, github, standard

AT = int(START)
BODY = b'{"name":"ada","id":1}'
HOOK = b"/v1/hooks/std"
DEFINITIONS = (
    greet,
    webhook("std", verify=StandardWebhooks("env:HOOK_STANDARD"), start=greet, id="r-{body.id}", input="body.name"),
    webhook("git", verify=GitHub("env:HOOK_GITHUB"), start=greet, id="g-{body.id}", input="body.name"),
)
LOCAL = ("host", "localhost")
Request = tuple[str, bytes, list[tuple[str, str]], list[bytes] | None]


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def post(body: bytes, *more: tuple[str, str], path: bytes = HOOK, host: str = "localhost", **options: Any) -> Request:
    """Return a signed request."""
    signed = standard(body, at=AT, **options)
    return ("POST", path, [("host", host), ("content-length", str(len(body))), *signed.items(), *more], [body])


def good(number: int, *more: tuple[str, str], **options: Any) -> Request:
    """Return a signed request that starts a run."""
    return post(b'{"name":"ada","id":%d}' % number, *more, delivery=f"d-{number}", **options)


HOSTILE = {
    "nan": b'{"id":NaN}',
    "infinite": b'{"id":1e999}',
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "twice": b'{"id":1,"id":2}',
    "nul": b'{"id":"\\u0000"}',
    "surrogate": b'{"id":"\\ud800"}',
    "no json": b"\x00\xff",
    "gzip": b"\x1f\x8b" + bytes(100),
    "empty": b"",
}
PLAIN: dict[str, Request] = {
    "good": good(1),
    "again": good(1),
    "other body": post(b'{"name":"bob","id":1}', delivery="d-1"),
    "wrong type": post(b'{"name":7,"id":3}', delivery="d-3"),
    "conflict": post(b'{"name":"eve","id":1}', delivery="d-4"),
    "forged": good(5, secret="whsec_Zm9yZ2VkLWZvcmdlZA=="),
    "traced": good(6, ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
    "unsigned": ("POST", HOOK, [LOCAL, ("content-length", "2")], [b"{}"]),
    "in pieces": (*good(7)[:3], [b'{"name":"ada",', b'"id":7}']),
    "github": (
        "POST",
        b"/v1/hooks/git",
        [LOCAL, ("content-length", str(len(BODY))), *github(BODY, delivery="g-1").items()],
        [BODY],
    ),
    "encoded name": good(8, path=b"/v1/hooks/s%74d"),
    **{name: post(body, delivery=f"h-{name}".replace(" ", "-")) for name, body in HOSTILE.items()},
}
"""What goes the short way."""
UNUSUAL: dict[str, Request] = {
    "query": good(20, path=HOOK + b"?x=1"),
    "two hosts": good(21, LOCAL),
    "another host": good(22, host="evil.example"),
    "no host": (*good(23)[:2], good(23)[2][1:], [BODY]),
    "origin": good(24, ("origin", "https://evil.example")),
    "cross-site": good(25, ("sec-fetch-site", "cross-site")),
    "no length": (*good(26)[:2], [each for each in good(26)[2] if each[0] != "content-length"], good(26)[3]),
    "chunked": good(27, ("transfer-encoding", "chunked")),
    "announced too long": ("POST", HOOK, [LOCAL, ("content-length", "300000")], [b"x" * 300_000]),
    "a number too long": ("POST", HOOK, [LOCAL, ("content-length", "9" * 30)], [b"x"]),
    "negative": ("POST", HOOK, [LOCAL, ("content-length", "-1")], [b"x"]),
    "large head": good(28, ("x-large", "x" * 40_000)),
    "many headers": good(29, *[(f"x-{number}", "") for number in range(120)]),
    "get": ("GET", HOOK, [LOCAL], []),
    "options": ("OPTIONS", HOOK, [LOCAL], []),
    "put": ("PUT", *good(30)[1:]),
    "no such hook": good(31, path=b"/v1/hooks/nobody"),
    "slash behind": good(32, path=HOOK + b"/"),
    "two slashes": good(33, path=b"/v1//hooks/std"),
    "dots": good(34, path=b"/v1/runs/../hooks/std"),
    "encoded dots": good(35, path=b"/v1/hooks/%2e%2e/hooks/std"),
    "parameters": good(36, path=HOOK + b";x"),
    "more words": good(37, path=HOOK + b"/redeliver"),
    "encoded slash": good(38, path=b"/v1/hooks%2fstd/x"),
    "capitals": good(39, path=b"/V1/hooks/std"),
    "null": good(40, path=HOOK + b"%00"),
}
"""What goes the long way."""


def seen(reply: Reply) -> tuple[int, dict[str, str], bytes]:
    """Return what a sender gets."""
    return reply.status, reply.headers, reply.body


async def play(folder, monkeypatch: pytest.MonkeyPatch, *, short: bool) -> tuple[dict[str, Any], list[str], Any]:
    """Send everything, and return the answers, which went the short way, and what is known of it afterwards."""
    folder.mkdir()
    ways: list[str] = []
    answers: dict[str, Any] = {}
    async with serving(folder, definitions=DEFINITIONS, body_bytes_max=200_100) as api:
        serve = entrance.HookEntrance._serve

        async def noted(self, name, scope, receive, send) -> None:
            ways.append(scope["test"])
            await serve(self, name, scope, receive, send)

        monkeypatch.setattr(entrance.HookEntrance, "_serve", noted)
        if not short:
            monkeypatch.setattr(entrance.HookEntrance, "_note_head", lambda *_: None)
        with logbook(monkeypatch) as book:
            for name, (method, path, headers, body) in (PLAIN | UNUSUAL).items():

                async def tagged(scope, receive, send, name=name) -> None:
                    await api.app(scope | {"test": name}, receive, send)

                answers[name] = seen(await raw_request(tagged, method, path, headers=headers, body=body))
        monkeypatch.undo()
        lines = [
            {name: value for name, value in each.items() if name not in {"timestamp", "seconds"}}
            for each in book.of("request served")
        ]
        for name, value in SECRETS.items():
            monkeypatch.setenv(name, value)
        inbox = (await api.http.get("/v1/deliveries?limit=500")).json()["deliveries"]
        details = [(await api.http.get(f"/v1/deliveries/{each['delivery']}")).json() for each in inbox]
        runs = (await api.http.get("/v1/runs?limit=100")).json()["runs"]
        traces = [(await api.engine.history(each["run_id"]))[0].event.traceparent for each in runs]
        metrics = (await api.http.get("/metrics")).text
        counted = [
            line for line in metrics.splitlines() if "_count{" in line or line.startswith("holdfast_deliveries_total")
        ]
        return answers, ways, (lines, details, [each["run_id"] for each in runs], traces, counted)


@on_loop
async def test_both_ways_are_the_same(tmp_path, monkeypatch) -> None:
    """Whatever is sent, plain or not: answers to the byte, inbox, runs, log and metrics are those of the long way."""
    short, ways, known = await play(tmp_path / "short", monkeypatch, short=True)
    long, none, known_there = await play(tmp_path / "long", monkeypatch, short=False)
    assert (sorted(ways), none) == (sorted(PLAIN), [])
    for name, answer in short.items():
        assert answer == long[name], name
    for here, there in zip(known, known_there, strict=True):
        assert here == there
    statuses = {name: answer[0] for name, answer in short.items()}
    assert {name: statuses[name] for name in ("good", "again", "traced", "in pieces", "github", "encoded name")} == (
        dict.fromkeys(("good", "again", "traced", "in pieces", "github", "encoded name"), 202)
    )
    assert all(400 <= statuses[name] < 500 for name in HOSTILE), statuses
    refused = ("two hosts", "another host", "origin", "cross-site", "no such hook", "slash behind", "get", "dots")
    assert all(statuses[name] in {400, 403, 404, 405, 421} for name in refused), statuses


@on_loop
async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path) -> None:
    """Refused like a forged one after `body_seconds_max`; the connection is closed, as the rest may still come."""
    _, path, headers, _ = good(1)
    async with serving(tmp_path, definitions=DEFINITIONS, body_seconds_max=0.01) as api:
        answer = await raw_request(api.app, "POST", path, headers=headers, body=None)
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        (row,) = (await api.http.get("/v1/deliveries")).json()["deliveries"]
        assert "did not arrive within" in row["reason"]


@on_loop
async def test_one_that_a_server_lets_grow_is_refused(tmp_path) -> None:
    """More than was announced, and than is taken, is no body, whoever let it come."""
    body = b"x" * 3_000
    headers = [LOCAL, ("content-length", "10"), *standard(body, at=AT).items()]
    async with serving(tmp_path, definitions=DEFINITIONS, body_bytes_max=2_000) as api:
        assert (await raw_request(api.app, "POST", HOOK, headers=headers, body=[body])).status == 401
        (row,) = (await api.http.get("/v1/deliveries")).json()["deliveries"]
        assert "larger than 2,000 bytes" in row["reason"]


@on_loop
async def test_it_is_as_busy_as_everything_else(tmp_path) -> None:
    """The places for requests count here too; a store that is busy is a 503 to come back to, a bug a 500."""
    async with serving(tmp_path, definitions=DEFINITIONS, requests_max=1) as api:
        leave = asyncio.Event()
        method, path, headers, body = good(1)
        waiting = asyncio.ensure_future(raw_request(api.app, method, path, headers=headers, body=None, leave=leave))
        await asyncio.sleep(0)
        busy = await raw_request(api.app, method, path, headers=headers, body=body)
        assert (busy.status, busy.headers["connection"], busy.headers["retry-after"]) == (503, "close", "1")
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        for error, status in ((StoreBusyError("it is busy"), 503), (LookupError("a bug"), 500)):

            async def fail(*_: Any, error: Exception = error) -> None:
                raise error

            api.service.webhooks.take = fail
            answer = await raw_request(api.app, method, path, headers=headers, body=body)
            assert answer.status == status
            assert b"a bug" not in answer.body


@on_loop
async def test_with_keys_it_answers_to_any_name(tmp_path) -> None:
    """Once there are keys, web pages of others can do no harm, and a proxy may pass on the name the world knows."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        method, path, headers, body = good(1, host="hooks.shop.example")
        assert (await raw_request(api.app, method, path, headers=headers, body=body)).status == 421
        await api.make_keys()
        api.clock.time += 5
        answer = await raw_request(api.app, method, path, headers=headers, body=body)
        assert answer.status == 202
        assert answer.headers["x-content-type-options"] == "nosniff"
