"""What users' type checkers see: right code passes, wrong code is pointed at."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SUBJECT = ROOT / "tests" / "typing" / "authoring.py"


def test_mypy_finds_exactly_the_planted_mistakes() -> None:
    """Decorated tasks, workflows and handlers keep their types; wrong calls are errors where they stand."""
    pytest.importorskip("mypy", reason="To run this test: pip install mypy")
    # No option that `make check` does not have, so that each finds the other's cache: half a minute without one.
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--no-error-summary",
            "--no-pretty",
            str(SUBJECT),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = {
        (int(line), code)
        for line, code in re.findall(r"authoring\.py:(\d+): error: .*\[([a-z-]+)\]$", done.stdout, re.MULTILINE)
    }
    planted = {
        (number, code.strip())
        for number, line in enumerate(SUBJECT.read_text().splitlines(), 1)
        if "  # error: " in line
        for code in line.split("  # error: ")[1].split(",")
    }
    assert planted
    assert found == planted, done.stdout + done.stderr
