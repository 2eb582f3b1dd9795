"""A controller whose runs are on Temporal: webhooks, the HTTP API and the dashboard."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import hmac
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast import Holdfast
from holdfast.controller.webhooks import Desk, DeskOptions, Leftovers
from holdfast.errors import RunClosedError
from holdfast.ports.engine import Engine
from holdfast.ports.operations import Deliver, Delivered, DeliveryFilter, DoneBefore, DoOnce
from holdfast.temporal import carrying
from holdfast.temporal.engine import TemporalEngine
from tests.servers.temporal import Temporal
from tests.temporal import shop

ROOT = Path(__file__).parents[2]
DELIVERIES = 24


@asynccontextmanager
async def controller(server: Temporal, folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run `holdfast dev` on the server; give its process and its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast", "dev", "tests/temporal/shop.py", "--port", "0", "--json"),
        *("--store", f"sqlite:///{folder / 'store.db'}", "--engine", server.url),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "SHOP_SECRET": shop.SECRET, "HOLDFAST_LOG_LEVEL": "error"},
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(await process.stdout.readline())["url"]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def on_controller(
    server: Temporal, folder: Path, body: Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]]
) -> None:
    """Run `body` with a client of a controller."""

    async def run() -> None:
        async with controller(server, folder) as (_, url), httpx.AsyncClient(base_url=url, timeout=30) as client:
            await body(client)

    asyncio.run(run())


def signed(key: str, body: dict[str, int]) -> dict[str, Any]:
    """Return a delivery as it is sent."""
    content = json.dumps(body).encode()
    sign = hmac.new(shop.SECRET.encode(), content, hashlib.sha256).hexdigest()
    return {"content": content, "headers": {"X-Sign": sign, "X-Id": key, "Content-Type": "application/json"}}


def test_runs_are_started_talked_to_and_ended_over_http(temporal_server: Temporal, tmp_path: Path) -> None:
    """As on the embedded engine, and what is sent again under a key is done once."""

    async def body(http: httpx.AsyncClient) -> None:
        begun = await http.post("/v1/workflows/Order/runs?id=http-1", json=7)
        again = await http.post("/v1/workflows/Order/runs?id=http-1", json=7)
        other = await http.post("/v1/workflows/Order/runs?id=http-1", json=8)
        assert [each.status_code for each in (begun, again, other)] == [201, 200, 409]
        for _ in range(2):
            keyed = await http.post("/v1/workflows/Order/runs", json=9, headers={"Idempotency-Key": "http-2"})
            assert (keyed.status_code, keyed.json()["run_id"]) == (201, "http-2")
        reused = await http.post("/v1/workflows/Order/runs", json=1, headers={"Idempotency-Key": "http-2"})
        assert (reused.status_code, reused.json()["code"]) == (422, "HF621")
        for key, amount in (("a", 5), ("a", 5), ("b", 6)):
            told = await http.post("/v1/runs/http-1/signals/pay", json=amount, headers={"Idempotency-Key": key})
            assert told.status_code == 202, told.text
        assert (await http.get("/v1/runs/http-1/queries/paid")).json()["result"] == [5, 6]
        closed = await http.post("/v1/runs/http-1/updates/close", headers={"Idempotency-Key": "c"})
        assert closed.json()["result"] == 11
        ended = await http.get("/v1/runs/http-1/result?wait=20")
        assert (ended.status_code, ended.json()["result"]) == (200, [7, 5, 6])
        cancelled = await http.post("/v1/runs/http-2/cancel", json={"reason": "no"}, headers={"Idempotency-Key": "d"})
        assert cancelled.status_code in {200, 202}
        assert (await http.get("/v1/runs/http-2/result?wait=20")).json()["status"] == "CANCELLED"
        types = [each["type"] for each in (await http.get("/v1/runs/http-1/history")).json()["events"]]
        assert types.count("SignalReceived") == 2
        while True:  # Temporal's lists follow a little later
            listed = (await http.get("/v1/runs?workflow=Order")).json()["runs"]
            if {"http-1", "http-2"} <= {each["run_id"] for each in listed}:
                break

    on_controller(temporal_server, tmp_path, body)


def test_a_callback_is_answered_over_http(temporal_server: Temporal, tmp_path: Path) -> None:
    """Once; whoever comes later is told so."""

    async def body(http: httpx.AsyncClient) -> None:
        await http.post("/v1/workflows/Asking/runs?id=asking")
        address = ""
        while not address:
            address = (await http.get("/v1/runs/asking/queries/address")).json()["result"]
        path = httpx.URL(address).path
        assert (await http.post(path, json="yes")).status_code in {200, 202}
        assert (await http.get("/v1/runs/asking/result?wait=20")).json()["result"] == "yes"
        assert (await http.post(path, json="no")).status_code == 410

    on_controller(temporal_server, tmp_path, body)


def test_what_temporal_does_not_have_is_said_with_what_to_do(temporal_server: Temporal, tmp_path: Path) -> None:
    """By one problem each; the pages of the dashboard that have runs work, and the others say where to look."""

    async def body(http: httpx.AsyncClient) -> None:
        await http.post("/v1/workflows/Order/runs?id=paged", json=7)
        for method, path, asked in (
            ("GET", "/v1/events", None),
            ("GET", "/v1/pools", None),
            ("GET", "/v1/workers", None),
            ("POST", "/v1/pools/default/pause", {}),
            ("POST", "/v1/workflows/Order/runs?notify=https://example.com/x", 3),
        ):
            answer = await http.request(method, path, json=asked)
            assert (answer.status_code, answer.json()["code"]) == (501, "HF205"), answer.text
            assert "docs/how-to/temporal.md" in answer.json()["detail"]
        forked = await http.post("/v1/runs/paged/fork", json={"at": "start", "id": "paged-fork"})
        assert (forked.status_code, forked.json()["run"]["run_id"]) == (201, "paged-fork"), forked.text
        ready = (await http.get("/readyz")).json()
        assert ready["status"] == "ok"
        assert int(ready["checks"]["orchestrators"].removesuffix(" alive")) >= 1
        assert "holdfast_http_requests_total{" in (await http.get("/metrics")).text
        for path, words in (
            ("/", "Temporal"),
            ("/runs", "Order"),
            ("/runs/paged", "paged"),
            ("/deliveries", "Deliveries"),
            ("/start", "Order"),
            ("/schedules", "Schedules"),
        ):
            page = await http.get(path)
            assert (page.status_code, words in page.text) == (200, True), (path, page.text)
        fleet = await http.get("/fleet")
        assert (fleet.status_code, "Ask Temporal" in fleet.text) == (501, True), fleet.text

    on_controller(temporal_server, tmp_path, body)


def test_deliveries_become_one_run_each_though_the_controller_is_killed(
    temporal_server: Temporal, tmp_path: Path
) -> None:
    """Everybody who was not answered sends again; each order is started once, and paid once."""

    async def send(http: httpx.AsyncClient, number: int) -> int:
        try:
            sent = signed(f"paid-{number}", {"number": number, "amount": number})
            return (await http.post("/v1/hooks/payments", **sent)).status_code
        except httpx.TransportError:
            return 0

    async def run() -> None:
        client = httpx.AsyncClient(timeout=30)
        async with controller(temporal_server, tmp_path) as (process, url), client as http:
            http.base_url = httpx.URL(url)
            first = signed("paid-100", {"number": 100, "amount": 100})
            assert (await http.post("/v1/hooks/payments", **first)).json()["run_id"] == "order-100"
            under_way = [asyncio.create_task(send(http, 100 + each)) for each in range(DELIVERIES)]
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            process.send_signal(signal.SIGKILL)
            answered = await asyncio.gather(*under_way)
            assert set(answered) <= {0, 202}
        client = httpx.AsyncClient(timeout=30)
        async with controller(temporal_server, tmp_path) as (_, url), client as http:
            http.base_url = httpx.URL(url)
            assert await asyncio.gather(*(send(http, 100 + each) for each in range(DELIVERIES))) == [202] * DELIVERIES
            for number in range(100, 100 + DELIVERIES):
                path = f"/v1/runs/order-{number}"
                assert (await http.get(f"{path}/queries/paid")).json()["result"] == [number]
                assert (await http.get(path)).json()["execution"] == f"order-{number}"
            forged = signed("paid-1", {"number": 1})
            forged["headers"]["X-Sign"] = "0" * 64
            assert (await http.post("/v1/hooks/payments", **forged)).status_code == 401
            inbox = (await http.get("/v1/deliveries?state=accepted&limit=100")).json()["deliveries"]
            assert len(inbox) == DELIVERIES

    asyncio.run(run())


class _DiedError(BaseException):
    """The process is gone."""


class Dying(TemporalEngine):
    """Dies before or after it has started a run, or after it was told to end; everything else is the real thing."""

    when = ""

    async def start_next(self, *arguments: Any, **named: Any) -> Any:
        """Start, or die."""
        if self.when == "before":
            raise _DiedError
        started = await super().start_next(*arguments, **named)
        if self.when == "after":
            raise _DiedError
        return started

    async def cancel(self, *arguments: Any) -> None:
        """Cancel, and die."""
        await super().cancel(*arguments)
        raise _DiedError

    async def terminate(self, *arguments: Any) -> None:
        """Terminate, and die."""
        await super().terminate(*arguments)
        raise _DiedError


@pytest.mark.parametrize("kind", ["cancel", "terminate"])
def test_a_run_that_was_told_to_end_is_told_so_once(
    temporal_server: Temporal, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever told it has died before noting so: the same request again is answered as the first would have been.

    It does not end the execution that has begun meanwhile. Another request does, and after it one more is refused.
    """
    monkeypatch.setenv("SHOP_SECRET", shop.SECRET)
    monkeypatch.setattr(carrying, "CLAIM_SECONDS", 0.0)

    async def run() -> None:
        store = f"sqlite:///{tmp_path / 'store.db'}"
        async with Holdfast(
            definitions=[shop.Order], store=store, engine=temporal_server.url, log_level="ERROR"
        ) as app:
            engine = app.stack.engine
            assert isinstance(engine, TemporalEngine)
            run_id = f"told-to-{kind}"

            async def tell(through: TemporalEngine, key: str) -> Any:
                act = Deliver(run_id, kind, "", b"enough", f"ada/{key}")
                once = DoOnce(caller="ada", key=key, fingerprint=b"the same", run_id=run_id, keep_seconds=60.0)
                return await through.carry_out(act, lambda _: once)

            await app.client.start(shop.Order, 1, id=run_id)
            with pytest.raises(_DiedError):
                await tell(Dying(engine._client, app.stack.store), "a")
            assert await engine.outcome(run_id, 20) is not None
            assert isinstance(await tell(engine, "a"), Delivered)
            with pytest.raises(RunClosedError):
                await tell(engine, "b")
            await app.client.start(shop.Order, 2, id=run_id, id_reuse_policy="allow_duplicate")
            assert isinstance(await tell(engine, "a"), DoneBefore)
            assert (await engine.describe(run_id)).status == "RUNNING"
            assert isinstance(await tell(engine, "c"), Delivered)
            assert await engine.outcome(run_id, 20) is not None

    asyncio.run(run())
    gc.collect()  # nothing else closes a connection of the SDK's


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delivery_left_under_way_is_carried_out_by_whoever_finds_it(
    temporal_server: Temporal, tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its run was started or not, also when that has ended since: there is one, signalled once."""
    monkeypatch.setenv("SHOP_SECRET", shop.SECRET)

    async def run() -> None:
        store = f"sqlite:///{tmp_path / 'store.db'}"
        async with Holdfast(
            definitions=[shop.Order, shop.payments], store=store, engine=temporal_server.url, log_level="ERROR"
        ) as app:
            stack, number = app.stack, {"before": 201, "after": 202}[when]
            assert isinstance(stack.engine, TemporalEngine)
            dying = Dying(stack.engine._client, stack.store)
            dying.when = when
            sent = signed("left", {"number": number, "amount": 3})

            async def read() -> bytes:
                content: bytes = sent["content"]
                return content

            headers = [(name.lower().encode(), text.encode()) for name, text in sent["headers"].items()]
            with pytest.raises(_DiedError):
                await _desk(dying, app).take("payments", headers, read)
            handle = app.client.handle(f"order-{number}")
            if when == "after":
                assert await handle.update(shop.Order.close) == 3
                assert await handle.result() == [number, 3]
            leftovers = Leftovers(stack.store, stack.bus, _desk(stack.engine, app), 0.0)
            await leftovers.sweep()
            ((record,), _) = await stack.store.deliveries(DeliveryFilter(), None, 10)
            assert (record.state, record.run_id, record.attempts) == ("accepted", f"order-{number}", 2)
            if when == "before":
                assert await handle.update(shop.Order.close) == 3
            assert await handle.result() == [number, 3]
            assert (await handle.describe()).execution == f"order-{number}"

    asyncio.run(run())
    gc.collect()  # nothing else closes a connection of the SDK's


def _desk(engine: Engine, app: Holdfast) -> Desk:
    return Desk(engine, app.stack.registry, app.stack.store, app.stack.clock, DeskOptions())
