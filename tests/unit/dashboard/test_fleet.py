"""The page of the fleet."""

from __future__ import annotations

from holdfast.ports.hosts import FAILURES_MIN, Frozen, Outcomes
from holdfast.ports.operations import TellHost
from tests.unit.controller.rig import on_loop, serving
from tests.unit.dashboard.browser import Browser


@on_loop
async def test_a_host_that_is_left_alone_says_why(tmp_path):
    """An open circuit with its cause, a frozen host with who was told; one that is well is there, and quiet."""
    async with serving(tmp_path) as api:
        await api.store.write([TellHost("down.example", Outcomes(FAILURES_MIN, 0, "503 <b>"))])
        await api.store.write([TellHost("busy.example", Frozen(30.0, "r/post#1"))])
        page = await Browser(api).open("/fleet")
        down = page.partition("down.example")[2]
        assert 'class="status dead">circuit open</span> until' in down
        assert "503 &lt;b&gt;" in down
        busy = page.partition("busy.example")[2].partition("down.example")[0]
        assert 'class="status warn">frozen</span>' in busy
        assert "told to r/post#1" in busy
        assert "circuit closed" in busy
