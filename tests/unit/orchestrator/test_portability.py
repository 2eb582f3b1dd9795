"""A run that would not fit on Temporal is warned of, once, where somebody wants to be able to move there."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from holdfast import Holdfast, task, workflow
from holdfast.orchestrator import portability


@task
async def copy(text: str, times: int) -> str:
    """Return a text so many times."""
    return text * times


@workflow
async def grow(sizes: list[int]) -> int:
    """Have texts of so many bytes made."""
    return sum([len(await copy("x", size)) for size in sizes])


@workflow
async def keep(text: str) -> int:
    """Be started with a text."""
    return len(text)


def test_a_run_that_begins_with_too_much_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its input was written before this process had it."""
    store = f"sqlite:///{tmp_path}/holdfast.db"
    text = "x" * portability.PAYLOAD_BYTES_MAX
    with caplog.at_level(logging.WARNING), Holdfast([], store, definitions=[keep], tune_gc=False, portable=True) as app:
        assert app.start(keep, text, id="k-1").result(timeout=30) == len(text)
    assert caplog.text.count("has a payload that Temporal would refuse") == 1


@pytest.mark.parametrize(
    ("portable", "sizes", "warned"),
    [
        (True, [portability.PAYLOAD_BYTES_MAX - 1] * 2, ["payload"]),  # with its quotes
        (True, [portability.PAYLOAD_BYTES_MAX - 2], []),
        (True, [1] * 6, ["events"]),
        (True, [1] * 4, []),
        (False, [portability.PAYLOAD_BYTES_MAX + 1] * 5, []),
    ],
)
def test_what_temporal_would_not_take_is_warned_of_once(
    portable: bool,
    sizes: list[int],
    warned: list[str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run goes on."""
    monkeypatch.setattr(portability, "EVENTS_WARNED", 11)
    store = f"sqlite:///{tmp_path}/holdfast.db"
    with (
        caplog.at_level(logging.WARNING),
        Holdfast([], store, definitions=[copy, grow], tune_gc=False, portable=portable) as app,
    ):
        assert app.start(grow, sizes, id="g-1").result(timeout=30) == sum(sizes)
    said = {"payload": "has a payload that Temporal would refuse", "events": "would soon be ended on Temporal"}
    assert [caplog.text.count(words) for words in said.values()] == [kind in warned for kind in said]
