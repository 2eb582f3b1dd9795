"""The first page, and its charts."""

from __future__ import annotations

from holdfast.controller.documents import Stretch
from holdfast.dashboard.charts import draw_chart
from tests.unit.controller.rig import on_loop, serving
from tests.unit.dashboard.browser import Browser


@on_loop
async def test_what_wants_attention_stands_on_the_first_page(tmp_path):
    """Counts by status, and each run that somebody has to look at, with why."""
    async with serving(tmp_path) as api:
        for name in ("a", "b"):
            await api.http.post(f"/v1/workflows/greet/runs?id={name}", json="x")
        await api.http.post("/v1/runs/b/pause", json={"reason": "look at it first"})
        page = await Browser(api).open("/")
        assert "<b>1</b><span>running" in page
        assert "<b>1</b><span>paused" in page
        assert "look at it first" in page
        assert 'href="/runs/b"' in page
        assert 'href="/runs/a"' not in page


@on_loop
async def test_charts_tell_what_was_done_between_two_looks(tmp_path):
    """What was done before the first look is not told of; what was done since is, in its minute."""
    async with serving(tmp_path) as api:
        await api.http.post("/v1/workflows/greet/runs?id=before", json="x")
        await api.http.post("/v1/runs/before/terminate", json={})
        await api.service.glance.overview()
        for name in ("a", "b"):
            await api.http.post(f"/v1/workflows/greet/runs?id={name}", json="x")
        await api.http.post("/v1/runs/a/terminate", json={})
        api.clock.time += 60
        api.service.publisher._reader._read = None
        await api.service.glance.overview()
        minutes = api.service.glance.lately(60, 60)
        assert [(each.begun, each.ended, each.failed) for each in minutes[-2:]] == [(0, 0, 0), (2, 1, 0)]
        assert sum(each.ended for each in api.service.glance.lately(1800, 48)) == 1


def test_bars_stand_within_their_drawing():
    """The highest bar fills the height, what failed is a part of it, and nothing leaves the drawing."""
    counted = [
        Stretch(start="2026-11-30T08:00:00Z", seconds=60, begun=0, ended=ended, failed=failed)
        for ended, failed in [(0, 0), (10, 5), (5, 0)]
    ]
    chart = draw_chart(counted)
    assert (chart.total, chart.failed, chart.highest) == (15, 5, 10)
    assert [each.height for each in chart.bars] == ["0.00%", "100.00%", "50.00%"]
    assert chart.bars[1].part_height == "50.00%"
    assert chart.bars[1].title == "08:00 UTC: 10 ended, 5 of them failed"
    assert float(chart.bars[-1].x[:-1]) + float(chart.bars[-1].width[:-1]) < 100
    assert draw_chart([]).bars == ()
