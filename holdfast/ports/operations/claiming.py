"""Claiming runs that are ready.

Owns: taking runs and giving them back.
Must not know: how they are advanced.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class ClaimRuns(Value, frozen=True):
    """Own executions nobody owns that are ready: new, freed, with mail or a timer due. Result: tuple[ClaimedRun]."""

    workflows: tuple[str, ...]
    limit: int
    versions: tuple[str, ...] = ()
    """The code version of each workflow; '' and none at all are any. A run that is pinned to another one, or that does
    not fit this one, is not claimed. One that was started without a version has this one from now on."""
    pins: tuple[str, ...] = ()
    """Of these workflows a run that is not pinned is pinned to the version that claims it first."""


class Fit(Value, frozen=True):
    """Let runs go on that are parked because of other code versions than this one. Result: number of runs."""

    workflow: str
    version: str


class ClaimedRun(Value, frozen=True):
    """An execution the writing member owns from now on."""

    execution_id: int
    run_id: str
    execution: str
    workflow: str
    recoveries: int


class ReleaseRuns(Value, frozen=True):
    """Disown executions in good order (eviction). Those with unread mail are ready at once. Result: number released.

    Naming one that was taken from the member says that the member knows now.
    """

    execution_ids: tuple[int, ...]
    ready: bool = False
    """All of them are ready at once: they do not wait for anything, or nobody knows for what."""
