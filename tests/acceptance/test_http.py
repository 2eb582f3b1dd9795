"""The API as a program meets it: a whole stack behind a socket."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from contextlib import asynccontextmanager

import httpx
import pytest
from pydantic import BaseModel

from holdfast.app import Holdfast
from holdfast.authoring import query, signal, task, update, workflow
from holdfast.controller import ControllerService
from holdfast.controller.http import HttpSettings, create_app, serve
from tests.backends import store_of

pytestmark = pytest.mark.usefixtures("backend")

WAIT = 20


class Order(BaseModel):
    """What is ordered."""

    account: str
    items: list[str] = []


@task
async def price(item: str) -> int:
    """Look up a price."""
    return len(item)


@workflow
async def total(order: Order) -> dict[str, int]:
    """Add up an order."""
    prices = [await price(each) for each in order.items]
    return {"total": sum(prices)}


@workflow
async def fail(text: str) -> None:
    """Fail."""
    raise ValueError(text)


@workflow
class Review:
    """Wait for an approval, collecting items meanwhile."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.approved = asyncio.Event()
        self.by = ""

    async def run(self, order: Order) -> list[str]:
        """Wait."""
        self.items += order.items
        await self.approved.wait()
        return [*self.items, self.by]

    @signal
    def approve(self, by: str) -> None:
        """Approve it."""
        self.by = by
        self.approved.set()

    @query
    def count(self, prefix: str = "") -> int:
        """Count items."""
        return sum(each.startswith(prefix) for each in self.items)

    @query
    def broken(self) -> int:
        """Raise."""
        raise KeyError("lost")

    @update
    async def add(self, item: str) -> int:
        """Add an item."""
        self.items.append(item)
        return len(self.items)

    @add.validator
    def _(self, item: str) -> None:
        if not item:
            raise ValueError("an item has a name")

    @update
    async def burst(self) -> None:
        """Fail."""
        raise RuntimeError("burst")


def on_loop(test):
    """Run an asynchronous test on an event loop of its own."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        asyncio.run(test(*args, **kwargs))

    return run


@asynccontextmanager
async def api(folder, *, roles=("orchestrator", "worker"), **settings):
    """Give a client of a stack that is served on a free port."""
    store = store_of(folder)
    async with Holdfast(store=store, definitions=[total, fail, Review, price], roles=roles, tune_gc=False) as app:
        stack = app.stack
        service = ControllerService(stack.engine, stack.registry, stack.store, stack.clock)
        server = await serve(create_app(service, settings=HttpSettings(port=0, **settings)))
        try:
            async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
                yield client
        finally:
            await server.stop()


async def start(client, workflow, value, run_id, **headers):
    """Start a run and return the response."""
    return await client.post(f"/v1/workflows/{workflow}/runs", params={"id": run_id}, json=value, headers=headers)


async def result(client, run_id):
    """Wait for a run's end and return it."""
    response = await client.get(f"/v1/runs/{run_id}/result", params={"wait": WAIT})
    assert response.status_code == 200
    return response.json()


def read_stream(text):
    """Return (id, type) of each event of a stream."""
    events = [each for each in text.split("\n\n") if each and not each.startswith(":")]
    return [(int(each.split("\n")[0][4:]), each.split("\n")[1][7:]) for each in events]


@on_loop
async def test_a_run_is_started_once_and_has_its_result(tmp_path):
    """201 for a new run, 200 for the same again, 409 for another input; its result waits for whoever asks."""
    async with api(tmp_path) as client:
        order = {"account": "a", "items": ["x", "yy"]}
        made = await start(client, "total", order, "o-1", Prefer=f"wait={WAIT}")
        assert made.status_code == 201
        assert made.headers["location"] == "/v1/runs/o-1"
        assert made.headers["preference-applied"] == f"wait={WAIT}"
        run = made.json()
        assert (run["run_id"], run["execution"], run["workflow"]) == ("o-1", "o-1", "total")
        assert (run["status"], run["result"]) == ("COMPLETED", {"total": 3})
        assert "error" not in run
        again = await start(client, "total", dict(reversed(order.items())), "o-1")
        assert (again.status_code, again.json()) == (200, run)
        other = await start(client, "total", {"account": "b"}, "o-1")
        assert (other.status_code, other.json()["code"]) == (409, "HF603")
        assert (await client.get("/v1/runs/o-1")).json() == run
        assert await result(client, "o-1") == run


