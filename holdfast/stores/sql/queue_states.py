"""What `state` says of a queued task.

Owns: the numbers.
Must not know: who moves a row from one to another.
"""

from __future__ import annotations

from typing import Final

DELAYED: Final = 0
"""Not before its time."""
READY: Final = 1
CLAIMED: Final = 2
ASIDE: Final = 3
"""Its run is paused."""
PLACELESS: Final = 4
"""Waits in line for a place at a limit."""
KEYED: Final = 5
"""Ready, and takes turns with rows of other keys."""
RATED: Final = 6
"""Waits in line for its share of a rate."""
