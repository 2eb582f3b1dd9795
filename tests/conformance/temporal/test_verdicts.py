"""Changes of one workflow's code come to the same on a history of Temporal's and on one of SQLite.

`kin/trip.json` was recorded on a real Temporal server and `kin/trip_on_sqlite.json` on SQLite, by `record_kin.py`.
"""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest

from holdfast.replay import WorkflowReplayer, load_history
from tests.conformance.temporal import trip
from tests.conformance.temporal.record_kin import record_trips
from tests.servers.temporal import Temporal
from tests.unit.replay.shapes import load

FOLDER = Path(__file__).parent
SOURCE = Path(trip.__file__).read_text(encoding="utf-8")
SHAPE = "\n\nshape = trip\n"
CHANGES: dict[str, tuple[str, str, str, str]] = {
    # what: the code before, the code after, the verdict, the kind of the first divergence
    "comment": ("    booked = ", "    # where to\n    booked = ", "IDENTICAL", ""),
    "another task": ("packed = await pack(nights)", "packed = await book(str(nights))", "DIVERGED", "RENAMED"),
    "other input": ("await pack(nights)", "await pack(nights + 1)", "DIVERGED", "INPUT_CHANGED"),
    "other duration": ("asyncio.sleep(0.05)", "asyncio.sleep(5)", "DIVERGED", "DURATION_CHANGED"),
    "no timer": ("    await asyncio.sleep(0.05)\n", "", "DIVERGED", "REMOVED"),
    "a task more": ("    nights = ", '    await book("train")\n    nights = ', "DIVERGED", "INSERTED"),
    "another child": ("start_child(stay, 3)", "start_child(stay, 4)", "DIVERGED", "INPUT_CHANGED"),
    "no side effect": ("await side_effect(weather)", "21", "DIVERGED", "REMOVED"),
    "a side effect more": (
        "    nights = ",
        "    await side_effect(weather)\n    nights = ",
        "DIVERGED",
        "INSERTED",
    ),
    "an item more": ("[1, 2, 3]", "[1, 2, 3, 4]", "DIVERGED", "INPUT_CHANGED"),
    "another item": ("[1, 2, 3]", "[1, 2, 4]", "DIVERGED", "INPUT_CHANGED"),
    "another task for all items": ("map_tasks(weigh,", "map_tasks(pack,", "DIVERGED", "INPUT_CHANGED"),
    "no fan-out": ("await map_tasks(weigh, [1, 2, 3])", "[2, 4, 6]", "DIVERGED", "REMOVED"),
    "another lock": ('lock("bus")', 'lock("train")', "DIVERGED", "RENAMED"),
    "no lock": ('async with lock("bus"):', "if True:", "DIVERGED", "REMOVED"),
    "more than in the lock": (
        '        seat = await book("seat")\n',
        '        seat = await book("seat")\n        await book("meal")\n',
        "DIVERGED",
        "INSERTED",
    ),
    "another result": ("return [booked, ", "return [place, ", "DIVERGED", "RESULT_CHANGED"),
}


def judged(history: Path, source: str, folder: Path) -> tuple[str, str]:
    """Return the verdict on a history, and how the code first departs from it."""
    workflow, _ = load(source + SHAPE, folder, "trips")
    result = WorkflowReplayer(workflow).replay(load_history(history))
    return result.verdict.value, result.divergences[0].kind.value if result.divergences else ""


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_the_same_to_both_histories(what: str, tmp_path: Path) -> None:
    """By verdict and by kind."""
    before, after, verdict, kind = CHANGES[what]
    assert SOURCE.count(before) == 1
    source = SOURCE.replace(before, after)
    told = {name: judged(FOLDER / "kin" / f"{name}.json", source, tmp_path) for name in ("trip", "trip_on_sqlite")}
    assert told == {"trip": (verdict, kind), "trip_on_sqlite": (verdict, kind)}


def test_the_code_as_it_is_fits(tmp_path: Path) -> None:
    """So that what differs, differs because of the change."""
    for name in ("trip", "trip_on_sqlite"):
        assert judged(FOLDER / "kin" / f"{name}.json", SOURCE, tmp_path) == ("IDENTICAL", "")


def test_what_they_were_recorded_by_says_which_is_which() -> None:
    """A verdict names the engine that it holds for."""

    def engine(name: str) -> Any:
        return load_history(FOLDER / "kin" / f"{name}.json").engine

    assert (engine("trip"), engine("trip_on_sqlite")) == ("temporal", "holdfast")


def test_both_recorded_just_now_come_to_the_same(temporal_server: Temporal, tmp_path: Path) -> None:
    """On the server and the SQLite that are here."""
    histories = dict(zip(("there", "here"), asyncio.run(record_trips(temporal_server, tmp_path)), strict=True))
    gc.collect()  # nothing else closes a connection of the SDK's
    for name, content in histories.items():
        (tmp_path / f"{name}.json").write_bytes(content)
    for before, after, verdict, kind in CHANGES.values():
        source = SOURCE.replace(before, after)
        told = {name: judged(tmp_path / f"{name}.json", source, tmp_path) for name in histories}
        assert told == {"there": (verdict, kind), "here": (verdict, kind)}
