"""Rates: how they are written, how they are counted, and what callers are told."""

from __future__ import annotations

import pytest

from holdfast.controller import Scope
from holdfast.controller.quota import CALLERS_MAX, Quotas, Rate, parse_rate
from holdfast.errors import SettingsError
from tests.unit.controller.rig import check_problem, on_loop, raw_request, serving


@pytest.mark.parametrize(
    ("text", "rate"), [("", None), ("100/s", Rate(100, 1)), ("600/m", Rate(600, 60)), ("10000/h", Rate(10_000, 3600))]
)
def test_a_rate_is_written_briefly(text, rate):
    """So many a second, minute or hour; nothing is no limit."""
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["0/s", "-1/s", "1", "1/d", "1/s ", "1.5/s", "1e3/s", "9999999999/s", "/s", "\u0661/s"]
)
def test_what_is_no_rate_is_refused(text):
    """With the form that is expected."""
    with pytest.raises(SettingsError, match="600/m"):
        parse_rate(text)


class Watch:
    """A stopwatch that a test moves."""

    def __init__(self):
        """Begin at nothing."""
        self.time = 0.0

    def __call__(self):
        """Return the time."""
        return self.time


def test_a_bucket_empties_and_fills_evenly():
    """A whole window's worth at once, then as fast as the rate; each caller has their own."""
    watch = Watch()
    quotas = Quotas(watch)
    rate = Rate(3, 60)
    assert [quotas.take("a", rate).remaining for _ in range(3)] == [2, 1, 0]
    refused = quotas.take("a", rate)
    assert (refused.remaining, refused.wait_seconds, refused.full_seconds) == (0, 20, 60)
    assert quotas.take("b", rate).wait_seconds == 0
    watch.time = 19.0
    assert quotas.take("a", rate).wait_seconds == 1
    watch.time = 20.0
    assert quotas.take("a", rate).wait_seconds == 0
    watch.time = 1_000.0
    assert quotas.take("a", rate).remaining == 2


def test_callers_are_forgotten_when_there_are_too_many():
    """What is remembered has a limit."""
    quotas = Quotas(Watch())
    for number in range(CALLERS_MAX + 10):
        quotas.take(str(number), Rate(1, 1))
    assert len(quotas._buckets) == CALLERS_MAX


@on_loop
async def test_whoever_asks_too_often_is_told_when_to_come_back(tmp_path):
    """Every answer tells what is left, a 429 also when to come back; a key's own rate goes before the setting."""
    async with serving(tmp_path, rate_limit="2/h") as api:
        slow = await api.service.keys.create("slow", [Scope.READ])
        fast = await api.service.keys.create("fast", [Scope.READ], rate_limit="50/m")
        headers = {"authorization": f"Bearer {slow.secret}"}
        first = await api.raw("GET", b"/v1/runs", **headers)
        assert (first.headers["ratelimit-policy"], first.headers["ratelimit"]) == (
            '"key";q=2;w=3600',
            '"key";r=1;t=1800',
        )
        missing = await api.raw("GET", b"/v1/runs/nobody", **headers)
        assert (missing.status, missing.headers["ratelimit"]) == (404, '"key";r=0;t=3600')
        refused = await api.raw("GET", b"/v1/runs", **headers)
        assert "rate_limit" in check_problem(refused, 429)["detail"]
        assert 1790 < int(refused.headers["retry-after"]) <= 1800
        other = await api.raw("GET", b"/v1/runs", authorization=f"Bearer {fast.secret}")
        assert (other.status, other.headers["ratelimit-policy"]) == (200, '"key";q=50;w=60')
        assert "ratelimit" not in (await api.raw("GET", b"/healthz")).headers


@on_loop
async def test_without_a_rate_nothing_is_counted(tmp_path):
    """The default lets everybody ask as often as they like, and says nothing of limits."""
    async with serving(tmp_path) as api:
        assert not {each for each in (await api.raw("GET", b"/v1/runs")).headers if each.startswith("ratelimit")}


# --- Heads, places, backlog --------------------------------------------------------------------------------------


@on_loop
async def test_heads_have_a_size(tmp_path):
    """Too many headers, too large ones and an endless address are refused before anything is looked at."""
    async with serving(tmp_path, head_bytes_max=2_000) as api:
        host = ("host", "localhost")
        many = [host, *((f"x-{each}", "y") for each in range(100))]
        check_problem(await raw_request(api.app, "GET", b"/v1/runs", headers=many), 431)
        large = [host, ("x-large", "y" * 2_000)]
        assert "2,000" in check_problem(await raw_request(api.app, "GET", b"/v1/runs", headers=large), 431)["detail"]
        check_problem(await api.raw("GET", b"/v1/runs?x=" + b"y" * 2_000), 414)
        assert (await api.raw("GET", b"/v1/runs?error=" + b"y" * 1_000)).status == 200


@on_loop
async def test_requests_under_way_are_limited(tmp_path):
    """With all places taken a request gets 503 and comes back; how this process is is told all the same."""
    async with serving(tmp_path, requests_max=1) as api:
        doorkeeper = api.app.state.doorkeeper
        with doorkeeper.place():
            refused = await api.raw("GET", b"/v1/runs")
            assert "requests_max" in check_problem(refused, 503)["detail"]
            assert refused.headers["retry-after"] == "1"
            assert (await api.raw("GET", b"/healthz")).status == 200
        assert (await api.raw("GET", b"/v1/runs")).status == 200


@on_loop
async def test_too_many_waiting_runs_are_no_reason_to_take_more(tmp_path):
    """Starts get 503 while more runs wait for an orchestrator than may; everything else goes on."""
    async with serving(tmp_path, backlog_max=2) as api:
        for number in range(2):
            assert (await api.http.post(f"/v1/workflows/greet/runs?id=r-{number}", json="bob")).status_code == 201
            api.clock.time += 1.0
        refused = await api.http.post("/v1/workflows/greet/runs?id=r-3", json="bob")
        assert "backlog_max" in check_problem(refused, 503, "HF620")["detail"]
        assert refused.headers["retry-after"] == "1"
        assert (await api.http.post("/v1/runs/r-1/cancel")).status_code == 202
        assert (await api.http.get("/v1/runs/r-3")).status_code == 404
