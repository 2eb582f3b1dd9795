"""Histories from files, and what is said of files that hold none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from holdfast.errors import HistoryError
from holdfast.replay import load_history
from tests.unit.replay.rig import file_of, perform
from tests.unit.replay.works import steady


@pytest.fixture(scope="module")
def content() -> bytes:
    """Return a history as a file."""
    return file_of(perform(steady, 3))


def test_a_path_bytes_and_an_object_say_the_same(content: bytes, tmp_path: Path) -> None:
    """Whatever a history comes in, it is the same history."""
    file = tmp_path / "run.json"
    file.write_bytes(content)
    given = [load_history(each) for each in (file, str(file), content, json.loads(content))]
    assert all(each.events == given[0].events for each in given)
    assert given[0].started.workflow == "steady"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere.json", "cannot be read: No such file"),
        ("nul\0.json", "cannot be read: embedded null"),
        (b"", "no history"),
        (b"[1, 2]", "no history"),
        (b"[" * 100_000, "no history"),
        (b"\xff\xfe", "no history"),
        ({"format": "holdfast-history/9"}, "holdfast-history/9"),
        ({"format": "somebody's"}, "somebody's"),
        ({"events": object()}, "the object is no history"),
    ],
)
def test_what_is_no_history_is_refused(source: object, words: str) -> None:
    """With the reason, and as one kind of error."""
    with pytest.raises(HistoryError) as caught:
        load_history(source)  # type: ignore[arg-type]
    assert words in str(caught.value)
