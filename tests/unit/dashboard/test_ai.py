"""The page of what language models cost, and the tiles and sections that tell of it elsewhere."""

from __future__ import annotations

import pytest

from holdfast.controller import Scope
from holdfast.controller.documents import BudgetState
from holdfast.dashboard.ai import added, is_used_up, left_of
from holdfast.ports.operations import (
    Amount,
    AuditFilter,
    BudgetLimit,
    ModelCall,
    ModelUsage,
    ParkForBudget,
    ReserveModelCall,
    SettleModelCall,
)
from tests.unit.controller.rig import on_loop, serving
from tests.unit.dashboard.browser import Browser

NANO = 1_000_000_000
LIMIT = BudgetLimit("team <b>", "workflow", usd=2 * NANO)
USED_UP = 'class="status dead">used up<'
DIGEST = "0123456789abcdef"


async def ask(api, usage, run_id="r-1", call="c", step="ask#1", limits=(LIMIT,)):
    """Have a step of a run ask a model."""
    asked = ModelCall(call, run_id, step, 1, "some:<i>model", DIGEST, "manual <u>", limits)
    most = Amount(usage.paid or 0, 1_100)
    await api.store.write([ReserveModelCall(asked, most, 60.0)])
    await api.store.write([SettleModelCall(asked, usage, most)])


async def park(api, run_id="r-1"):
    """Start a run, and park it because its budget is used up."""
    await api.service.starts.start("idle", b"", run_id)
    await ask(api, ModelUsage(1_000, 900, 0, 50, 2 * NANO, 5 * NANO), run_id)
    run = await api.store.run(run_id)
    await api.store.write([ParkForBudget(run.execution_id, LIMIT.name, LIMIT.per, "idle")])


@on_loop
async def test_what_was_asked_and_paid_stands_by_model_and_prefix_and_day(tmp_path):
    """Dollars, what caches saved, the share of input that was read from them; a bar for each day, also empty ones."""
    async with serving(tmp_path) as api:
        browser = Browser(api)
        empty = await browser.open("/ai")
        assert "Nobody asked a language model" in empty
        assert "Nothing was paid from a budget yet" in empty
        await park(api)
        page = await browser.open("/ai?days=7")
        assert "<b>$2.00</b><span>paid" in page
        assert "<b>$3.00</b><span>saved by caches" in page
        assert "<b>90 %</b><span>of input read from caches" in page
        models, _, prefixes = page.partition('id="models"')[2].partition('id="prefixes"')
        assert "some:&lt;i&gt;model" in models
        assert "manual &lt;u&gt;" in prefixes
        assert "0123456789ab<" in prefixes
        charts = page.split("<svg")[1:]
        assert [each.count('class="bar"') for each in charts] == [7, 7]
        assert "2023-11-14: $2.00, 1 request</title>" in charts[0]
        assert "2023-11-08: nothing, 0 requests</title>" in charts[0]
        assert "2023-11-14: 1,000 tokens, 900 of them from caches</title>" in charts[1]
        assert charts[1].count('class="cached"') == 1
        assert await browser.open("/ai?days=0", 422)


@on_loop
async def test_a_budget_is_given_more_and_its_runs_go_on(tmp_path):
    """The form says how many went on; who granted it is in the audit log; what is no amount is refused, with why."""
    async with serving(tmp_path) as api:
        await park(api)
        browser = Browser(api)
        page = await browser.open("/ai")
        budgets = page.partition('id="budgets"')[2]
        assert "team &lt;b&gt;" in budgets
        assert USED_UP in budgets
        fields = {"name": LIMIT.name, "per": "workflow", "scope": "idle"}
        for wrong in ({"usd": "-1"}, {"usd": "nan"}, {"usd": "much"}, {"tokens": "1.5"}, {"per": "week"}):
            answer = await browser.send("/ai/budgets/grant", **{**fields, **wrong})
            assert answer.status_code == 422, wrong
        assert (await browser.send("/ai/budgets/grant", **{**fields, "scope": "other"})).status_code == 404
        assert (await api.service.runs.read("r-1")).status == "PARKED"
        answer = await browser.send("/ai/budgets/grant", **fields, usd="1.5", tokens="")
        assert (answer.status_code, answer.headers["location"]) == (303, "/ai?went_on=1#budgets")
        assert (await api.service.runs.read("r-1")).status == "RUNNING"
        page = await browser.open("/ai?went_on=1")
        assert "The budget was given more: 1 run went on." in page
        assert "$3.50" in page
        assert USED_UP not in page
        entries, _ = await api.store.audit(AuditFilter())
        assert ("grant-budget", LIMIT.name, "idle") in {(each.action, each.target, each.detail) for each in entries}


