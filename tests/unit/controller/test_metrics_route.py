"""`/metrics`: for whoever may read, about the store and this process, without anything a stranger made up."""

from __future__ import annotations

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_prometheus

from holdfast.observe.metrics import METRICS
from tests.unit.controller.rig import check_problem, on_loop, serving

CANARY = "canary-7f3a91"


@on_loop
async def test_it_says_how_the_fleet_is_and_what_was_asked(tmp_path) -> None:
    """Without keys it is open on this machine, and has every metric of the table."""
    async with serving(tmp_path) as api:
        for number in range(3):
            await api.http.post(f"/v1/workflows/greet/runs?id={CANARY}-{number}", json="you")
        answer = await api.http.get("/metrics")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        families = {each.name: each for each in read_prometheus(answer.text)}
        assert set(families) == {each.name.removesuffix("_total") for each in METRICS}
        (running,) = families["holdfast_runs"].samples
        assert (running.labels, running.value) == ({"status": "RUNNING"}, 3)
        assert families["holdfast_runs_ready"].samples[0].value == 3
        (asked,) = families["holdfast_http_requests"].samples
        assert asked.labels == {"method": "POST", "route": "/v1/workflows/{name}/runs", "status": "201"}
        assert asked.value == 3
        assert CANARY not in answer.text


@on_loop
async def test_openmetrics_for_those_that_ask_for_it(tmp_path) -> None:
    """The Accept header of Prometheus itself gets OpenMetrics."""
    async with serving(tmp_path) as api:
        accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        answer = await api.http.get("/metrics", headers={"Accept": accept})
        assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert answer.text.endswith("# EOF\n")
        assert len(list(read_openmetrics(answer.text))) == len(METRICS)


@on_loop
async def test_it_takes_a_key_that_may_read(tmp_path) -> None:
    """With keys it needs the scope `read`, like every other route that reads."""
    async with serving(tmp_path) as api:
        secrets = await api.make_keys()
        check_problem(await api.http.get("/metrics"), 401)
        for scope, status in (("start", 403), ("read", 200), ("admin", 200)):
            answer = await api.http.get("/metrics", headers={"Authorization": f"Bearer {secrets[scope]}"})
            assert answer.status_code == status


@on_loop
async def test_strangers_make_no_series(tmp_path) -> None:
    """Paths, methods and names that somebody made up are counted together."""
    async with serving(tmp_path) as api:
        for number in range(5):
            await api.raw("GET", f"/{CANARY}/{number}".encode())
            await api.raw(f"BREW{number}", b"/v1/runs")
            await api.http.post(f"/v1/workflows/{CANARY}{number}/runs", json=1)
        found = (await api.http.get("/metrics")).text
        assert CANARY not in found
        assert "BREW" not in found
        families = {each.name: each for each in read_prometheus(found)}
        assert {(each.labels["method"], each.value) for each in families["holdfast_http_requests"].samples} == {
            ("GET", 5),
            ("other", 5),
            ("POST", 5),
        }
