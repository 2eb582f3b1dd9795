"""Programs that some tests start and Python's package index does not have.

Owns: what happens when one is missing: a skip with the command that installs it, a failure under CI.
Must not know: what any test does with its program.
"""

from __future__ import annotations

import os
import shutil

import pytest


def under_ci() -> bool:
    """Say whether this is a CI run, where a test that cannot run is a failure."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false", "no"}


def require_program(program: str, install: str) -> str:
    """Return the path of `program`, or end the test: skipped with the `install` command, failed under CI."""
    path = shutil.which(program)
    if path is not None:
        return path
    reason = f"{program} is not installed. To run this test: {install}"
    if under_ci():
        pytest.fail(f"{reason} (under CI a missing program is a failure)", pytrace=False)
    pytest.skip(reason)
