"""What was measured: samples of one run, rows over all runs, ratios between systems.

Owns: medians, spread, which way is better.
Must not know: what the numbers mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import msgspec

OURS: Final = "holdfast"
"""What the product is called among the systems; set up in another way, its name begins like this."""


SPENT: Final = frozenset({"queries/s"})
"""Units of rates at which something is spent: less of it is better."""


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one process measured of one metric."""

    metric: str
    unit: str
    values: tuple[float, ...]
    """One for each round."""
    of: int = 1
    """How many single measurements each value stands for: 200 when it is a percentile of 200."""


class Row(msgspec.Struct, frozen=True):
    """One metric of one case and system, over all rounds of all processes."""

    case: str
    system: str
    metric: str
    value: float
    """The median."""
    unit: str
    low: float
    high: float
    n: int
    """How many rounds there were. `low` and `high` are the least and the greatest of them."""
    of: int
    """How many single measurements each round stands for."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times better the product did than a peer; below 1 it did worse."""

    case: str
    metric: str
    system: str
    times: float


def summarize(case: str, system: str, samples: Iterable[Sample]) -> list[Row]:
    """Return one row for each metric, in the order in which they first came."""
    gathered: dict[str, list[Sample]] = {}
    for sample in samples:
        gathered.setdefault(sample.metric, []).append(sample)
    rows = []
    for metric, each in gathered.items():
        values = [value for sample in each for value in sample.values]
        if values:
            middle, low, high = (_rounded(value) for value in (median(values), min(values), max(values)))
            rows.append(Row(case, system, metric, middle, each[0].unit, low, high, len(values), each[0].of))
    return rows


def is_rate(unit: str) -> bool:
    """Say whether more of it is better."""
    return unit.endswith("/s") and unit not in SPENT


def compare(rows: Sequence[Row]) -> list[Ratio]:
    """Return the product against each peer, wherever both have a row."""
    ours = {(row.case, row.metric): row for row in rows if row.system == OURS}
    ratios = []
    for row in rows:
        own = ours.get((row.case, row.metric))
        # The greatest of many is whatever disturbed the machine, and says nothing of either system.
        if row.system.startswith(OURS) or own is None or not own.value or not row.value or row.metric.endswith("max"):
            continue
        times = own.value / row.value if is_rate(row.unit) else row.value / own.value
        ratios.append(Ratio(row.case, row.metric, row.system, _rounded(times)))
    return ratios


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def percentiles(prefix: str, seconds: Sequence[float]) -> list[Sample]:
    """Return p50, p95, p99 and the greatest of some latencies, in milliseconds."""
    found = {f"p{percent}": percentile(seconds, percent) for percent in (50, 95, 99)} | {"max": max(seconds)}
    return [Sample(f"{prefix}{name}", "ms", (value * 1e3,), len(seconds)) for name, value in found.items()]


def _rounded(value: float) -> float:
    """Return a value with four significant digits: there is no more to any of them."""
    return float(f"{value:.4g}")
