"""Changes of code: all found, each called by its name, at the right line; and no alarm for what changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.history import Decision, to_json
from holdfast.replay import History, WorkflowReplayer, load_history, locate
from tests.rehearsal import Rehearsal
from tests.unit.replay.rig import history_of, perform
from tests.unit.replay.shapes import CHANGES, PREAMBLE, SHAPES, Change, line_of, load, with_patch


def send(rehearsal: Rehearsal) -> None:
    """Send the message that one of the shapes waits for, once only the wait for it is left."""
    if set(rehearsal.execution.open) == {"sleep#1"} and rehearsal.program.signals:
        rehearsal.signal("go")


def record(source: str, folder: Path) -> History:
    """Return what a source's workflow leaves behind in production."""
    workflow, _ = load(source, folder, "automations")
    return history_of(perform(workflow, "a", before=send))


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.name)
def test_a_change_is_found_and_named(change: Change, tmp_path: Path) -> None:
    """Detected, classified, with both identities, and the file and line at which it shows."""
    history = record(change.before(), tmp_path)
    source = change.source()
    workflow, _ = load(source, tmp_path, "automations")
    result = WorkflowReplayer(workflow).replay(history)
    assert result.status == "DIVERGED"
    place = f"{tmp_path / 'automations.py'}:{line_of(source, change.line)}, in "
    if change.kind == "PAYLOAD_INCOMPATIBLE":
        assert result.verdict == change.kind
        first = result.payload_problems[0]
        assert first.what == f"the result of {change.recorded}"
        assert first.where.startswith(place)
        assert f"{first.what} does not fit" in result.diff()
        assert first.where in result.diff()
        return
    assert result.verdict == "DIVERGED"
    found = result.divergences[0]
    told = (found.kind.value, found.recorded and found.recorded.step, found.attempted and found.attempted.step)
    assert told == (change.kind, change.recorded or None, change.attempted or None), result.diff()
    assert found.where.startswith(place), f"{found.where} is not {place}"
    assert len(result.divergences) == 1, result.diff()


# --- No alarm ----------------------------------------------------------------------------------------------------

HARMLESS = [
    (
        "comments",
        "sequence",
        [("    await charge(first)", "    # money moves here\n    await charge(first)  # once")],
    ),
    (
        "logging",
        "sequence",
        [
            ("import asyncio\n", "import asyncio\nimport logging\nlogger = logging.getLogger('automations')\n"),
            ("    await charge(first)", "    logger.info('charging %s', first)\n    await charge(first)"),
        ],
    ),
    (
        "helper coroutines",
        "gather",
        [
            (
                "@workflow",
                (
                    "async def settle(first, second):\n"
                    "    await asyncio.gather(charge(first), undo(second), asyncio.sleep(60))\n\n"
                    "@workflow"
                ),
            ),
            (
                (
                    "    await asyncio.gather(\n        charge(first),\n        undo(second),\n"
                    "        asyncio.sleep(60),\n    )"
                ),
                "    await settle(first, second)",
            ),
        ],
    ),
    (
        "renamed local",
        "map",
        [
            ("weights = ", "kilograms = "),
            ("    first = await fetch(item)", "    found = await fetch(item)\n    first = found"),
        ],
    ),
    (
        "renamed attribute",
        "group",
        [("self.gone = ", "self.left = "), ("self.gone.wait", "self.left.wait"), ("self.gone.set", "self.left.set")],
    ),
]


@pytest.mark.parametrize(("shape", "edits"), [each[1:] for each in HARMLESS], ids=[each[0] for each in HARMLESS])
def test_what_changes_nothing_raises_no_alarm(shape: str, edits: list[tuple[str, str]], tmp_path: Path) -> None:
    """The code reads differently and decides the same."""
    source = PREAMBLE + SHAPES[shape]
    history = record(source, tmp_path)
    for old, new in edits:
        assert source.count(old) == 1
        source = source.replace(old, new)
    workflow, _ = load(source, tmp_path, "automations")
    result = WorkflowReplayer(workflow).replay(history)
    assert (result.status, result.verdict, result.divergences) == ("COMPLETED", "IDENTICAL", ())


@pytest.mark.parametrize("shape", SHAPES)
def test_an_added_patch_raises_no_alarm(shape: str, tmp_path: Path) -> None:
    """Old runs go the old way, and do not even know of it."""
    history = record(PREAMBLE + SHAPES[shape], tmp_path)
    workflow, _ = load(with_patch(shape), tmp_path, "automations")
    result = WorkflowReplayer(workflow).replay(history)
    assert (result.status, result.verdict, result.divergences) == ("COMPLETED", "IDENTICAL", ())


def test_there_are_seventy_two_changes() -> None:
    """Twelve kinds, each on six shapes."""
    assert {(each.shape, each.what) for each in CHANGES} == {
        (shape, what) for shape in SHAPES for what in {each.what for each in CHANGES}
    }
    assert len(CHANGES) == 72


@pytest.mark.parametrize("shape", SHAPES)
def test_unchanged_code_raises_no_alarm(shape: str, tmp_path: Path) -> None:
    """What the changes are changes of replays as it is."""
    workflow, _ = load(PREAMBLE + SHAPES[shape], tmp_path, "automations")
    result = WorkflowReplayer(workflow).replay(record(PREAMBLE + SHAPES[shape], tmp_path))
    assert (result.status, result.verdict) == ("COMPLETED", "IDENTICAL")


SEVERAL = [
    ("    await charge(first)\n", "    await bill(first)\n"),
    ("sleep(60)", "sleep(90)"),
    ('    await undo("done")\n', '    await audit("new")\n    await undo("done")\n'),
    ("return first", "return first * 2"),
]


def test_several_changes_are_all_told(tmp_path: Path) -> None:
    """Not only the first: each with its kind and its line."""
    source = PREAMBLE + SHAPES["sequence"]
    history = record(source, tmp_path)
    for old, new in SEVERAL:
        source = source.replace(old, new)
    workflow, _ = load(source, tmp_path, "automations")
    result = WorkflowReplayer(workflow).replay(history)
    told = [(each.kind.value, int(each.where.split(":")[1].split(",")[0])) for each in result.divergences]
    assert told == [
        ("RENAMED", line_of(source, "await bill(first)")),
        ("DURATION_CHANGED", line_of(source, "sleep(90)")),
        ("INSERTED", line_of(source, "await audit")),
        ("RESULT_CHANGED", line_of(source, "return first * 2")),
    ]


def test_a_step_that_is_gone_is_shown_at_the_line_where_it_was(tmp_path: Path) -> None:
    """Where the history was located before the change; the lines go through a file."""
    source = PREAMBLE + SHAPES["sequence"]
    history = locate(load(source, tmp_path, "automations")[0], record(source, tmp_path))
    history = load_history(to_json(history.events, places=history.places))
    workflow, _ = load(source.replace("    await charge(first)\n", ""), tmp_path, "automations")
    (found,) = WorkflowReplayer(workflow).replay(history).divergences
    assert found.recorded.where == f"{tmp_path}/automations.py:{line_of(source, 'await charge')}, in shape"
    decisions = sum(isinstance(each, Decision) for each in history.events)
    assert len(history.places) == decisions
    assert history.places[len(history.events)].endswith(f":{line_of(source, 'return first')}, in shape")
    again = locate(workflow, history)
    assert again.places[2] == history.places[2]
    assert again.places[4] == history.places[4]  # the code departs there, so what was known stays
