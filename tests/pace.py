"""How busy this machine is: what is promised within seconds is promised on a machine that has time for it.

Owns: the measure.
Must not know: which promise is measured by it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Final

START_SECONDS: Final = 0.05
"""What starting an interpreter takes at the most where nothing else runs."""


def stretched(seconds: float) -> float:
    """Return `seconds`, or as many times more as starting an interpreter takes longer now than on an idle machine."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True)
    return seconds * max(1.0, (time.monotonic() - began) / START_SECONDS)
