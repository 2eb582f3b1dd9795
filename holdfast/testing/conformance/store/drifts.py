"""What a store has to do with answers that are not as code expects them.

Owns: these checks on `holdfast.ports.store.Store`; see `holdfast.testing.conformance.store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from holdfast.ports.mappings import Convert, Move
from holdfast.ports.operations import (
    PARKED,
    RUNNING,
    DriftChange,
    ProposedMapping,
    ProposeMappings,
    RecordExchanges,
    ReportDrift,
    SettleDrift,
    Started,
)
from holdfast.testing.conformance.store.harness import Check, StoreHarness, do, expect, start

if TYPE_CHECKING:
    from holdfast.ports.store import Store

CHANGES: Final = (DriftChange("data[].amount", "a valid integer", "text"),)


async def begin(store: Store, *names: str) -> list[int]:
    """Start runs; return their executions."""
    started: list[Started] = [await do(store, start(name)) for name in names]
    return [each.execution_id for each in started]


async def statuses(store: Store, *names: str) -> list[str]:
    """Return how runs stand."""
    found = [await store.run(name) for name in names]
    return [each.status for each in found if each is not None]


async def a_drift_parks_all_runs_under_one_report(harness: StoreHarness) -> None:
    """Also when many report it at once; whoever looks at the host learns of it."""
    store = await harness.open()
    executions = await begin(store, "a", "b", "c", "other")
    reports = [ReportDrift(each, "h", "GET /x/{}", "Charge", CHANGES) for each in executions[:2]]
    reports.append(ReportDrift(executions[2], "h", "GET /x/{}", "Charge"))
    (first,) = await store.write(reports[:1])
    results = await asyncio.gather(*(store.write([each]) for each in reports))
    expect({first, *(number for (number,) in results)} == {first}, "one report")
    expect(await statuses(store, "a", "b", "c", "other") == [PARKED, PARKED, PARKED, RUNNING], "who met it is parked")
    (record,) = await store.drifts()
    expect((record.drift, record.host, record.endpoint) == (first, "h", "GET /x/{}"), "it says what was called")
    expect((record.changes, record.contract, record.first_run) == (CHANGES, "Charge", "a"), "and what differs")
    expect((record.runs, record.parked, record.settled_at) == (3, 3, None), "and how many are parked")
    (host,) = await store.hosts()
    expect(host.state.drifting == {"GET /x/{}": first}, "the host's state names it")
    run = await store.run("a")
    expect(run is not None and run.parked.startswith(f"drift {first}: "), "so does the run")


async def a_settled_drift_lets_runs_go_on_in_parts(harness: StoreHarness) -> None:
    """No more at a time than are asked for; what comes later is another report."""
    store = await harness.open()
    executions = await begin(store, "a", "b", "c", "d")
    for each in executions[:3]:
        await do(store, ReportDrift(each, "h", "GET /x", "Charge", CHANGES))
    ((record),) = await store.drifts()
    expect(await do(store, SettleDrift(record.drift + 1, "ada", 2)) is None, "there is no such report")
    parts = [await do(store, SettleDrift(record.drift, "ada", 2)) for _ in range(3)]
    expect(parts == [2, 1, 0], "in parts")
    expect(await statuses(store, "a", "b", "c") == [RUNNING] * 3, "they go on")
    (settled,) = await store.drifts()
    expect((settled.settled_by, settled.parked, settled.runs) == ("ada", 0, 3), "it is settled")
    expect((await store.hosts())[0].state.drifting == {}, "calls are made again")
    expect(await do(store, ReportDrift(executions[3], "h", "GET /x", "Charge")) == 0, "who only heard of it is late")
    expect(await statuses(store, "d") == [RUNNING], "and goes on")
    await do(store, ReportDrift(executions[3], "h", "GET /x", "Charge", CHANGES))
    expect(len(await store.drifts()) == 2, "a later one is another one")


async def an_accepted_drift_leaves_a_mapping(harness: StoreHarness) -> None:
    """Whoever looks at the host learns how to read its answers, until a later report is settled without one."""
    store = await harness.open()
    first, second = await begin(store, "a", "b")
    await do(store, ReportDrift(first, "h", "GET /x", "Charge", CHANGES))
    await do(store, ReportDrift(second, "h", "GET /x", "Charge", CHANGES))
    (record,) = await store.drifts()
    await do(store, RecordExchanges(second, "t#1", b"calls"))
    expect(await store.drifted(record.drift, 10) == [second], "runs with recorded calls are found")
    expect(await store.drifted(record.drift + 1, 10) == [], "under their report")
    mapping = (Move("price.cents", "cents"), Convert("cents", "number"))
    expect(await do(store, SettleDrift(record.drift, "ada", 10, mapping)) == 2, "all go on")
    (host,) = await store.hosts()
    expect(host.state.mappings == {"GET /x": mapping}, "the host's state has the mapping")
    await do(store, ReportDrift(first, "h", "GET /x", "Charge", CHANGES))
    expect((await store.hosts())[0].state.mappings == {"GET /x": mapping}, "another report leaves it")
    await do(store, SettleDrift((await store.drifts())[0].drift, "ada", 10))
    expect((await store.hosts())[0].state.mappings == {}, "which ends it when it is settled without one")


async def what_is_proposed_stands_in_the_report(harness: StoreHarness) -> None:
    """What was proposed last, until the report is settled; no other report has it."""
    store = await harness.open()
    first, second = await begin(store, "a", "b")
    one = await do(store, ReportDrift(first, "h", "GET /x", "Charge", CHANGES))
    other = await do(store, ReportDrift(second, "h", "GET /y", "Charge", CHANGES))
    expect([each.proposals for each in await store.drifts()] == [(), ()], "nothing is proposed at first")
    proposals = (
        ProposedMapping((Move("price.cents", "cents"),), "a", ("b",)),
        ProposedMapping((Convert("cents", "number"),), "a", (), ("b",)),
    )
    expect(await do(store, ProposeMappings(one, proposals)) is True, "it is kept")
    expect([each.proposals for each in await store.drifts()] == [(), proposals], "in its report alone")
    expect([each.holds for each in proposals] == [True, False], "a proof that fails on one run is none")
    expect(await do(store, ProposeMappings(one, proposals[1:])) is True, "and gives way to what comes later")
    expect((await store.drifts())[1].proposals == proposals[1:], "which stands alone")
    await do(store, SettleDrift(one, "ada", 10))
    expect(await do(store, ProposeMappings(one, proposals)) is False, "one that is settled takes none")
    expect(await do(store, ProposeMappings(other + 1, proposals)) is False, "nor does one that is not there")


CHECKS: Final[tuple[Check, ...]] = (
    an_accepted_drift_leaves_a_mapping,
    a_drift_parks_all_runs_under_one_report,
    a_settled_drift_lets_runs_go_on_in_parts,
    what_is_proposed_stands_in_the_report,
)
