"""What is logged about requests, and what never is."""

from __future__ import annotations

from fastapi import APIRouter

from holdfast.controller import Scope
from holdfast.controller.http.access import ScopedRoute, requires
from tests.logbook import logbook
from tests.unit.controller.rig import on_loop, serving

CANARY = "canary-7f3a91"


@on_loop
async def test_a_line_for_each_request(tmp_path, monkeypatch) -> None:
    """A request leaves one line: method, route, status, time and the name of its key, allowed or not."""
    async with serving(tmp_path) as api:
        secrets = await api.make_keys()
        with logbook(monkeypatch) as book:
            bearer = {"Authorization": f"Bearer {secrets['start']}"}
            answer = await api.http.post("/v1/workflows/greet/runs?id=r-1", json="you", headers=bearer)
            assert answer.status_code == 201
            assert (await api.http.get("/v1/runs/r-1", headers=bearer)).status_code == 403
            await api.http.get("/healthz")
        start, read, health = book.of("request served")
        assert start.pop("seconds") > 0
        assert start.pop("timestamp")
        assert start == {
            "level": "info",
            "logger": "holdfast.controller",
            "event": "request served",
            "method": "POST",
            "route": "/v1/workflows/{name}/runs",
            "status": 201,
            "key": "start",
        }
        assert (read["route"], read["status"], read["key"]) == ("/v1/runs/{run_id}", 403, "start")
        assert (health["level"], health["route"]) == ("debug", "/healthz")


@on_loop
async def test_what_strangers_make_up_is_one_word(tmp_path, monkeypatch) -> None:
    """Paths that lead nowhere and methods that do not exist are not repeated."""
    async with serving(tmp_path) as api:
        with logbook(monkeypatch) as book:
            await api.raw("GET", b"/nowhere/%0a%1b[31m/" + CANARY.encode())
            await api.raw("BREW", b"/v1/runs")
            await api.http.get("/v1/runs", headers={"Host": f"{CANARY}.example"})
        lines = book.of("request served")
        assert [(each["method"], each["route"], each["status"]) for each in lines] == [
            ("GET", "none", 404),
            ("other", lines[1]["route"], 405),
            ("GET", "none", 421),
        ]
        assert CANARY not in book.text


@on_loop
async def test_secrets_do_not_reach_the_log(tmp_path, monkeypatch) -> None:
    """Inputs, headers, queries, tokens in paths and keys stay out, also of the traceback of what nobody expected."""
    # Told, and not put into the environment: that is read with the first line that this process logs.
    monkeypatch.setattr("holdfast.observe.secrets._registered", {f"{CANARY}-told": "shop_api_key"})
    router = APIRouter(route_class=ScopedRoute)

    @router.post("/v1/broken/{token}")
    @requires(Scope.READ)
    async def broken(token: str) -> None:
        raise LookupError(f"cannot log in with {CANARY}-told")

    async with serving(tmp_path, routers=[router]) as api:
        secrets = await api.make_keys()
        headers = {"Authorization": f"Bearer {secrets['admin']}", "Idempotency-Key": f"{CANARY}-header"}
        with logbook(monkeypatch) as book:
            for path in (
                f"/v1/workflows/greet/runs?id=r&token={CANARY}-query",
                f"/v1/callbacks/{CANARY}-callback",
                f"/v1/broken/{CANARY}-path",
                f"/v1/workflows/{CANARY}-name/runs",
            ):
                for body in (f"{CANARY}-input", {"password": f"{CANARY}-input"}):
                    await api.http.post(path, json=body, headers=headers)
            await api.http.get("/v1/runs", headers={"Authorization": f"Bearer hf_{CANARY}wrong{CANARY}"})
        assert len(book.of("request served")) == 9
        (failed, _) = book.of("request failed")
        assert failed["route"] == "/v1/broken/{token}"
        assert "cannot log in with (shop_api_key)" in failed["exception"]
        assert CANARY not in book.text
        assert not any(each in book.text for each in secrets.values())
