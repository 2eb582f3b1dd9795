"""The page of one run: what stands on it, and what its buttons do."""

from __future__ import annotations

import html

import pytest

from holdfast.controller import Scope
from holdfast.controller.documents import WhyNot
from holdfast.dashboard.run import EVENTS, count_pages, say_now
from holdfast.dashboard.timeline import draw_timeline
from tests.unit.controller.rig import on_loop, serving
from tests.unit.dashboard.browser import Browser


async def review(api, run_id="r-1"):
    """Start a run that waits."""
    order = {"order": {"account": "acme", "lines": [{"name": "rope"}]}}
    response = await api.http.post(f"/v1/workflows/Review/runs?id={run_id}", json=order)
    assert response.status_code == 201


@on_loop
async def test_why_it_does_not_move_stands_on_top(tmp_path):
    """Nobody is there to run it: the cause and what to do come before everything else on the page."""
    async with serving(tmp_path) as api:
        await review(api)
        page = await Browser(api).open("/runs/r-1")
        text = page.partition("<main")[2]
        assert "no orchestrator is alive on this store" in text
        assert text.index("no orchestrator") < text.index("Timeline") < text.index("WorkflowStarted")
        assert "&#34;account&#34;: &#34;acme&#34;" in page
        assert await Browser(api).open("/runs/nothing", 404)


@on_loop
async def test_buttons_pause_resume_cancel_and_terminate(tmp_path):
    """Each leads back to the run, as it is then; who did it is in the audit log."""
    async with serving(tmp_path) as api:
        await review(api)
        browser = Browser(api)
        for verb, status in (
            ("pause", "PAUSED"),
            ("resume", "RUNNING"),
            ("cancel", "RUNNING"),
            ("terminate", "TERMINATED"),
        ):
            answer = await browser.send(f"/runs/r-1/do/{verb}", reason="to see")
            assert (answer.status_code, answer.headers["location"]) == (303, "/runs/r-1")
            assert (await api.service.runs.read("r-1")).status == status
        assert (await browser.send("/runs/r-1/do/terminate")).status_code == 409
        assert (await browser.send("/runs/r-1/do/delete")).status_code == 404
        audit = await browser.open("/audit")
        assert "terminate" in audit
        assert 'href="/runs/r-1"' in audit


@on_loop
async def test_a_signal_is_sent_from_a_form(tmp_path):
    """The form comes from the handler's type; what does not fit is said at its field, and nothing is sent."""
    async with serving(tmp_path) as api:
        await review(api)
        browser = Browser(api)
        assert 'name="v"' in await browser.open("/runs/r-1/signal/approve")
        assert (await browser.send("/runs/r-1/signal/approve", v="ops")).status_code == 303
        wrong = await browser.send("/runs/r-1/update/add", **{"v/name": "rope", "v/count": "many"})
        assert wrong.status_code == 422
        assert 'aria-invalid="true"' in wrong.text
        assert "many" in wrong.text
        assert await browser.open("/runs/r-1/signal/nothing", 404)


@on_loop
async def test_a_run_is_forked_with_another_input(tmp_path):
    """At its start, a fork takes another input; the new run's page is where one lands."""
    async with serving(tmp_path) as api:
        await api.http.post("/v1/workflows/greet/runs?id=g", json="bob")
        await api.http.post("/v1/runs/g/terminate", json={})
        answer = await Browser(api).send("/runs/g/fork", at="start", value='"alice"', id="g-2")
        assert answer.headers["location"] == "/runs/g-2", answer.text
        assert "alice" in await Browser(api).open("/runs/g-2")
        assert (await Browser(api).send("/runs/g/fork", at="start", value="{nope")).status_code == 422


@on_loop
async def test_a_long_event_is_all_there_behind_a_link(tmp_path):
    """A page shows the beginning of a payload and stays small; all of it is plain text of its own."""
    async with serving(tmp_path) as api:
        await api.http.post("/v1/workflows/greet/runs?id=g", json="x" * 1_000_000)
        page = await Browser(api).open("/runs/g")
        assert len(page) < 60_000
        assert "/runs/g/events/1" in page
        whole = await api.http.get("/runs/g/events/1")
        assert whole.headers["content-type"].startswith("text/plain")
        assert "x" * 1_000_000 in whole.text
        assert (await api.http.get("/runs/g/events/99")).status_code == 404


@pytest.mark.parametrize(
    ("events", "pages"), [(0, 1), (1, 1), (200, 1), (299, 1), (300, 2), (499, 2), (500, 3), (50_001, 250)]
)
def test_no_part_of_a_long_run_is_nearly_empty(events, pages):
    """The last part holds at least half as many events as the others, and at most half as many more."""
    assert count_pages(events) == pages
    assert pages == 1 or EVENTS // 2 <= events - (pages - 1) * EVENTS < EVENTS + EVENTS // 2


