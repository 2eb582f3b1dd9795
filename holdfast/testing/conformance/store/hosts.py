"""What a store has to do with hosts that tasks call.

Owns: these checks on `holdfast.ports.store.Store`; see `holdfast.testing.conformance.store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Final

from holdfast.ports.hosts import COOL_SECONDS, FAILURES_MIN, Frozen, HostReply, Outcomes, Probe, Probed, Turn
from holdfast.ports.operations import TellHost
from holdfast.testing.conformance.store.harness import Check, StoreHarness, do, expect


async def a_host_is_known_to_everybody(harness: StoreHarness) -> None:
    """What one process tells of a host is read by all; nothing is known of others."""
    store = await harness.open()
    expect(await store.hosts() == [], "nothing is known at first")
    now = await store.now()
    reply = await do(store, TellHost("b.example", Frozen(30.0, "r/post#1", 10.0, 1.0)))
    expect(isinstance(reply, HostReply) and reply.state.frozen_until >= now + 30.0, "it is frozen")
    await do(store, TellHost("a.example", Outcomes(1, 4, "500")))
    records = await store.hosts()
    expect([each.host for each in records] == ["a.example", "b.example"], "by name")
    expect(records[1].state == reply.state, "as it was told")
    expect((records[0].state.failed, records[0].state.succeeded) == (1, 4), "counts are kept")
    limits = [each for each in await store.limits() if each.kind == "host"]
    expect({each.name: each.circuit for each in limits} == dict.fromkeys(("a.example", "b.example"), "closed"), "shown")
    expect((limits[1].limit, limits[1].per_seconds, limits[1].frozen_by) == (10.0, 1.0, "r/post#1"), "with its pace")
    expect(limits[1].frozen_until == reply.state.frozen_until, "and until when it is frozen")


async def failures_of_all_open_one_circuit(harness: StoreHarness) -> None:
    """Failures told by different processes are counted together, at once as well; one caller alone may probe."""
    store = await harness.open()
    tellings = [store.write([TellHost("h", Outcomes(1, 0, f"reset {number}"))]) for number in range(FAILURES_MIN)]
    await asyncio.gather(*tellings)
    (record,) = await store.hosts()
    expect(record.state.open_until > await store.now(), "it is open")
    refused = await do(store, TellHost("h", Probe("me")))
    expect(not refused.granted and refused.at == record.state.open_until, "nobody probes yet")
    harness.advance(COOL_SECONDS + 1.0)
    (first,), (second,) = await asyncio.gather(*(store.write([TellHost("h", Probe(by))]) for by in ("a", "b")))
    expect(first.granted != second.granted, "one probes")
    (shown,) = await store.limits()
    expect((shown.circuit, shown.reason[:5]) == ("half-open", "reset"), "it is shown")
    await do(store, TellHost("h", Probed(first.state.probe_by, succeeded=True)))
    expect((await store.hosts())[0].state.circuit(await store.now()) == "closed", "it is back")


async def turns_are_given_out_once(harness: StoreHarness) -> None:
    """Of many that ask at once, each gets another turn."""
    store = await harness.open()
    await do(store, TellHost("h", Frozen(0.0, "", 10.0, 1.0)))
    answers = await asyncio.gather(*(store.write([TellHost("h", Turn())]) for _ in range(8)))
    turns = sorted(reply.at for (reply,) in answers)
    gaps = [later - earlier for earlier, later in pairwise(turns)]
    expect(all(reply.granted for (reply,) in answers), "all of them are soon")
    expect(min(gaps) > 0.09, "no two at the same time")


CHECKS: Final[tuple[Check, ...]] = (
    a_host_is_known_to_everybody,
    failures_of_all_open_one_circuit,
    turns_are_given_out_once,
)
