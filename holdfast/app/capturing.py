"""Captures of this process: what the settings ask for, wired.

Owns: where captures go, which secrets this process knows, finding a workflow's code by its name.
Must not know: how a capture is made.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from holdfast.app.settings import Settings
from holdfast.authoring import Registry
from holdfast.client import WorkflowClient
from holdfast.errors import HoldfastError, RunNotFoundError, UnknownNameError
from holdfast.history import History
from holdfast.observe import known_secrets
from holdfast.ports.bus import Bus
from holdfast.ports.operations import RunRecord
from holdfast.ports.store import Store
from holdfast.replay.captures import (
    CaptureFolder,
    Capturer,
    CapturerSettings,
    CodePlace,
    capture_history,
    capture_name,
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
    return Capturer(
        store,
        bus,
        capture_folder(settings),
        CapturerSettings(
            redaction_rules(settings), settings.captures_max, settings.capture_successes, holdfast_version()
        ),
        place_of=lambda name: place_of(registry, name),
        parameter=lambda name: parameter_of(registry, name),
        located=lambda history: located(registry, history),
        random=random.random,  # sampling needs no secrecy
    )


async def capture_run(settings: Settings, store: Store, run_id: str) -> tuple[str, History]:
    """Return a capture of any run of a store, and its name; without its code, nobody knows the places in it.

    Raises:
        RunNotFoundError: there is no such run.
        StoreError: it cannot be read.
    """
    record = await store.run(run_id)
    if record is None:
        raise RunNotFoundError(run_id)
    return _captured(settings, await read_run(store, record.execution_id), record)


async def capture_elsewhere(settings: Settings, client: WorkflowClient, run_id: str) -> tuple[str, History]:
    """Return a capture of any run on a cluster, and its name.

    Raises:
        RunNotFoundError: there is no such run.
        HistoryError: Holdfast has no words for something in its history.
        StoreError: the cluster does not answer.
    """
    # Imported here: who captures runs of its own store does not load what speaks to clusters.
    from holdfast.app.on_temporal import recorded_elsewhere

    history = await recorded_elsewhere(client, run_id)
    record = await client.engine.describe(run_id)
    # Events are counted as the capture has them, not as the cluster does.
    return _captured(settings, replace(history, sources=()), record)


def _captured(settings: Settings, history: History, record: RunRecord) -> tuple[str, History]:
    capture = capture_history(
        history,
        record,
        reason=reason_of(record) or "asked for",
        now=time.time(),
        rules=redaction_rules(settings),
        version=holdfast_version(),
    )
    return capture_name(capture, record), capture


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
