"""Language models: what they cost, what caches saved, and the budgets they are paid from.

Owns: this page, and granting a budget more.
Must not know: prices, who asks a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final, TypeVar, cast, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from holdfast.controller import Scope
from holdfast.controller.documents import BudgetState, Grant, ModelUsed
from holdfast.controller.http import ThePrincipal, TheService, requires
from holdfast.dashboard.charts import Bar, Column, draw_bars
from holdfast.dashboard.doors import PageRoute
from holdfast.dashboard.forms import TheForm
from holdfast.dashboard.pages import show
from holdfast.dashboard.words import dollars
from holdfast.errors import InputError
from holdfast.ports.operations import Period

DAYS: Final = (1, 7, 30, 90)
SHOWN_MAX: Final = 100
"""How many prefixes, workflows and budgets one page shows, of each."""
USD_MAX: Final = 1_000_000
TOKENS_MAX: Final = 10**15
PART: Final = 1_000
"""How many parked runs go on at one press of the button, at most."""

Number = TypeVar("Number", int, float)

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/ai")
@requires(Scope.READ)
async def read_ai(
    request: Request,
    service: TheService,
    days: Annotated[int, Query(ge=1, le=max(DAYS))] = 30,
    went_on: Annotated[int | None, Query(ge=0, le=PART)] = None,
) -> Response:
    """Show what requests to language models used and cost, by day, model, prefix and workflow; and budgets."""
    spending = service.spending
    daily = await spending.daily(days)
    budgets = [(each, is_used_up(each)) for each in (await spending.budgets()).budgets]
    budgets.sort(key=lambda each: left_of(each[0]))
    return show(
        request,
        "ai.html",
        days=days,
        choices=sorted({*DAYS, days}),
        went_on=went_on,
        part=PART,
        total=added(daily),
        first=daily[0].key,
        paid=draw_paid(daily),
        read=draw_read(daily),
        models=dearest((await spending.usage("model", days)).usage),
        prefixes=dearest((await spending.usage("prefix", days)).usage),
        workflows=dearest((await spending.usage("workflow", days)).usage),
        budgets=budgets[:SHOWN_MAX],
        counts={"budgets": len(budgets), "used_up": sum(used_up for _, used_up in budgets)},
    )


@router.post("/ai/budgets/grant")
@requires(Scope.OPERATE)
async def grant_budget(service: TheService, principal: ThePrincipal, form: TheForm) -> Response:
    """Let a budget have more, and runs go on that are parked because it was used up."""
    if form["per"] not in get_args(Period):
        raise InputError("the budget", (("/per", f"expected one of {', '.join(get_args(Period))}"),))
    grant = Grant(
        name=form["name"],
        per=cast("Period", form["per"]),
        scope=form["scope"],
        usd=_amount(form["usd"], "/usd", USD_MAX, whole=False),
        tokens=int(_amount(form["tokens"], "/tokens", TOKENS_MAX, whole=True)),
        limit=PART,
    )
    granted = await service.spending.grant(grant, principal.actor)
    return RedirectResponse(f"/ai?{urlencode({'went_on': granted.resumed})}#budgets", 303)


def added(usage: Sequence[ModelUsed]) -> ModelUsed:
    """Return everything together: what is known of it."""
    return ModelUsed(
        key="",
        name=None,
        requests=sum(each.requests for each in usage),
        lost=sum(each.lost for each in usage),
        unpriced=sum(each.unpriced for each in usage),
        input_tokens=_sum(each.input_tokens for each in usage),
        cache_read_tokens=_sum(each.cache_read_tokens for each in usage),
        cache_write_tokens=_sum(each.cache_write_tokens for each in usage),
        output_tokens=_sum(each.output_tokens for each in usage),
        usd=_sum(each.usd for each in usage),
        saved_usd=_sum(each.saved_usd for each in usage),
    )


def dearest(usage: Sequence[ModelUsed]) -> list[ModelUsed]:
    """Return what cost most, that first."""
    return sorted(usage, key=lambda each: (each.usd or 0.0, each.requests), reverse=True)[:SHOWN_MAX]


def draw_paid(daily: Sequence[ModelUsed]) -> tuple[Bar, ...]:
    """Return the chart of what was paid each day."""
    columns = []
    for each in daily:
        words = "no known price" if each.usd is None else dollars(each.usd)
        requests = f"{each.requests:,} request{'' if each.requests == 1 else 's'}"
        columns.append(Column(each.usd or 0.0, 0.0, f"{each.key}: {words if each.requests else 'nothing'}, {requests}"))
    return draw_bars(columns)


def draw_read(daily: Sequence[ModelUsed]) -> tuple[Bar, ...]:
    """Return the chart of how many tokens were read each day, and how many of them from caches."""
    columns = []
    for each in daily:
        read, cached = each.input_tokens or 0, each.cache_read_tokens or 0
        columns.append(Column(read, cached, f"{each.key}: {read:,} tokens, {cached:,} of them from caches"))
    return draw_bars(columns)


def is_used_up(budget: BudgetState) -> bool:
    """Say whether so much was spent of a budget that runs are parked for it."""
    usd, tokens = budget.usd, budget.tokens
    return (usd is not None and budget.spent_usd >= usd) or (tokens is not None and budget.spent_tokens >= tokens)


def left_of(budget: BudgetState) -> float:
    """Return which share of a budget is neither spent nor set aside; where it has two limits, of the tighter one."""
    shares = [1.0]
    if budget.usd:
        shares.append(1 - (budget.spent_usd + budget.held_usd) / budget.usd)
    if budget.tokens:
        shares.append(1 - (budget.spent_tokens + budget.held_tokens) / budget.tokens)
    return min(shares)


def _sum(values: Iterable[Number | None]) -> Number | None:
    """Return what is known, added up; None where nothing is."""
    known = [each for each in values if each is not None]
    return sum(known) if known else None


def _amount(text: str, place: str, most: int, *, whole: bool) -> float:
    """Return an amount that somebody wrote; nothing for nothing. Raises InputError."""
    try:
        amount = Decimal(text.strip() or "0")
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount <= most or (whole and amount != int(amount)):
        words = f"expected {'a whole number' if whole else 'a number'} from 0 to {most:,}, or nothing"
        raise InputError("the grant", ((place, words),))
    return float(amount)
