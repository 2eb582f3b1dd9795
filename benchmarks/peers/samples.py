"""Samples, as `benchmarks/rows.py` reads them. Peers' scripts have nothing of the product's, so they share these.

Owns: their form, percentiles.
Must not know: what is measured.
"""

import math


def sample(metric, unit, values, of=1):
    """Return what was measured of one metric, each value standing for `of` single measurements."""
    return {"metric": metric, "unit": unit, "values": values, "of": of}


def percentiles(prefix, seconds):
    """Return p50, p95, p99 and the greatest of some latencies, in milliseconds."""
    ordered = sorted(seconds)

    def rank(percent):
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]

    found = {f"p{percent}": rank(percent) for percent in (50, 95, 99)} | {"max": ordered[-1]}
    return [sample(f"{prefix}{name}", "ms", [value * 1e3], len(seconds)) for name, value in found.items()]
