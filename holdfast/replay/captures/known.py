"""Which executions a folder has captures of, without reading the captures.

Owns: what tells one execution from another in the head of a file, and the name under which another one goes.
Must not know: how captures are made, engines.

A name alone does not tell: executions that others have started on a cluster may share an id, and run ids that are
secret share a placeholder.
"""

from __future__ import annotations

from typing import TypeAlias

from holdfast.history import History
from holdfast.ports.captures import CaptureEntry
from holdfast.ports.operations import RunRecord
from holdfast.replay.captures.folder import SUFFIX, CaptureFolder, read_entry
from holdfast.replay.captures.making import capture_name, iso

CaptureKey: TypeAlias = tuple[str, str, str, str]
"""Workflow, execution, when it began and when it ended."""


def key_of(record: RunRecord) -> CaptureKey:
    """Return what a capture of an execution is known by."""
    closed = iso(record.closed_at) if record.closed_at is not None else ""
    return record.workflow, record.execution, iso(record.created_at), closed


def key_of_entry(entry: CaptureEntry) -> CaptureKey:
    """Return what a capture is known by that has a note."""
    assert entry.note is not None, "it was looked at"
    return entry.workflow, entry.execution, entry.note.created_at, entry.note.closed_at


def known_captures(folder: CaptureFolder) -> dict[CaptureKey, CaptureEntry]:
    """Return the captures of a folder by what they are known by. Of a secret run id only the name tells."""
    return {key_of_entry(entry): entry for entry in folder.entries() if entry.note is not None}


def name_in(folder: CaptureFolder, capture: History, record: RunRecord) -> tuple[str, bool]:
    """Return a capture's name in a folder, and whether the folder has it."""
    name = capture_name(capture, record)
    if not folder.has(name):
        return name, False
    entry = read_entry(folder.path / f"{name}{SUFFIX}")
    assert capture.capture is not None, "a capture has a note"
    if entry is None or entry.note is None or entry.note.created_at == capture.capture.created_at:
        return name, True
    name = f"{name}.x{record.execution_id}"  # another execution of the same name
    return name, folder.has(name)
