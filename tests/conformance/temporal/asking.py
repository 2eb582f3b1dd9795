"""Ask Temporal's own Replayer, in a process of its own.

Owns: the way to `judge.py` and back.
Must not know: the histories.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.programs import require_package

ROOT = Path(__file__).resolve().parents[3]
SECONDS_MAX = 170
SAYS = "judge: "


def judge(whose: str, histories: Sequence[bytes], folder: Path) -> list[str | None]:
    """Return what Temporal's Replayer says to each history, None for no objection; fewer where it hangs.

    Args:
        whose: `theirs`, `kin` or `ours`: the workflows that it replays them with.
        histories: the content of files.
        folder: where to put them.
    """
    require_package("temporalio", "temporal")
    files = [folder / f"{number}.json" for number in range(len(histories))]
    for file, history in zip(files, histories, strict=True):
        file.write_bytes(history)
    done = subprocess.run(
        [sys.executable, "-m", "tests.conformance.temporal.judge", whose, *map(str, files)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=True,
    )
    lines = done.stdout.splitlines()
    return [json.loads(line.removeprefix(SAYS)) for line in lines if line.startswith(SAYS)]
