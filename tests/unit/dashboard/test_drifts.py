"""The pages of hosts that answer otherwise than expected."""

from __future__ import annotations

import html
import re

from holdfast.controller import Scope
from holdfast.ports.mappings import Convert, Move
from holdfast.ports.operations import AuditFilter, DriftChange, ProposedMapping, ProposeMappings, ReportDrift
from tests.unit.controller.rig import on_loop, serving
from tests.unit.dashboard.browser import Browser

CHANGE = DriftChange("cents <b>", "a valid integer", "text <i>")


async def drift(api, *run_ids):
    """Park runs because a host answers otherwise."""
    for name in run_ids:
        await api.service.starts.start("idle", b"", name)
        run = await api.store.run(name)
        report = ReportDrift(run.execution_id, "api.test <u>", "GET /rates/{}", "Rate", (CHANGE,))
        (number,) = await api.store.write([report])
    return number


@on_loop
async def test_a_report_says_what_differs_and_who_waits(tmp_path):
    """What is called, what was expected and found, who saw it first, how many are parked, and what to type."""
    async with serving(tmp_path) as api:
        browser = Browser(api)
        assert "every host answers as code expects" in await browser.open("/drifts")
        number = await drift(api, "r-1", "r-2")
        listed = await browser.open("/drifts")
        assert f'href="/drifts/{number}">GET /rates/{{}}</a>' in listed
        assert "api.test &lt;u&gt;" in listed
        page = await browser.open(f"/drifts/{number}")
        for words in ("cents &lt;b&gt;", "a valid integer", "text &lt;i&gt;", "Rate", 'href="/runs/r-1"'):
            assert words in page, words
        assert f"holdfast repair --drift {number} MODULE" in page
        parked = f"/runs?status=PARKED&amp;error=drift%20{number}%3A"
        assert parked in page
        found = await browser.open(parked.replace("&amp;", "&"))
        assert 'href="/runs/r-1"' in found
        assert 'href="/runs/r-2"' in found
        assert await browser.open("/drifts/99", 404)


@on_loop
async def test_a_report_is_resolved_in_parts(tmp_path):
    """So many runs go on at each press, the page says how many; who resolved it is there, and in the audit log."""
    async with serving(tmp_path) as api:
        number = await drift(api, "r-1", "r-2", "r-3")
        browser = Browser(api)
        resolve = f"/drifts/{number}/resolve"
        for wrong in ("0", "1001", "many", "-1"):
            assert (await browser.send(resolve, limit=wrong)).status_code == 422
        answer = await browser.send(resolve, limit="2")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/drifts/{number}?went_on=2")
        page = await browser.open(answer.headers["location"])
        assert "2 runs went on, 1 is still parked." in page
        assert "Let more go on" in page
        assert "holdfast repair" not in page
        assert (await browser.send(resolve, limit="")).headers["location"] == f"/drifts/{number}?went_on=1"
        assert resolve not in await browser.open(f"/drifts/{number}")
        assert {(await api.service.runs.read(f"r-{each}")).status for each in (1, 2, 3)} == {"RUNNING"}
        assert "resolved" in await browser.open("/drifts")
        entries, _ = await api.store.audit(AuditFilter())
        assert "resolve-drift" in {each.action for each in entries}
        assert (await browser.send("/drifts/99/resolve")).status_code == 404


@on_loop
async def test_a_mapping_that_is_proven_is_accepted_where_it_is_shown(tmp_path):
    """Each proposal with the runs it was tried on; one that is not proven has no button, nor does one of one's own."""
    async with serving(tmp_path) as api:
        number = await drift(api, "r-1", "r-2", "r-3")
        browser = Browser(api)
        assert "Proposed mappings" not in await browser.open(f"/drifts/{number}")
        proven = ProposedMapping(
            (Move("price <s>", "cents <b>"), Convert("cents <b>", "number")), "r-1", ("r-2", "r-3")
        )
        unproven = ProposedMapping((Convert("cents <b>", "number"),), "r-1", (), ("r-2",))
        await api.store.write([ProposeMappings(number, (proven, unproven))])
        page = await browser.open(f"/drifts/{number}")
        assert "price &lt;s&gt;" in page
        assert page.count(f'action="/drifts/{number}/accept"') == 1
        assert page.count("unproven</span>") == 1
        (shown,) = re.findall(r'name="mapping" value="([^"]*)"', page)
        accept = f"/drifts/{number}/accept"
        for wrong in ("", "[", "{}", '[{"type":"convert","path":"cents <b>","to":"number"}]', "[1]"):
            assert (await browser.send(accept, mapping=wrong, limit="")).status_code == 422, wrong
        answer = await browser.send(accept, mapping=html.unescape(shown), limit="2")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/drifts/{number}?went_on=2")
        page = await browser.open(answer.headers["location"])
        assert "2 runs went on, 1 is still parked." in page
        assert "Accept this mapping" not in page
        assert (await api.store.hosts())[0].state.mappings == {"GET /rates/{}": proven.steps}
        entries, _ = await api.store.audit(AuditFilter())
        assert "accept-drift" in {each.action for each in entries}


@on_loop
async def test_who_may_look_only_resolves_nothing(tmp_path):
    """A key for reading sees the report and no button; what the button would send is refused."""
    async with serving(tmp_path) as api:
        number = await drift(api, "r-1")
        await api.make_keys()
        browser = Browser(api)
        await browser.log_in(api.secrets[Scope.READ.value])
        assert f"/drifts/{number}/resolve" not in await browser.open(f"/drifts/{number}")
        assert (await browser.send(f"/drifts/{number}/resolve")).status_code == 403
        assert (await api.service.runs.read("r-1")).status == "PARKED"
