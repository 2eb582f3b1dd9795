"""Writes the histories of a version that are not there yet: `python -m tests.golden.write v0_1`. Never changes one.

Owns: what is kept of a history: the transcript for people, and the pages as they are stored.
Must not know: which workflows there are.
"""

from __future__ import annotations

import sys
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import msgspec

from holdfast.history import ROOT, AnyEvent, Failure, ItemOutcome, Page, seal, to_json
from tests.rehearsal import Rehearsal

HERE = Path(__file__).parent


class Stored(msgspec.Struct):
    """A history as a store keeps it."""

    pages: list[Page]
    blobs: dict[str, bytes]
    """Payloads outside the pages, by the hexadecimal of their digest."""


def store(events: list[AnyEvent], boundaries: list[int]) -> Stored:
    """Seal a history page by page."""
    blobs: dict[bytes, bytes] = {}
    pages: list[Page] = []
    head = ROOT
    for first, last in pairwise(boundaries):
        if last > first:
            pages.append(seal(events[first:last], first + 1, head, blobs))
            head = pages[-1].hash
    return Stored(pages, {digest.hex(): content for digest, content in blobs.items()})


def without_places(event: AnyEvent) -> AnyEvent:
    """Return an event without the places on this machine that a traceback names."""
    failure = getattr(event, "failure", None)
    if failure is None:
        return event
    changed: AnyEvent = msgspec.structs.replace(event, failure=msgspec.structs.replace(failure, traceback=""))
    return changed


def write(version: str) -> list[str]:
    """Write what is missing of a version's histories; return the names."""
    written = []
    for name, (_, scene) in import_module(f"tests.golden.{version}.scenes").SCENES.items():
        transcript = HERE / version / f"{name}.json"
        pages = HERE / version / f"{name}.pages"
        if transcript.exists() or pages.exists():
            continue
        stage = scene()
        if stage.execution.closed:
            stage.close()
        else:
            stage.write()
        stage.end()
        events = [without_places(each) for each in stage.history]
        transcript.write_bytes(to_json(events, outcomes=_outcomes_of(stage)))
        pages.write_bytes(msgspec.msgpack.encode(store(events, stage.boundaries)))
        written.append(name)
    return written


def _outcomes_of(stage: Rehearsal) -> dict[str, list[ItemOutcome]]:
    decode = msgspec.msgpack.Decoder(Failure).decode
    return {
        step: [body if ok else decode(body) for ok, body in outcomes.items] for step, outcomes in stage.outcomes.items()
    }


if __name__ == "__main__":
    print(*write(sys.argv[1]) or ["nothing is missing"], sep="\n")