@on_loop
async def test_a_failed_run_tells_how(tmp_path):
    """A run that failed is an answer, not an error of the API; it shows its exception and no traceback."""
    async with api(tmp_path) as client:
        made = await start(client, "fail", "out of paper", "f-1", Prefer=f"wait={WAIT}")
        assert made.status_code == 201
        assert made.json()["status"] == "FAILED"
        assert made.json()["error"] == {"type": "ValueError", "message": "out of paper"}
        assert "result" not in made.json()
        listed = (await client.get("/v1/runs", params={"status": "FAILED"})).json()["runs"]
        assert [each["run_id"] for each in listed] == ["f-1"]
        assert "out of paper" not in str(listed)
        asked = (await client.get("/v1/runs", params={"payloads": "true"})).json()["runs"]
        assert asked[0]["error"]["message"] == "out of paper"


@on_loop
async def test_wrong_input_is_told_field_by_field(tmp_path):
    """Every field that does not fit is named by a JSON pointer, and nothing is started."""
    async with api(tmp_path) as client:
        wrong = await start(client, "total", {"items": [1, "x", None]}, "o-1")
        assert wrong.status_code == 422
        assert {each["pointer"] for each in wrong.json()["errors"]} == {"/account", "/items/0", "/items/2"}
        assert (await client.get("/v1/runs/o-1")).status_code == 404


@on_loop
async def test_a_run_is_talked_to(tmp_path):
    """Signals, queries and updates reach their run; each way to fail has its status and its code."""
    async with api(tmp_path) as client:
        await start(client, "Review", {"account": "a", "items": ["pen"]}, "r-1")
        run = "/v1/runs/r-1"
        assert (await client.get(f"{run}/queries/count")).json() == {"result": 1}
        assert (await client.get(f"{run}/queries/count", params={"args": '"x"'})).json() == {"result": 0}
        assert (await client.post(f"{run}/queries/count", json="p")).json() == {"result": 1}
        for _ in range(2):
            added = await client.post(f"{run}/updates/add", json="ink", headers={"Idempotency-Key": "u-1"})
            assert (added.status_code, added.json()) == (200, {"result": 2})
        other = await client.post(f"{run}/updates/add", json="pencil", headers={"Idempotency-Key": "u-1"})
        assert (other.status_code, other.json()["code"]) == (422, "HF621")

        async def code(method, path, status, **options):
            response = await client.request(method, run + path, **options)
            assert response.status_code == status, response.text
            return response.json()["code"]

        assert await code("POST", "/updates/add", 422, json="") == "HF605"
        assert await code("POST", "/updates/add", 422, json=7) == "HF402"
        assert await code("POST", "/updates/burst", 500) == "HF612"
        assert await code("POST", "/updates/nothing", 404) == "HF604"
        assert await code("GET", "/queries/broken", 500) == "HF606"
        assert await code("GET", "/queries/nothing", 404) == "HF604"
        assert await code("GET", "/queries/count?args={", 422) == "HF402"
        assert await code("POST", "/signals/approve", 422, json={"by": 1}) == "HF402"
        sent = await client.post(f"{run}/signals/approve", json="me", headers={"Idempotency-Key": "s-1"})
        assert (sent.status_code, sent.json()) == (202, {"run_id": "r-1", "name": "approve", "operation_id": "s-1"})
        assert (await result(client, "r-1"))["result"] == ["pen", "ink", "me"]
        assert (await client.get(f"{run}/queries/count")).json() == {"result": 2}
        assert await code("POST", "/signals/approve", 409, json="me") == "HF602"
        assert await code("POST", "/cancel", 409) == "HF602"


