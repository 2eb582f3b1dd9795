"""What our workflows left on a Temporal server replays here: children, messages, side effects, fan-outs, locks, pauses.

`kin/` was recorded on a real server, of the workflows in `kin.py` run by our own adapter; see `record_kin.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from holdfast.replay import Verdict, WorkflowReplayer, load_history
from tests.conformance.temporal import kin
from tests.conformance.temporal.asking import judge

HISTORIES = Path(__file__).parent / "kin"
FILES = {**{name: name for name in kin.INPUTS}, "counter_first": "counter"}
ENDS = {**kin.ENDS, "counter_first": ("CONTINUED_AS_NEW", 2)}
SIGNED = "asked"
"""Its callbacks are signed with the key of a store, which a plugin does not have."""


def recorded(name: str) -> list[dict[str, Any]]:
    """Return the events of a file."""
    events: list[dict[str, Any]] = json.loads((HISTORIES / f"{name}.json").read_text())["events"]
    return events


@pytest.mark.parametrize("name", FILES)
def test_what_our_adapter_left_on_temporal_replays_here(name: str) -> None:
    """Identical, to the same end with the same values."""
    result = WorkflowReplayer(kin.WORKFLOWS[FILES[name]]).replay(load_history(HISTORIES / f"{name}.json"))
    assert (result.verdict, result.divergences) == (Verdict.IDENTICAL, ()), result.diff()
    status, output = ENDS[name]
    assert result.status == status
    if status == "COMPLETED":
        assert result.output == output
    assert result.matches_production
    assert result.engine == "temporal"


@pytest.mark.parametrize("name", FILES)
def test_every_beginning_of_it_replays(name: str) -> None:
    """A run that is still under way agrees as far as it has come."""
    events = recorded(name)
    for count in range(1, len(events)):
        if "workflowTaskCompletedEventId" in str(events[count]) or "_UPDATE_" in events[count]["eventType"]:
            continue  # Temporal writes what one task decided in one piece
        result = WorkflowReplayer(kin.WORKFLOWS[FILES[name]]).replay(load_history({"events": events[:count]}))
        assert result.verdict in {Verdict.IDENTICAL, Verdict.COMPATIBLE_NEW_TAIL}, (count, result.diff())


def test_temporals_own_replayer_takes_it(tmp_path: Path) -> None:
    """With our plugin, so what replays here and there is the same."""
    files = [(HISTORIES / f"{name}.json").read_bytes() for name in FILES if name != SIGNED]
    assert judge("kin", files, tmp_path) == [None] * len(files)
