"""The garbage collector of a process that serves.

Owns: when it looks at what.
Must not know: what lives in the process.
"""

from __future__ import annotations

import gc


def tune_gc() -> None:
    """Keep the garbage collector from walking what lives long again and again.

    Live runs are long-lived and are given back without it; walking all of them costs 1.7 times the throughput
    (measured over 20,000 live runs). A controller without any spends a twelfth of its time on walking its own code.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
