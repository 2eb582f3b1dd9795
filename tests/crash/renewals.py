"""A lease that is a file: renewing it adds a line, and it is lost when another file says so."""

from __future__ import annotations

import os
import time
from pathlib import Path


def beat(arguments, state):
    """Add a line: when, who, and how the member is."""
    with Path(arguments["file"]).open("a", encoding="utf-8") as file:
        file.write(f"{time.monotonic()} {os.getpid()} {state}\n")
    return not Path(arguments["file"] + ".lost").exists()


def beat_badly(arguments, state):
    """Fail every other time."""
    beat(arguments, state)
    if len(Path(arguments["file"]).read_text(encoding="utf-8").splitlines()) % 2:
        raise OSError("the store is elsewhere")
    return True
