"""What a store has to do.

Owns: the checks on `holdfast.ports.store.Store`, by what they are about.
Must not know: which database is behind it, which test runner calls.

Each check is an async function of a `StoreHarness` over an empty store; CHECKS lists them all. The harness is what a
test of one implementation provides:

    for check in CHECKS:
        asyncio.run(check(MyHarness(...)))
"""

from typing import Final

from holdfast.testing.conformance.store import (
    children,
    claims,
    contracts,
    deliveries,
    drifts,
    exchanges,
    gatherings,
    histories,
    hosts,
    limits,
    mail,
    members,
    model_calls,
    notices,
    operating,
    pools,
    prefixes,
    pruning,
    reads,
    schedules,
    starts,
    streams,
    successors,
    versions,
)
from holdfast.testing.conformance.store.harness import Check, StoreHarness, expect

CHECKS: Final[tuple[Check, ...]] = (
    *histories.CHECKS,
    *mail.CHECKS,
    *claims.CHECKS,
    *members.CHECKS,
    *reads.CHECKS,
    *operating.CHECKS,
    *versions.CHECKS,
    *children.CHECKS,
    *successors.CHECKS,
    *pruning.CHECKS,
    *notices.CHECKS,
    *deliveries.CHECKS,
    *schedules.CHECKS,
    *gatherings.CHECKS,
    *limits.CHECKS,
    *pools.CHECKS,
    *prefixes.CHECKS,
    *hosts.CHECKS,
    *model_calls.CHECKS,
    *streams.CHECKS,
    *starts.CHECKS,
    *drifts.CHECKS,
    *contracts.CHECKS,
    *exchanges.CHECKS,
)
"""Every check."""

__all__ = ["CHECKS", "Check", "StoreHarness", "expect"]
