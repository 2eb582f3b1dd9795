"""`holdfast ai`: what language models cost, and the budgets they are paid from."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final

import typer

from holdfast.app import Client
from holdfast.cli.output import Exit, Output
from holdfast.cli.parts import RateOption, in_parts
from holdfast.cli.verbs import JsonOption, StoreOption, shown, with_client
from holdfast.errors import UsageError
from holdfast.ports.operations import NANO, Amount, BudgetRecord, GrantBudget, ModelUsageRecord, first_time

models = typer.Typer(help="What language models cost, and the budgets they are paid from.", no_args_is_help=True)

GROUPS: Final = ("day", "workflow", "model", "prefix")
USD_MAX: Final = 1_000_000


@models.command("stats")
def show_stats(
    by: Annotated[str, typer.Option("--by", help=f"What is summed up: by {', '.join(GROUPS)}.")] = "model",
    run: Annotated[str, typer.Option("--run", metavar="RUN", help="Only of this run, by its steps.")] = "",
    days: Annotated[int, typer.Option("--days", min=1, max=100_000, help="Of so many days, today included.")] = 30,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show requests, tokens, dollars, and what caches saved, premiums for writing to them taken off."""
    output = Output(as_json=as_json)
    shown(output, lambda: _check_group(by))

    async def body(client: Client) -> None:
        if run:
            found = await client.store.run_model_usage(run)
        else:
            since = first_time(await client.store.now(), days)
            found = await client.store.model_usage(by, since)
        title = "step" if run else by
        columns = (title, "requests", "input", "cached", "written", "output", "usd", "saved_usd", "lost", "unpriced")
        output.rows(columns, [_fields(title, each) for each in found])

    with_client(output, store, body)


@models.command("budgets")
def list_budgets(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List budgets from which anything was paid: the limit, what was spent, what is set aside."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        columns = ("name", "per", "scope", "usd", "spent_usd", "held_usd", "tokens", "spent_tokens", "held_tokens")
        output.rows(columns, [_budget_fields(each) for each in await client.store.budgets()])

    with_client(output, store, body)


@models.command("grant")
def grant_budget(
    name: Annotated[str, typer.Argument(metavar="BUDGET", help="A budget's name.")],
    scope: Annotated[str, typer.Argument(metavar="SCOPE", help="Which of it: a run, a workflow, or a day.")],
    usd: Annotated[str, typer.Option("--usd", help="So many dollars more.")] = "0",
    tokens: Annotated[int, typer.Option("--tokens", min=0, max=10**15, help="So many tokens more.")] = 0,
    rate: RateOption = 1_000.0,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a budget have more, and the runs go on that are parked because it was used up."""
    output = Output(as_json=as_json)
    more = shown(output, lambda: _read_more(usd, tokens))

    async def body(client: Client) -> None:
        found = await _find(output, client, name, scope)
        await client.store.write([GrantBudget(name, found.per, scope, more, runs=0)])
        resumed = await in_parts(client, rate, lambda part: GrantBudget(name, found.per, scope, Amount(), part))
        output.fields({**_budget_fields(await _find(output, client, name, scope)), "resumed": resumed})

    with_client(output, store, body)


async def _find(output: Output, client: Client, name: str, scope: str) -> BudgetRecord:
    found = next((each for each in await client.store.budgets(scope) if each.name == name), None)
    if found is None:
        output.note("there is none of this name and scope: holdfast ai budgets")
        raise typer.Exit(Exit.NOT_FOUND)
    return found


def _check_group(by: str) -> None:
    if by not in GROUPS:
        raise UsageError(f"--by {by!r} is nothing that usage is summed up by", f"Write one of {', '.join(GROUPS)}.")


def _read_more(usd: str, tokens: int) -> Amount:
    try:
        dollars = Decimal(usd)
    except InvalidOperation:
        dollars = Decimal(-1)
    if not dollars.is_finite() or not 0 <= dollars <= USD_MAX:
        raise UsageError(f"--usd {usd!r} is no amount of dollars", f"Write a number from 0 to {USD_MAX:,}: --usd 2.50")
    more = Amount(int(dollars * NANO), tokens)
    if more == Amount():
        raise UsageError("nothing is granted", "Say how much more: --usd 2.50, --tokens 100000, or both.")
    return more


def _fields(title: str, record: ModelUsageRecord) -> dict[str, Any]:
    usage = record.usage
    return {
        title: record.name or record.key,
        "requests": record.requests,
        "input": usage.input_tokens,
        "cached": usage.cache_read_tokens,
        "written": usage.cache_write_tokens,
        "output": usage.output_tokens,
        "usd": _dollars(usage.paid),
        "saved_usd": _dollars(usage.saved),
        "lost": record.lost,
        "unpriced": record.unpriced,
    }


def _budget_fields(record: BudgetRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "per": record.per,
        "scope": record.scope,
        "usd": _dollars(record.limit.usd or None),
        "spent_usd": _dollars(record.spent.usd),
        "held_usd": _dollars(record.held.usd),
        "tokens": record.limit.tokens or None,
        "spent_tokens": record.spent.tokens,
        "held_tokens": record.held.tokens,
    }


def _dollars(nano: int | None) -> float | None:
    return None if nano is None else nano / NANO
