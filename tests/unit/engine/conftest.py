"""What tests of the engine share: executions driven by hand that are gone when the test is over."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.rehearsal import Rehearsal


@pytest.fixture(scope="package", autouse=True)
def _everything_older_is_frozen() -> Iterator[None]:
    """Keep what is not these tests' own out of their collections, which take a tenth of a second otherwise."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def rehearse() -> Iterator[Callable[..., Rehearsal]]:
    """Return what makes rehearsals; they leave memory when the test is over."""
    made: list[Rehearsal] = []

    def make(workflow: Any, input: Any = None, *, begin: bool = True, **options: Any) -> Rehearsal:
        rehearsal = Rehearsal(workflow, **options)
        made.append(rehearsal)
        if begin:
            rehearsal.begin(input)
        return rehearsal

    yield make
    for each in made:
        each.end()
    made.clear()
    gc.collect()  # what a test's own cycles kept is not the engine's to answer for
