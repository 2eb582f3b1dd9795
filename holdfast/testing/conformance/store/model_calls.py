"""What a store has to do with requests to language models and their budgets.

Owns: these checks on `holdfast.ports.store.Store`; see `holdfast.testing.conformance.store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from holdfast.ports.operations import (
    PARKED,
    RUNNING,
    Amount,
    BudgetLimit,
    GrantBudget,
    ModelCall,
    ModelUsage,
    ParkForBudget,
    Prune,
    Reservation,
    ReserveModelCall,
    SettleModelCall,
)
from holdfast.testing.conformance.store.harness import Check, StoreHarness, do, end, expect, join, own

if TYPE_CHECKING:
    from holdfast.ports.store import Store

SECONDS: Final = 60.0
RUN: Final = BudgetLimit("models", "run", usd=100)
DAY: Final = BudgetLimit("models", "day", tokens=1_000)
USED: Final = ModelUsage(50, 40, 0, 7, 30, 45)


def call(name: str, run_id: str = "a", *limits: BudgetLimit, step: str = "ask#1", prefix: str = "p") -> ModelCall:
    """Return a request of a run."""
    return ModelCall(name, run_id, step, 1, "some:model", prefix, "manual", limits)


async def reserve(store: Store, wanted: ModelCall, usd: int = 40, tokens: int = 100) -> Reservation:
    """Set something aside for a request."""
    reply = await do(store, ReserveModelCall(wanted, Amount(usd, tokens), SECONDS))
    assert isinstance(reply, Reservation), "ReserveModelCall returns a Reservation"
    return reply


async def settle(
    store: Store, wanted: ModelCall, usd: int = 30, tokens: int = 57, usage: ModelUsage | None = USED
) -> None:
    """Say what a request cost."""
    await do(store, SettleModelCall(wanted, usage, Amount(usd, tokens)))


async def amounts(store: Store) -> dict[str, tuple[int, ...]]:
    """Return of each budget, by period: dollars spent and held, tokens spent and held."""
    found = await store.budgets()
    return {each.per: (each.spent.usd, each.held.usd, each.spent.tokens, each.held.tokens) for each in found}


async def a_request_is_paid_from_its_budgets(harness: StoreHarness) -> None:
    """What it may cost is set aside in each of them, and what it cost takes that place; each write counts once."""
    store = await harness.open()
    await own(store, await join(store), "a")
    wanted = call("c", "a", RUN, DAY)
    for _ in range(2):
        expect((await reserve(store, wanted)).granted, "there is enough")
        expect(await amounts(store) == {"run": (0, 40, 0, 100), "day": (0, 40, 0, 100)}, "set aside once")
    for _ in range(2):
        await settle(store, wanted)
        expect(await amounts(store) == {"run": (30, 0, 57, 0), "day": (30, 0, 57, 0)}, "spent once")
    by_period = {each.per: each for each in await store.budgets()}
    expect(by_period["run"].scope == "a" and by_period["run"].limit == Amount(100, 0), "a run's own")
    expect(len(by_period["day"].scope) == len("2026-11-30"), "a day's")


async def a_request_that_was_refused_costs_nothing(harness: StoreHarness) -> None:
    """What was set aside is there again, and nothing is noted."""
    store = await harness.open()
    await own(store, await join(store), "a")
    await reserve(store, call("c", "a", RUN))
    await settle(store, call("c", "a", RUN), 0, 0, None)
    expect(await amounts(store) == {"run": (0, 0, 0, 0)}, "nothing is spent, nothing is held")
    expect(await store.model_usage("model", 0.0) == [], "nothing is noted")
    expect(await store.run_model_usage("a") == [], "nor of the run")


async def many_that_ask_at_once_keep_to_a_budget(harness: StoreHarness) -> None:
    """No more is set aside than there is; the others wait for what is left over, until nothing is."""
    store = await harness.open()
    await own(store, await join(store), "a")
    wanted = [call(f"c{number}", "a", RUN) for number in range(8)]
    replies = await asyncio.gather(*(reserve(store, each) for each in wanted))
    granted = [each for each, reply in zip(wanted, replies, strict=True) if reply.granted]
    refused = [each for each, reply in zip(wanted, replies, strict=True) if not reply.granted]
    expect(len(granted) == 2, "two of 40 are within 100")
    expect(all(reply.waits for reply in replies if not reply.granted), "the others may hope")
    for each in granted:
        await settle(store, each, usd=20)
    expect((await reserve(store, refused[0])).granted, "what was not needed is there again")
    await settle(store, refused[0], usd=35)
    expect((await reserve(store, refused[1])).granted, "the last one may need more than is left, when it is alone")
    expect((await reserve(store, refused[2])).waits, "and only then")
    await settle(store, refused[1], usd=40)
    reply = await reserve(store, refused[2])
    expect(reply == Reservation(False, "models", "run", "a", waits=False), "nothing is left")
    expect((await reserve(store, call("other", "b", RUN))).granted, "of another run's there is")


async def a_budget_may_be_given_more(harness: StoreHarness) -> None:
    """Then requests are paid from it again, also after code said once more what it is, and parked runs go on."""
    store = await harness.open()
    execution, _ = await own(store, await join(store), "a")
    await reserve(store, call("c", "a", RUN), usd=100)
    await settle(store, call("c", "a", RUN), usd=100)
    expect(not (await reserve(store, call("d", "a", RUN))).granted, "nothing is left")
    park = ParkForBudget(execution, "models", "run", "a")
    expect(await do(store, park) is True, "the run is parked")
    record = await store.run("a")
    expect(record is not None and record.status == PARKED and "'models'" in record.parked, "and says why")
    expect(await do(store, GrantBudget("models", "run", "b", Amount(50))) is None, "there is no such budget")
    expect(await do(store, GrantBudget("models", "run", "a", Amount(50))) == 1, "one run goes on")
    record = await store.run("a")
    expect(record is not None and record.status == RUNNING, "it does")
    expect(await do(store, park) is False, "somebody who comes late with what was true before parks nothing")
    expect((await reserve(store, call("d", "a", RUN))).granted, "there is more")
    (budget,) = await store.budgets()
    expect((budget.limit.usd, budget.granted.usd) == (150, 50), "it is shown")
    expect(await store.budgets("a") == [budget], "and found by its scope")
    expect(await store.budgets("b") == [], "by no other")


async def a_request_nobody_ended_counts(harness: StoreHarness) -> None:
    """For all that was set aside: it may have been served. Should its end be told after all, that counts."""
    store = await harness.open()
    await own(store, await join(store), "a")
    await reserve(store, call("c", "a", RUN, DAY))
    harness.advance(SECONDS + 1)
    await reserve(store, call("d", "a", RUN, DAY))
    expect((await amounts(store))["run"] == (40, 40, 100, 100), "it is taken as spent")
    (lost,) = await store.run_model_usage("a")
    expect((lost.requests, lost.lost) == (0, 1), "it is shown")
    await settle(store, call("c", "a", RUN, DAY), usd=10, tokens=20)
    expect((await amounts(store))["run"] == (10, 40, 20, 100), "now it is known")
    (model,) = await store.model_usage("model", 0.0)
    expect((model.requests, model.lost) == (1, 0), "and counted among those that ended")


async def usage_is_summed_up(harness: StoreHarness) -> None:
    """By day, workflow, model and prefix, and by the steps of a run; what nobody said is not nothing."""
    store = await harness.open()
    await own(store, await join(store), "a")
    await settle(store, call("c", "a"))
    await settle(store, call("d", "a", step="ask#2"))
    silent = ModelUsage(10, None, None, 3)
    await settle(store, call("e", "a", step="ask#2", prefix=""), usage=silent)
    for by, keys in (("workflow", ["W"]), ("model", ["some:model"]), ("prefix", ["p"])):
        found = await store.model_usage(by, 0.0)
        expect([each.key for each in found] == keys, f"by {by}")
    (day,) = await store.model_usage("day", await store.now())
    expect(day.usage == ModelUsage(110, 80, 0, 17, 60, 90), "sums")
    expect((day.requests, day.unpriced, day.lost) == (3, 1, 0), "and counts")
    (prefix,) = await store.model_usage("prefix", 0.0)
    expect((prefix.name, prefix.usage.input_tokens) == ("manual", 100), "a prefix has a name")
    steps = await store.run_model_usage("a")
    expect([(each.key, each.requests) for each in steps] == [("ask#1", 1), ("ask#2", 2)], "in order")
    expect(await store.model_usage("day", await store.now() + 2 * 86_400) == [], "days before do not count")
    only = ModelUsage(10, None, None, 3)
    await settle(store, call("f", "b", prefix=""), usage=only)
    (unknown,) = await store.run_model_usage("b")
    expect(unknown.usage == only, "not known is not nothing")


async def sums_outlive_runs(harness: StoreHarness) -> None:
    """What a run's requests cost goes with its history; the days stay."""
    store = await harness.open()
    member = await join(store)
    execution, history = await own(store, member, "a")
    await reserve(store, call("c", "a", RUN, DAY))
    await settle(store, call("c", "a", RUN, DAY))
    await end(store, member, execution, history)
    harness.advance(5)
    await do(store, Prune(await store.now(), uncaptured=True))
    expect(await store.run_model_usage("a") == [], "nothing of the run")
    expect(set(await amounts(store)) == {"day"}, "nor its budget")
    (day,) = await store.model_usage("day", 0.0)
    expect(day.requests == 1, "its day is there")


CHECKS: Final[tuple[Check, ...]] = (
    a_request_is_paid_from_its_budgets,
    a_request_that_was_refused_costs_nothing,
    many_that_ask_at_once_keep_to_a_budget,
    a_budget_may_be_given_more,
    a_request_nobody_ended_counts,
    usage_is_summed_up,
    sums_outlive_runs,
)