@on_loop
async def test_a_run_is_stopped(tmp_path):
    """Cancel asks, terminate does not; both keep the reason that was given."""
    async with api(tmp_path) as client:
        for verb, status in (("cancel", "CANCELLED"), ("terminate", "TERMINATED")):
            await start(client, "Review", {"account": "a"}, verb)
            asked = await client.post(f"/v1/runs/{verb}/{verb}", json={"reason": "enough"})
            assert asked.status_code == 202
            ended = await result(client, verb)
            assert ended["status"] == status
            assert ended["error"]["message"] == "enough"
        refused = await client.post("/v1/runs/cancel/cancel", json={"why": "typo"})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["pointer"] == "/why"


@on_loop
async def test_a_history_is_read_by_pages(tmp_path):
    """Events come in order, page by page, with payloads only when asked for."""
    async with api(tmp_path) as client:
        await start(client, "total", {"account": "hidden", "items": ["x", "yy"]}, "o-1", Prefer=f"wait={WAIT}")
        events, after = [], 0
        while after is not None:
            page = (await client.get("/v1/runs/o-1/history", params={"after": after, "limit": 2})).json()
            assert len(page["events"]) <= 2
            events += page["events"]
            after = page["next"]
        assert [each["id"] for each in events] == list(range(1, len(events) + 1))
        assert (events[0]["type"], events[-1]["type"]) == ("WorkflowStarted", "WorkflowCompleted")
        assert "hidden" not in str(events)
        full = (await client.get("/v1/runs/o-1/history", params={"payloads": "true"})).json()["events"]
        assert full[0]["input"] == {"account": "hidden", "items": ["x", "yy"]}
        assert full[-1]["result"] == {"total": 3}


@on_loop
async def test_events_are_followed_and_resumed(tmp_path):
    """A stream shows what happens as it happens, ends with its run, and goes on after the last event seen."""
    async with api(tmp_path) as client:
        await start(client, "Review", {"account": "a"}, "r-1")
        async with client.stream("GET", "/v1/runs/r-1/events") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            text = ""
            async for chunk in stream.aiter_text():
                text += chunk
                if "WorkflowStarted" in text and "approve" not in text:
                    await client.post("/v1/runs/r-1/signals/approve", json="me")
                    text += "\n\n: approve\n\n"
        seen = read_stream(text)
        assert [kind for _, kind in seen] == ["WorkflowStarted", "SignalReceived", "WorkflowCompleted"]
        rest = await client.get("/v1/runs/r-1/events", headers={"Last-Event-ID": "1"})
        assert read_stream(rest.text) == seen[1:]
        over = await client.get("/v1/runs/r-1/events", headers={"Last-Event-ID": str(seen[-1][0])})
        assert over.status_code == 204


@on_loop
async def test_the_fleet_and_the_catalogue_are_shown(tmp_path):
    """Who works here, what can be started, and that it is ready."""
    async with api(tmp_path) as client:
        (worker,) = (await client.get("/v1/workers")).json()["workers"]
        assert (worker["kind"], worker["state"], worker["pools"]["default"]) == ("stack", "alive", 64)
        pools = (await client.get("/v1/pools")).json()["pools"]
        assert [(each["pool"], each["slots"]) for each in pools] == [("default", 64)]
        assert (await client.get("/v1/locks")).json() == {"locks": []}
        assert (await client.get("/readyz")).json()["checks"]["orchestrators"] == "1 alive"
        names = [each["name"] for each in (await client.get("/v1/workflows")).json()["workflows"]]
        assert names == ["Review", "fail", "task:price", "total"]
        review = (await client.get("/v1/workflows/Review")).json()
        assert review["input"]["required"] == ["account"]
        assert {each["name"]: each["input"]["type"] for each in review["updates"]} == {"add": "string", "burst": "null"}
        submitted = await start(client, "task:price", "xyz", "t-1", Prefer=f"wait={WAIT}")
        assert submitted.json()["result"] == 3


