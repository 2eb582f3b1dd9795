"""What a store has to do with what was learned of answers, and with what hosts give up.

Owns: these checks on `holdfast.ports.store.Store`; see `holdfast.testing.conformance.store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec.structs import replace

from holdfast.ports.mappings import Convert
from holdfast.ports.operations import (
    ContractRecord,
    DriftChange,
    KeepContract,
    NoteRetirement,
    RelearnContract,
    ReportDrift,
    RetirementRecord,
    SettleDrift,
    Started,
)
from holdfast.testing.conformance.store.harness import Check, StoreHarness, do, expect, start

FIRST: Final = ContractRecord("h", "GET /x/{}", 1, 1, is_learned=False, answers=1, body=b'{"contract":{"answers":1}}')
VERSIONS_KEPT: Final = 20


async def a_contract_is_learned_by_all_together(harness: StoreHarness) -> None:
    """Of those that keep something at once one does, and the others are told; no revision or version is skipped."""
    store = await harness.open()
    expect(await store.contract("h", "GET /x/{}") is None, "nothing is known at first")
    kept = await asyncio.gather(*(store.write([KeepContract(FIRST)]) for _ in range(4)))
    expect(sorted(result for (result,) in kept) == [False, False, False, True], "one is kept")
    second = replace(FIRST, revision=2, is_learned=True, answers=2, body=b'{"contract":{"answers":2}}')
    for wrong in (replace(second, revision=3), replace(second, version=3), replace(second, version=0)):
        expect(await do(store, KeepContract(wrong)) is False, "it is not the next one")
    expect(await do(store, KeepContract(second)) is True, "this one is")
    found = await store.contract("h", "GET /x/{}")
    expect(found is not None and replace(found, since=0.0) == second, "it comes back as it was kept")
    expect(found is not None and found.since > 0.0, "with when it was")
    expect(len(await store.contract_versions("h", "GET /x/{}")) == 1, "it is one version still")
    expect(await store.contract("h", "POST /x/{}") is None, "what is called otherwise is another matter")


async def contracts_are_listed_by_their_newest_versions(harness: StoreHarness) -> None:
    """By host and endpoint; of each, the newest versions are kept."""
    store = await harness.open()
    for endpoint in ("GET /b", "GET /a"):
        for number in range(1, VERSIONS_KEPT + 3):
            await do(store, KeepContract(replace(FIRST, endpoint=endpoint, version=number, revision=number)))
    await do(store, KeepContract(replace(FIRST, host="a", endpoint="GET /z")))
    listed = [(each.host, each.endpoint, each.version) for each in await store.contracts()]
    newest = VERSIONS_KEPT + 2
    expect(listed == [("a", "GET /z", 1), ("h", "GET /a", newest), ("h", "GET /b", newest)], "the newest, in order")
    versions = [each.version for each in await store.contract_versions("h", "GET /a")]
    expect(versions == list(range(newest, 2, -1)), "the newest first, and the oldest are gone")


async def a_contract_is_learned_anew(harness: StoreHarness) -> None:
    """When somebody says so, and when a drift is settled without a mapping: as the next version."""
    store = await harness.open()
    expect(await do(store, RelearnContract("h", FIRST.endpoint, "ada")) == 0, "there is none")
    await do(store, KeepContract(replace(FIRST, is_learned=True)))
    expect(await do(store, RelearnContract("h", FIRST.endpoint, "ada")) == 2, "the next version")
    expect(await do(store, RelearnContract("h", FIRST.endpoint, "ada")) == 2, "which is begun once")
    begun = await store.contract("h", FIRST.endpoint)
    expect(begun is not None and (begun.is_learned, begun.answers, begun.body) == (False, 0, b""), "nothing is known")
    await do(store, KeepContract(replace(FIRST, version=2, revision=3, is_learned=True)))
    started: Started = await do(store, start("r"))
    report = ReportDrift(started.execution_id, "h", FIRST.endpoint, "v2", (DriftChange("a", "a value", "nothing"),))
    drift = await do(store, report)
    await do(store, SettleDrift(drift, "ada", 10, (Convert("a", "text"),)))
    mapped = await store.contract("h", FIRST.endpoint)
    expect(mapped is not None and mapped.version == 2, "a mapping leaves it as it is")
    await do(store, SettleDrift(await do(store, report), "ada", 10))
    settled = await store.contract("h", FIRST.endpoint)
    expect(settled is not None and (settled.version, settled.is_learned) == (3, False), "it is learned anew")


async def what_a_host_gives_up_is_news_once(harness: StoreHarness) -> None:
    """Until it says something else; when it was first heard stays."""
    store = await harness.open()
    note = NoteRetirement("h", "GET /x", 5.5, None, "https://h.example/why", "a")
    expect(await do(store, note) is True, "it is news")
    expect(await do(store, replace(note, run_id="b")) is False, "and then no more")
    (first,) = await store.retirements()
    expect(await do(store, replace(note, sunset_at=9.5, run_id="b")) is True, "another date is")
    await do(store, replace(note, endpoint="GET /a"))
    records = await store.retirements()
    expect([each.endpoint for each in records] == ["GET /a", "GET /x"], "by endpoint")
    expected = RetirementRecord("h", "GET /x", 5.5, 9.5, "https://h.example/why", first.first_seen, "a")
    expect(records[1] == expected, "as it was said last, and heard first")


CHECKS: Final[tuple[Check, ...]] = (
    a_contract_is_learned_by_all_together,
    contracts_are_listed_by_their_newest_versions,
    a_contract_is_learned_anew,
    what_a_host_gives_up_is_news_once,
)
