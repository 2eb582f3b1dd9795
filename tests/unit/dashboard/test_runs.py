"""The list of runs: filters, pages, and many at once."""

from __future__ import annotations

import pytest

from holdfast.controller import Scope
from tests.unit.controller.rig import on_loop, serving
from tests.unit.dashboard.browser import Browser


async def start(api, workflow, run_id, value, **query):
    """Start a run through the API."""
    response = await api.http.post(f"/v1/workflows/{workflow}/runs", params={"id": run_id, **query}, json=value)
    assert response.status_code == 201, response.text


@on_loop
async def test_the_list_is_filtered_and_turned(tmp_path):
    """By workflow, status and attribute; fifty on a page, and the next ones behind a link."""
    async with serving(tmp_path) as api:
        browser = Browser(api)
        for number in range(55):
            await start(api, "greet", f"g-{number}", "x", attribute=f"region={'eu' if number % 2 else 'us'}")
        await start(api, "Review", "review-1", {"order": {"account": "a"}})
        page = await browser.open("/runs")
        assert "review-1" in page
        assert "g-54" in page
        assert '/runs/g-5"' not in page
        older = page.partition("cursor=")[2].partition('"')[0]
        assert 'href="/runs/g-5"' in await browser.open(f"/runs?cursor={older}")
        assert "g-54" not in await browser.open("/runs?workflow=Review")
        eu = await browser.open("/runs?attribute=region%3Deu&status=RUNNING")
        assert "g-53" in eu
        assert "g-54" not in eu
        assert "No run fits this filter" in await browser.open("/runs?status=FAILED")


@on_loop
async def test_a_run_is_found_by_its_name_and_otherwise_by_its_failure(tmp_path):
    """One box for both: what is no run's id is looked for in failures, and leads nowhere else."""
    async with serving(tmp_path) as api:
        await start(api, "greet", "a b", "x")
        browser = Browser(api)
        for text, goal in (("a b", "/runs/a%20b"), ("card declined", "/runs?error=card+declined")):
            answer = await browser.http.get("/runs", params={"run": text})
            assert (answer.status_code, answer.headers["location"]) == (303, goal)
        key = await api.service.keys.create("some", [Scope.READ], workflows=["idle"])
        await browser.log_in(key.secret)
        answer = await browser.http.get("/runs", params={"run": "a b"})
        assert answer.headers["location"] == "/runs?error=a+b"


@pytest.mark.parametrize("query", ["status=NOPE", "after=yesterday", "attribute=region", "cursor=x", "statsu=FAILED"])
@on_loop
async def test_a_filter_that_means_nothing_is_refused(tmp_path, query):
    """A filter that cannot be read is no filter for everything."""
    async with serving(tmp_path) as api:
        assert "does not fit" in await Browser(api).open(f"/runs?{query}", 422)


@on_loop
async def test_many_are_counted_before_anything_is_done(tmp_path):
    """The first press says how many; the second does it, and only to those that fit the filter."""
    async with serving(tmp_path) as api:
        browser = Browser(api)
        for number in range(3):
            await start(api, "greet", f"g-{number}", "x")
        await start(api, "idle", "other", None)
        preview = await browser.send("/runs/bulk", verb="terminate", workflow="greet")
        assert "<b>3</b> runs would be meant" in preview.text
        assert (await api.service.runs.read("g-0")).status == "RUNNING"
        done = await browser.send("/runs/bulk", verb="terminate", workflow="greet", sure="yes", reason="enough")
        assert "Done to <b>3</b>" in done.text
        assert (await api.service.runs.read("g-0")).status == "TERMINATED"
        assert (await api.service.runs.read("other")).status == "RUNNING"
        assert "there is no filter" in (await browser.send("/runs/bulk", verb="pause")).text
        refused = await browser.send("/runs/bulk", verb="delete")
        assert refused.status_code == 400


@on_loop
async def test_a_key_for_some_workflows_sees_and_touches_no_others(tmp_path):
    """Neither the list nor the buttons for many reach a run that is none of its business."""
    async with serving(tmp_path) as api:
        await start(api, "greet", "mine", "x")
        await start(api, "idle", "theirs", None)
        key = await api.service.keys.create("some", [Scope.READ, Scope.OPERATE], workflows=["greet"])
        browser = Browser(api)
        await browser.log_in(key.secret, "/runs")
        page = await browser.open("/runs")
        assert "mine" in page
        assert "theirs" not in page
        await browser.send("/runs/bulk", verb="terminate", sure="yes")
        assert (await api.service.runs.read("theirs")).status == "RUNNING"
        assert (await api.service.runs.read("mine")).status == "TERMINATED"
        await browser.open("/", 403)


HOSTILE = "<img src=x onerror=alert(1)>\"'>\x1b[31m\u202e{{7*7}}"


@on_loop
async def test_names_are_text_and_nothing_else(tmp_path):
    """Markup in a run id, an attribute or a reason is shown, and is no markup."""
    async with serving(tmp_path) as api:
        name = HOSTILE.replace("\x1b", "").replace("/", "")
        await start(api, "greet", name, "x", attribute=f"region={HOSTILE}")
        response = await api.http.post(f"/v1/runs/{name}/pause", json={"reason": HOSTILE + "y" * 1_000_000})
        assert response.status_code == 200
        for path in ("/", "/runs"):
            page = await Browser(api).open(path)
            assert "<img src=x" not in page
            assert "&lt;img src=x onerror=alert(1)&gt;" in page
            assert "\x1b" not in page
            assert "\u202e" not in page
            assert "49" not in page.partition("&lt;img")[2][:60]
            assert len(page) < 60_000