@on_loop
async def test_keys_are_made_used_and_revoked(tmp_path):
    """The first key closes the API; each key opens what it is for; a revoked one opens nothing."""
    async with api(tmp_path) as client:
        admin = (await client.post("/v1/keys", json={"name": "root", "scopes": ["admin"]})).json()
        assert admin["key"].startswith("hf_")
        assert (await client.get("/v1/runs")).status_code == 401
        as_root = {"Authorization": f"Bearer {admin['key']}"}
        wrong = await client.post("/v1/keys", json={"name": "x", "scopes": ["all"]}, headers=as_root)
        assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/scopes/0")
        twice = await client.post("/v1/keys", json={"name": "root", "scopes": ["read"]}, headers=as_root)
        assert twice.status_code == 409
        starter = (await client.post("/v1/keys", json={"name": "ci", "scopes": ["start"]}, headers=as_root)).json()
        as_ci = {"Authorization": f"Bearer {starter['key']}"}
        made = await start(client, "total", {"account": "a"}, "o-1", Prefer=f"wait={WAIT}", **as_ci)
        assert made.json()["result"] == {"total": 0}
        assert (await client.get("/v1/runs", headers=as_ci)).status_code == 403
        listed = (await client.get("/v1/keys", headers=as_root)).text
        assert starter["key"] not in listed
        assert "hash" not in listed
        assert (await client.delete("/v1/keys/ci", headers=as_root)).status_code == 204
        assert (await start(client, "total", {"account": "a"}, "o-1", **as_ci)).status_code == 401


@on_loop
async def test_a_body_that_never_ends_is_stopped(tmp_path):
    """A chunked body without end is cut off at the limit, and the server goes on."""

    async def endless():
        while True:
            yield b" " * 65536

    async with api(tmp_path, body_bytes_max=1_000_000) as client:
        headers = {"Content-Type": "application/json"}
        # The connection is closed while we are still talking, so perhaps we never read why.
        with contextlib.suppress(httpx.WriteError, httpx.ReadError):
            answer = await client.post("/v1/workflows/total/runs", content=endless(), headers=headers)
            assert answer.status_code == 413
        more = await client.post("/v1/workflows/total/runs", content=b" " * 1_500_000, headers=headers)
        assert more.status_code == 413
        assert (await client.get("/healthz")).status_code == 200


@on_loop
async def test_what_was_accepted_is_carried_out_later(tmp_path):
    """A controller without an orchestrator accepts; the next stack on the store carries it out."""
    async with api(tmp_path, roles=()) as client:
        made = await start(client, "total", {"account": "a", "items": ["x"]}, "o-1")
        assert (made.status_code, made.json()["status"]) == (201, "RUNNING")
        assert (await client.get("/readyz")).json()["checks"]["orchestrators"] == "0 alive"
    async with api(tmp_path) as client:
        assert (await result(client, "o-1"))["result"] == {"total": 1}


@pytest.mark.parametrize("path", ["/errors/HF601", "/openapi.json"])
@on_loop
async def test_a_browser_finds_its_way(tmp_path, path):
    """The pages of errors and the description are there, and load nothing from elsewhere."""
    async with api(
        tmp_path,
    ) as client:
        page = await client.get(path)
        assert page.status_code == 200
        if path != "/openapi.json":
            assert page.headers["content-type"].startswith("text/html")
            assert page.headers["content-security-policy"].startswith("default-src 'none'")
            assert "http" not in page.text.replace("https://json-schema.org", "").replace("Over HTTP", "")
