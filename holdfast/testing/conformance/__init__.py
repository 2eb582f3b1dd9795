"""What an implementation of a port has to do, as checks that run on every one of them.

Owns: the checks.
Must not know: any implementation.
"""

from holdfast.testing.conformance.store import CHECKS, Check, StoreHarness, expect

__all__ = ["CHECKS", "Check", "StoreHarness", "expect"]
