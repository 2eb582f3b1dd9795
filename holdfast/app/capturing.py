"""Captures of this process: what the settings ask for, wired.

Owns: where captures go, which secrets this process knows, finding a workflow's code by its name; the runs of a store
that have ended.
Must not know: how a capture is made.
"""

from __future__ import annotations

import os
import random
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from holdfast.app.settings import Settings
from holdfast.authoring import Registry
from holdfast.errors import HoldfastError, RunNotFoundError, UnknownNameError
from holdfast.history import History
from holdfast.observe import known_secrets
from holdfast.ports.bus import Bus
from holdfast.ports.captures import EndedFilter, EndedRun, EndedRuns
from holdfast.ports.operations import RunFilter, RunRecord
from holdfast.ports.store import Store
from holdfast.replay.captures import (
    CaptureFolder,
    Capturer,
    CapturerSettings,
    CaptureWriter,
    ClusterCapturer,
    CodePlace,
    capture_history,
    read_run,
    reason_of,
)
from holdfast.replay.redaction import RedactionRules

LOCATED_EVENTS_MAX: Final = 2_000
"""Of longer histories a capture does not name the lines: it takes a replay, for which everything else waits."""


def capture_folder(settings: Settings) -> CaptureFolder:
    """Return the folder of captures: a relative `capture_dir` counts from the folder of the store's file."""
    folder = settings.address().in_place(Path.cwd()).folder
    return CaptureFolder(folder / settings.capture_dir.expanduser())


def redaction_rules(settings: Settings) -> RedactionRules:
    """Return what is secret, as settings, environment and code of this process say."""
    return RedactionRules(
        keys=settings.redact_keys,
        patterns=settings.redact_patterns,
        emails=settings.redact_emails,
        known=known_secrets({**os.environ, "store": settings.store, "bus": settings.bus}),
    )


def make_capturer(settings: Settings, registry: Registry, store: Store, bus: Bus) -> Capturer | None:
    """Return what captures runs that go wrong, None when that is switched off."""
    if not settings.capture_failures:
        return None
    return Capturer(store, bus, _writer(settings, registry), random.random)  # sampling needs no secrecy


def make_cluster_capturer(
    settings: Settings, registry: Registry, runs: EndedRuns, where: str
) -> ClusterCapturer | None:
    """Return what captures runs of a cluster that go wrong, None when that is switched off."""
    if not settings.capture_failures:
        return None
    return ClusterCapturer(runs, where, tuple(registry.workflows), _writer(settings, registry), random.random)


def _writer(settings: Settings, registry: Registry) -> CaptureWriter:
    return CaptureWriter(
        capture_folder(settings),
        CapturerSettings(
            redaction_rules(settings), settings.captures_max, settings.capture_successes, holdfast_version()
        ),
        place_of=lambda name: place_of(registry, name),
        parameter=lambda name: parameter_of(registry, name),
        located=lambda history: located(registry, history),
    )


async def capture_run(settings: Settings, store: Store, run_id: str) -> tuple[RunRecord, History]:
    """Return a capture of any run of a store, and its run; without its code, nobody knows the places in it.

    Raises:
        RunNotFoundError: there is no such run.
        StoreError: it cannot be read.
    """
    record = await store.run(run_id)
    if record is None:
        raise RunNotFoundError(run_id)
    return record, captured(settings, await read_run(store, record.execution_id), record)


def captured(settings: Settings, history: History, record: RunRecord) -> History:
    """Return a capture of a run by somebody who does not have its code."""
    return capture_history(
        history,
        record,
        reason=reason_of(record) or "asked for",
        now=time.time(),
        rules=redaction_rules(settings),
        version=holdfast_version(),
    )


def place_of(registry: Registry, name: str) -> CodePlace | None:
    """Return where a workflow's code is; None when it is not known here."""
    try:
        definition = registry.workflow(name)
    except UnknownNameError:
        return None
    return CodePlace(definition.module, definition.qualname)


def located(registry: Registry, history: History) -> History:
    """Return a history with the lines of today's code in it, where the code is known and the history not too long."""
    if len(history.events) > LOCATED_EVENTS_MAX:
        return history
    # Imported here: a worker whose runs all end well does not load the replayer.
    from holdfast.replay import locate

    try:
        return locate(registry.workflow(history.started.workflow), history)
    except HoldfastError:
        return history  # a capture is made of it nevertheless


def parameter_of(registry: Registry, name: str) -> str:
    """Return the name of the only parameter of a workflow or task, or an empty text."""
    for find in (registry.task, registry.workflow):
        try:
            parameters = find(name).signature.parameters
        except UnknownNameError:
            continue
        return parameters[0].name if len(parameters) == 1 else ""
    return ""


def holdfast_version() -> str:
    """Return the installed version of Holdfast; empty when it is not installed."""
    try:
        return version("holdfast")
    except PackageNotFoundError:
        return ""


def ended_in(store: Store) -> EndedRuns:
    """Return the runs of a store that have ended."""
    return _StoreEnded(store)


class _StoreEnded:
    """The runs of a store. Implements `holdfast.ports.captures.EndedRuns`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listed: dict[str, RunRecord] = {}

    async def page(self, where: EndedFilter, cursor: str | None, limit: int) -> tuple[list[EndedRun], str | None]:
        wanted = RunFilter(workflows=where.workflows, statuses=where.statuses)
        records, following = await self._store.runs(where=wanted, cursor=cursor, limit=limit)
        self._listed = {str(each.execution_id): each for each in records}
        found = [
            EndedRun(record, place)
            for place, record in self._listed.items()
            if record.closed_at is not None and record.closed_at >= where.closed_from
        ]
        return found, following

    async def read(self, place: str, wait_seconds: float = 0.0) -> tuple[RunRecord, History]:  # noqa: ARG002 - it has ended
        record = self._listed[place]
        return record, await read_run(self._store, record.execution_id)
