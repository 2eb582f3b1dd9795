"""Files that are no histories any more: an error each, that names the event; no hang, no crash, and quickly."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from holdfast.errors import HistoryError
from holdfast.history import AnyEvent, Decision, History
from holdfast.replay import Verdict, WorkflowReplayer, load_history
from tests.golden.write import HERE

SCENES = import_module("tests.golden.v0_1.scenes").SCENES
FILES = {path.stem: path.read_bytes() for path in sorted(Path(HERE / "v0_1").glob("*.json"))}
SECONDS_MAX = 1.0
FREE = {"time", "worker", "attempts", "signal_id", "sender", "pool", "memo", "code_version", "python", "issued"}
"""Fields that no replay looks at."""

HUGE = [2**63, 2**64 + 1, -(2**70), 10**400, 1e308, -1e308, 1e19]
FOREIGN = [None, True, [], {}, "x", -1, 0.5, [1], {"a": 1}, "2026-01-01"]


def cut(content: bytes, chance: Random) -> bytes:
    """End somewhere."""
    return content[: chance.randrange(len(content) - 4)]


def flip(content: bytes, chance: Random) -> bytes:
    """Flip a few bits."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def on_document(change: Callable[[list[dict[str, Any]], Random], Any]) -> Callable[[bytes, Random], bytes]:
    """Return what changes the events of a file, as values."""

    def changed(content: bytes, chance: Random) -> bytes:
        document = json.loads(content)
        change(document["events"], chance)
        return json.dumps(document).encode()

    changed.__name__ = change.__name__
    return changed


@on_document
def reorder(events: list[dict[str, Any]], chance: Random) -> None:
    """Put an event somewhere else, and number them again."""
    if len(events) > 2:
        one, other = chance.sample(range(1, len(events)), 2)
        events.insert(other, events.pop(one))
    else:
        events.reverse()
    for number, each in enumerate(events, 1):
        each["id"] = number


@on_document
def repeat(events: list[dict[str, Any]], chance: Random) -> None:
    """Write an event twice, and number them again."""
    events.insert(chance.randrange(1, len(events) + 1), dict(chance.choice(events)))
    for number, each in enumerate(events, 1):
        each["id"] = number


@on_document
def drop(events: list[dict[str, Any]], chance: Random) -> None:
    """Leave an event out."""
    del events[chance.randrange(len(events) - 1)]


@on_document
def enlarge(events: list[dict[str, Any]], chance: Random) -> None:
    """Write a number that is too large for anything."""
    event = chance.choice(events)
    name = chance.choice([key for key, value in event.items() if isinstance(value, int | float)])
    event[name] = chance.choice(HUGE)


@on_document
def nest(events: list[dict[str, Any]], chance: Random) -> None:
    """Nest a value very deeply."""
    value: Any = 1
    for _ in range(chance.choice([100, 500, 900])):
        value = [value] if chance.random() < 0.5 else {"a": value}
    event = chance.choice(events)
    event[chance.choice(list(event))] = value


@on_document
def mistype(events: list[dict[str, Any]], chance: Random) -> None:
    """Write a value of another type."""
    event = chance.choice(events)
    event[chance.choice(list(event))] = chance.choice(FOREIGN)


MUTATIONS = [cut, flip, reorder, repeat, drop, enlarge, nest, mistype]


def mutations() -> Iterator[tuple[str, str, bytes]]:
    """Yield (scene, how, content) without end."""
    chance = Random(20261129)  # the same files in every process
    while True:
        for change in MUTATIONS:
            scene = chance.choice(list(FILES))
            yield scene, change.__name__, change(FILES[scene], chance)


def replay(scene: str, content: bytes) -> HistoryError | Verdict:
    """Return what is said of a file: that it is no history, or whether the code fits."""
    workflow = SCENES[scene][0]
    try:
        history = load_history(content)
        return WorkflowReplayer(workflow).replay(history).verdict
    except HistoryError as error:
        return error


def says_the_same(scene: str, content: bytes) -> bool:
    """Say whether a file still says all that its code decides by: it was hit where nobody looks."""
    return _sayings(load_history(content)) == _sayings(load_history(FILES[scene]))


def _sayings(history: History) -> tuple[Any, ...]:
    inputs = [_essence(each) for each in history.events if not isinstance(each, Decision)]
    decisions = [each for each in history.events if isinstance(each, Decision)]  # which may stand in any order
    return inputs, [_essence(each) for each in sorted(decisions, key=lambda each: (each.cause, each.ordinal))]


def _essence(event: AnyEvent) -> tuple[Any, ...]:
    fields = msgspec.structs.asdict(event)
    if not isinstance(event, Decision):
        fields = {name: fields[name] for name in ("step", "name", "update_id") if name in fields}
    return type(event), *(value for name, value in sorted(fields.items()) if name not in FREE | {"failure"})


def test_two_hundred_mutated_files_give_an_error_each() -> None:
    """What cannot be noticed is checked to be unnoticeable, and does not count."""
    refused = 0
    by_kind: dict[str, int] = {}
    for number, (scene, how, content) in enumerate(mutations()):
        started = time.process_time()
        told = replay(scene, content)
        took = time.process_time() - started
        assert took < SECONDS_MAX, f"{how} of {scene} (file {number}) took {took:.2f} s"
        if told in (Verdict.IDENTICAL, Verdict.COMPATIBLE_NEW_TAIL):
            cut_short = told is Verdict.COMPATIBLE_NEW_TAIL
            assert cut_short or says_the_same(scene, content), f"{how} of {scene} (file {number}) was not noticed"
            continue
        refused += 1
        by_kind[how] = by_kind.get(how, 0) + 1
        if refused == 200:
            break
    assert set(by_kind) == {each.__name__ for each in MUTATIONS}


def test_errors_name_the_event() -> None:
    """Whatever is wrong inside the events; a file of another kind has none."""
    nameless = []
    for number, (scene, how, content) in enumerate(mutations()):
        told = replay(scene, content)
        if isinstance(told, HistoryError) and not told.where.startswith("event ") and b'"event"' in content:
            nameless.append((number, how, str(told).splitlines()[0]))
        if number == 400:
            break
    assert [each for each in nameless if each[1] not in {"cut", "flip"}] == []
    assert len(nameless) < 20, nameless  # a flip in the head of the file, before the first event


@pytest.mark.parametrize("count", [10**9, 10**18])
def test_code_that_would_ask_for_ever_is_stopped(count: int) -> None:
    """A number in a payload is as large as somebody liked, and the code makes a step for each."""
    from tests.unit.replay.rig import perform
    from tests.unit.replay.works import steady

    recorded = perform(steady, 3)
    events = list(recorded.history)
    events[0] = msgspec.structs.replace(events[0], input=str(count).encode())
    started = time.process_time()
    result = WorkflowReplayer(steady).replay(History(events))
    assert time.process_time() - started < SECONDS_MAX
    assert result.verdict is Verdict.DIVERGED


def test_hostile_files_do_no_harm_where_work_is_done() -> None:
    """Also a replay that runs tasks ends, with a result or the one kind of error."""
    kept = 0
    for number, (scene, _, content) in enumerate(mutations()):
        started = time.process_time()
        try:
            result = WorkflowReplayer(SCENES[scene][0], tasks="rerun-failed").replay(load_history(content))
        except HistoryError:
            pass
        else:
            kept += bool(result.status)
        assert time.process_time() - started < SECONDS_MAX
        if number == 200:
            break
    assert kept > 20
