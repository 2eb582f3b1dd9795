"""What a capture says about the run it was made from.

Owns: its fields, and how they stand in a file.
Must not know: how captures are made, where they are kept.
"""

from __future__ import annotations

import msgspec

from holdfast.history.failures import Failure


class CaptureNote(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The member `capture` of a history file: why, when and from what it was made. Times are ISO 8601, UTC."""

    reason: str
    """`failed`, `timed out`, `diverged`, `sampled`, or `asked for`."""
    status: str
    """The run's status when it was captured: FAILED, TIMED_OUT, PARKED, COMPLETED, RUNNING, ..."""
    captured_at: str
    created_at: str
    closed_at: str = ""
    failure: CapturedFailure | None = None
    """How the run ended, when it failed."""
    parked: str = ""
    """Why the run was parked, when it is."""
    code_version: str = ""
    """Version of the workflow's code that the run was started with."""
    module: str = ""
    """Module in which the process that made the capture has the workflow, such as `automations`."""
    name: str = ""
    """The workflow's name in that module, such as `ReviewBatch`."""
    holdfast: str = ""
    """Version of Holdfast that made the capture."""
    secrets: int = 0
    """How many different secrets were taken out."""


class CapturedFailure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A failure, by field name."""

    type: str
    message: str = ""
    traceback: str = ""


def captured_failure(failure: Failure | None) -> CapturedFailure | None:
    """Return a failure as a note has it."""
    return None if failure is None else CapturedFailure(failure.type, failure.message, failure.traceback)
