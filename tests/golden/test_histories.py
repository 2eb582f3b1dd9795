"""Histories written by released versions replay for ever, and are read for ever. They are never edited."""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path

import msgspec
import pytest

from holdfast.engine.execution import Execution
from holdfast.engine.recovery import recover
from holdfast.history import CLOSING, from_json, open_page, outside_payloads, to_json, verify_chain
from tests.golden.write import HERE, Stored
from tests.rehearsal import Rehearsal, Unguarded

FILES = sorted(path.relative_to(HERE).with_suffix("").as_posix() for path in HERE.glob("v*/*.json"))


def read(name: str, suffix: str) -> bytes:
    """Return the content of a file."""
    return (HERE / name).with_suffix(suffix).read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_it_replays(name: str) -> None:
    """Today's engine repeats every command of it."""
    version, _, scene = name.partition("/")
    workflow, _ = import_module(f"tests.golden.{version}.scenes").SCENES[scene]
    history = from_json(read(name, ".json"))
    program = Rehearsal(workflow).program
    execution = Execution(program, Unguarded(), history.open_fan_out, trace=True)
    try:
        tail = recover(execution, history.events)
        assert tail == []
        assert execution.closed == isinstance(history.events[-1], CLOSING)
    finally:
        execution.evict()


@pytest.mark.parametrize("name", FILES)
def test_its_transcript_is_still_written_like_that(name: str) -> None:
    """Byte for byte: the format has not drifted."""
    content = read(name, ".json")
    history = from_json(content)
    assert to_json(history.events, outcomes=history.outcomes, about=history.about) == content


@pytest.mark.parametrize("name", FILES)
def test_its_pages_still_open(name: str) -> None:
    """The stored form says the same as the transcript, and its chain holds."""
    stored = msgspec.msgpack.decode(read(name, ".pages"), type=Stored)
    events = [event for page in stored.pages for event in open_page(page.body)]
    for event, field, reference in outside_payloads(events):
        setattr(event, field, stored.blobs[reference.digest.hex()])
    assert events == from_json(read(name, ".json")).events
    assert verify_chain(stored.pages)[0] == len(events)


@pytest.mark.parametrize("version", sorted(path.name for path in HERE.glob("v*") if path.is_dir()))
def test_nothing_was_edited_or_lost(version: str) -> None:
    """The files, and the code they are about, are those that the version was released with."""
    sums = dict(reversed(line.split("  ")) for line in (HERE / version / "SHA256SUMS").read_text().splitlines())
    assert {path.name: _sum(path) for path in (HERE / version).iterdir() if path.name in sums} == sums
    assert {f"{name}{suffix}" for name in _scenes(version) for suffix in (".json", ".pages")} <= sums.keys()


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _scenes(version: str) -> list[str]:
    return list(import_module(f"tests.golden.{version}.scenes").SCENES)


def test_there_are_some() -> None:
    """An empty folder proves nothing."""
    assert len(FILES) >= 10