@on_loop
async def test_who_may_look_only_sees_no_form_and_grants_nothing(tmp_path):
    """A key for reading sees what was paid; the form is not there, and what it would send is refused."""
    async with serving(tmp_path) as api:
        await park(api)
        await api.make_keys()
        browser = Browser(api)
        await browser.log_in(api.secrets[Scope.READ.value])
        page = await browser.open("/ai")
        assert "team &lt;b&gt;" in page
        assert "/ai/budgets/grant" not in page
        fields = {"name": LIMIT.name, "per": "workflow", "scope": "idle", "usd": "1"}
        assert (await browser.send("/ai/budgets/grant", **fields)).status_code == 403
        assert (await api.service.runs.read("r-1")).status == "PARKED"


@on_loop
async def test_a_run_tells_what_its_steps_asked_when_they_did(tmp_path):
    """By step, with what was paid; a run that asked nothing has no such section."""
    async with serving(tmp_path) as api:
        browser = Browser(api)
        await park(api)
        await ask(api, ModelUsage(100, None, None, 5), call="d", step="sum_up#1")
        page = (await browser.open("/runs/r-1")).partition('id="asked"')[2]
        assert "2 requests, $2.00 paid, $3.00 saved by caches" in page
        assert "ask#1" in page
        assert "sum_up#1" in page
        assert "1 without a known price" in page
        await api.service.starts.start("idle", b"", "r-2")
        assert 'id="asked"' not in await browser.open("/runs/r-2")


@on_loop
async def test_savings_stand_on_the_first_page_when_there_are_any(tmp_path):
    """Dollars where prices are known, and where none is the share that caches had; nothing where nobody asked."""
    async with serving(tmp_path) as api:
        browser = Browser(api)
        assert "caches" not in await browser.open("/")
        await api.service.starts.start("idle", b"", "r-1")
        await ask(api, ModelUsage(1_000, 250, 0, 5), limits=())
        assert "<b>25 %</b><span>of input read from caches" in await browser.open("/")
        await ask(api, ModelUsage(1_000, 900, 0, 50, NANO, 2 * NANO), call="d", limits=())
        assert "<b>$1.00</b><span>saved by caches" in await browser.open("/")


def budget(**more):
    """Return a budget of 2 dollars and 100 tokens."""
    fields = {"usd": 2.0, "spent_usd": 0.0, "held_usd": 0.0, "tokens": 100, "spent_tokens": 0, "held_tokens": 0}
    return BudgetState(name="b", per="day", scope="2026-11-30", **{**fields, **more})


@pytest.mark.parametrize(
    ("more", "left", "used_up"),
    [
        ({}, 1.0, False),
        ({"spent_usd": 1.0}, 0.5, False),
        ({"spent_usd": 1.0, "spent_tokens": 90}, 0.1, False),
        ({"held_usd": 2.0}, 0.0, False),
        ({"spent_usd": 2.5}, -0.25, True),
        ({"spent_tokens": 100}, 0.0, True),
        ({"usd": None, "tokens": None, "spent_usd": 9.0}, 1.0, False),
    ],
)
def test_the_tighter_limit_of_a_budget_counts(more, left, used_up):
    """What is set aside is not left, and yet nothing is used up before it is spent; without a limit all is left."""
    assert left_of(budget(**more)) == pytest.approx(left)
    assert is_used_up(budget(**more)) is used_up


def test_what_nobody_said_is_not_nothing():
    """Of nothing no sum is known."""
    nothing = added([])
    assert (nothing.requests, nothing.usd, nothing.input_tokens) == (0, None, None)
