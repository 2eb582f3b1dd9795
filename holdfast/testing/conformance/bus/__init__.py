"""What a bus has to do.

Owns: the checks on `holdfast.ports.bus.Bus`, by what they are about.
Must not know: how rings travel, which test runner calls.

Each check is an async function of a `BusHarness`, on which nothing is open. CHECKS are for every bus, those in OUTAGES
for one that goes by way of a server:

    for check in CHECKS:
        asyncio.run(check(MyHarness(...)))
"""

from typing import Final

from holdfast.testing.conformance.bus import outages, ringing
from holdfast.testing.conformance.bus.harness import BusHarness, Check, OutageCheck, ServerHarness

CHECKS: Final[tuple[Check, ...]] = ringing.CHECKS
"""What holds for every bus."""
OUTAGES: Final[tuple[OutageCheck, ...]] = outages.OUTAGES
"""What holds besides, for a bus that goes by way of a server."""

__all__ = ["CHECKS", "OUTAGES", "BusHarness", "Check", "OutageCheck", "ServerHarness"]
