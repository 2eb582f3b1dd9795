"""What an implementation of a port has to do, as checks that run on every one of them.

Owns: the checks.
Must not know: any implementation.
"""

from typing import Final

from holdfast.testing.conformance import operating, store, versions
from holdfast.testing.conformance.store import Check, StoreHarness, expect

CHECKS: Final[tuple[Check, ...]] = (*store.CHECKS, *operating.CHECKS, *versions.CHECKS)
"""Every check."""

__all__ = ["CHECKS", "Check", "StoreHarness", "expect"]
