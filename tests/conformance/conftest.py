"""What tests of whole stacks share.

Owns: the nursery of stacks, there before anything that belongs to a test.
Must not know: scenarios.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.harness import KilledHarness
from tests.servers import nursery


@pytest.fixture(scope="session")
def nursery_of_stacks() -> Iterator[None]:
    """Have stacks that are killed come from a process that has loaded them."""
    nursery.here = nursery.Nursery(KilledHarness.program)
    try:
        yield
    finally:
        nursery.here.close()
        nursery.here = None
