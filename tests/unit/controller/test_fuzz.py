"""Whatever is sent to whatever route, the answer is a proper one and never an accident of ours."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import msgspec
from fastapi.routing import iter_route_contexts
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.controller.http.application import ROUTERS
from tests.unit.controller.rig import raw_request, serving

TEMPLATES = sorted({each.path for router in ROUTERS for each in iter_route_contexts(router.routes)})
METHODS = ["GET", "POST", "DELETE", "PUT", "HEAD"]
WORDS = [
    "greet",
    "idle",
    "Review",
    "task:fetch",
    "r-1",
    "approve",
    "progress",
    "add",
    "HF601",
    "%00",
    "%ff",
    "..",
    "@2",
    "x" * 400,
]
PARAMETERS = ["id", "limit", "cursor", "status", "workflow", "after", "wait", "payloads", "args", "timeout", "x"]
VALUES = ["", "1", "0", "-1", "1e3", "nan", "true", "RUNNING", '"a"', "{", "%00", "%ff", "\u00e9", "9" * 30]
HEADERS = {
    "content-type": ["application/json", "text/plain", "application/json; charset=x", "\xff", ";"],
    "prefer": ["wait=0", "wait=x", ",,,", "\xff"],
    "idempotency-key": ["k", '""', "\xff", "x" * 999],
    "last-event-id": ["0", "x", "\xff"],
    "authorization": ["Bearer x", "Bearer", "\xff"],
    "content-length": ["0", "x", "-1", "5"],
}
BODIES = [
    b"",
    b"null",
    b'"bob"',
    b"{}",
    b'{"reason":"x"}',
    b'{"name":"k","scopes":["read"]}',
    b"NaN",
    b"\xff",
    b"[" * 200,
]


@st.composite
def requests(draw):
    """Return method, path, headers and body of a request."""
    path = draw(st.sampled_from(TEMPLATES))
    for parameter in ("{run_id}", "{name}", "{code}"):
        path = path.replace(parameter, draw(st.sampled_from(WORDS)))
    query = "&".join(
        f"{name}={value}"
        for name, value in draw(st.lists(st.tuples(st.sampled_from(PARAMETERS), st.sampled_from(VALUES)), max_size=3))
    )
    names = draw(st.lists(st.sampled_from(sorted(HEADERS)), max_size=4))
    headers = [("host", "localhost"), *((name, draw(st.sampled_from(HEADERS[name]))) for name in names)]
    target = f"{path}?{query}" if query else path
    return draw(st.sampled_from(METHODS)), target.encode(), headers, draw(st.sampled_from(BODIES))


@settings(max_examples=25, deadline=None)
@given(st.lists(requests(), min_size=20, max_size=20))
def test_every_answer_is_a_proper_one(sequence):
    """No request of any kind is answered by a 500, and every refusal is a problem."""

    async def send_all() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with serving(Path(folder), wait_seconds_max=0.001, keep_alive_seconds=0.001) as api:
                await api.http.post("/v1/workflows/Review/runs?id=r-1", json={"order": {"account": "a"}})
                for method, path, headers, body in sequence:
                    leave = asyncio.Event()
                    reply = await raw_request(
                        api.app,
                        method,
                        path,
                        headers=headers,
                        body=[body],
                        on_chunk=lambda _, leave=leave: leave.set(),
                        leave=leave,
                    )
                    assert reply.status < 500 or reply.status == 503, (method, path, headers, body, reply)
                    if reply.status >= 400 and path != b"/readyz":
                        assert reply.headers["content-type"] == "application/problem+json"
                        assert msgspec.json.decode(reply.body)["status"] == reply.status

    asyncio.run(send_all())