def test_a_step_under_way_says_where():
    """What explain knows of a step stands on its lane: on which worker it runs, or what it waits for."""
    events = [{"id": 2, "type": "TaskScheduled", "time": "2026-11-30T08:00:00Z", "step": "a#1", "task": "a"}]
    drawn = draw_timeline(events, 1_796_025_700.0, is_open=True)
    say_now(drawn, [WhyNot("running", "task a (a#1) runs on vm:7, attempt 1", "a#1", None, "", "", [])])
    assert drawn.lanes[0].said == "task a (a#1) runs on vm:7, attempt 1"


@on_loop
async def test_payloads_are_shown_without_secrets_and_without_tricks(tmp_path):
    """What looks like a secret is taken out; markup and control characters are text."""
    async with serving(tmp_path) as api:
        text = "<img src=x onerror=alert(1)> \u202e hf_" + "a" * 43
        await api.http.post("/v1/workflows/greet/runs?id=g", json=text)
        page = await Browser(api).open("/runs/g")
        assert "<img src=x" not in page
        assert "\u202e" not in page
        assert "hf_aaaa" not in page
        assert "REDACTED" in page


@on_loop
async def test_a_start_form_says_what_is_wrong_where_and_then_starts(tmp_path):
    """Lines are added without a script; messages stand at their fields; what was written stays."""
    async with serving(tmp_path) as api:
        browser = Browser(api)
        assert 'href="/start/Review"' in await browser.open("/start")
        page = await browser.open("/start/Review")
        assert 'name="v/order/account"' in page
        fields = {"v/order/account": "acme", "n/order/lines": "0", "v/note": ""}
        more = await browser.send("/start/Review", press="add /order/lines", **fields)
        assert 'name="v/order/lines/0/name"' in more.text
        assert "acme" in more.text
        fields |= {"n/order/lines": "1", "v/order/lines/0/name": "rope", "v/order/lines/0/count": "two"}
        wrong = await browser.send("/start/Review", **fields)
        assert wrong.status_code == 422
        assert "rope" in wrong.text
        assert 'aria-invalid="true"' in wrong.text.partition('name="v/order/lines/0/count"')[2][:200]
        answer = await browser.send("/start/Review", **{**fields, "v/order/lines/0/count": "2"}, id="r-9")
        assert answer.headers["location"] == "/runs/r-9", answer.text
        assert "rope" in await browser.open("/runs/r-9")
        as_json = await browser.send("/start/Review", to="json", **fields)
        assert html.escape('"name": "rope"', quote=True).replace("&quot;", "&#34;") in as_json.text
        again = await browser.send(
            "/start/Review", **{"as": "json", "json": '{"order": {"account": "b"}}', "id": "r-10"}
        )
        assert again.headers["location"] == "/runs/r-10"


@on_loop
async def test_the_other_pages_open_for_whom_they_are(tmp_path):
    """Every place in the bar opens with the key that it is shown to, and only those are shown."""
    async with serving(tmp_path) as api:
        secrets = await api.make_keys()
        for scope, count in ((Scope.ADMIN, 11), (Scope.READ, 8), (Scope.START, 1)):
            browser = Browser(api)
            await browser.log_in(secrets[scope.value], "/start")
            page = await browser.open("/start" if scope is not Scope.READ else "/runs")
            bar = page.partition('<nav class="places"')[2].partition("</nav>")[0]
            places = [each.partition('"')[0] for each in bar.split('href="')[1:]]
            assert len(places) == count
            for place in places:
                await browser.open(place)


@on_loop
async def test_pools_keys_and_schedules_are_changed_from_their_pages(tmp_path):
    """A pool is paused and limited; a key is made, shown once, and revoked."""
    async with serving(tmp_path) as api:
        browser = Browser(api)
        assert (await browser.send("/fleet/pools/gpu/pause", reason="x")).status_code == 303
        assert (await api.service.fleet.pool("gpu")).paused
        assert (await browser.send("/fleet/pools/gpu/limit", limit="7")).status_code == 303
        assert (await api.service.fleet.pool("gpu")).limit == 7
        assert (await browser.send("/fleet/pools/gpu/limit", limit="none")).status_code == 422
        assert (await browser.send("/fleet/pools/gpu/resume")).status_code == 303
        assert (await browser.send("/fleet/locks/break", name="a")).status_code == 303
        made = await browser.send("/keys", name="ops", scope="admin")
        secret = "hf_" + made.text.partition("hf_")[2][:43]
        assert (await browser.log_in(secret)).status_code == 303
        assert secret not in await browser.open("/keys")
        assert (await browser.send("/keys/ops/revoke")).status_code == 303
        await browser.open("/keys", 401)
        assert await api.service.keys.identify(secret) is None
