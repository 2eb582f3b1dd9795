"""How hard properties try: the same examples everywhere under CI, new ones at home; never a deadline."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.programs import under_ci

_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

_PHASES = [
    Phase.explicit,
    Phase.reuse,
    Phase.generate,
    Phase.shrink,
]  # explaining a failure takes longer than finding it

settings.register_profile(
    "ci", phases=_PHASES, deadline=None, derandomize=True, suppress_health_check=_QUIET, print_blob=True
)
settings.register_profile("home", phases=_PHASES, deadline=None, suppress_health_check=_QUIET, print_blob=True)
settings.load_profile("ci" if under_ci() else "home")


@pytest.fixture(autouse=True)
def _cycles_are_collected() -> Iterator[None]:
    """Collect the groups and gathers of runs that left memory: they know their members, and are known by them."""
    yield
    gc.collect()
