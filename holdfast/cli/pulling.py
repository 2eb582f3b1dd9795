"""`holdfast capture pull`: captures taken into a project, one by one or all that went wrong.

Owns: which runs are meant, what is there already, and going on where one of them is bad.
Must not know: how a capture is made.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from holdfast.app import EMBEDDED, Settings, capture_folder, captured, ended_elsewhere, ended_in, load_settings, reading
from holdfast.authoring import read_duration
from holdfast.cli.capture_files import HISTORIES, FromOption, content_of, write_file
from holdfast.cli.filters import read_time
from holdfast.cli.output import Exit, Output
from holdfast.cli.serving import EngineOption
from holdfast.cli.verbs import JsonOption, StoreOption, run_verb
from holdfast.errors import DefinitionError, HoldfastError, StoreError, UsageError
from holdfast.ports.captures import EndedFilter, EndedRun, EndedRuns
from holdfast.ports.operations import FAILED, TERMINAL, TIMED_OUT
from holdfast.replay.captures import (
    CaptureEntry,
    CaptureFolder,
    key_of,
    key_of_entry,
    known_captures,
    name_in,
    write_capture,
)

PAGE: Final = 100
"""How many runs are listed at a time."""
WENT_WRONG: Final = (FAILED, TIMED_OUT)


def pull(
    captures: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CAPTURE]...", help="Names of captures, or run ids; all runs that went wrong without."),
    ] = None,
    *,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to copy them.")] = HISTORIES,
    workflow: Annotated[
        list[str] | None, typer.Option("--workflow", help="Only runs of this workflow.", show_default=False)
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option("--status", help="Runs that ended so; FAILED and TIMED_OUT when not given.", show_default=False),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Only runs that ended since: 24h, 7d, 2026-11-29T08:00Z."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="How many to add at most; those that are there do not count.")
    ] = 500,
    folder: FromOption = None,
    store: StoreOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy captures into a project; of a run that has none, make one. Production's store, or cluster, is only read.

    Without CAPTURE it is all runs that went wrong, newest first, but for those that FOLDER has a capture of. One that
    cannot be captured is named, the others are pulled, and it ends with 1.
    """
    output = Output(as_json=as_json)

    async def named(wanted: Iterable[str]) -> bool:
        rows = []
        for each in wanted:
            name, content, made = await content_of(each, folder, store, engine)
            path = to / f"{name}.json"
            write_file(path, content)
            rows.append({"capture": name, "file": str(path), "made now": made})
        output.rows(("capture", "file", "made now"), rows)
        return True

    async def body() -> bool:
        if captures:
            if workflow or status or since is not None:
                raise UsageError("both runs and a filter are given", "Name the runs, or say which are meant, not both.")
            return await named(captures)
        settings = load_settings(store=store, engine=engine)
        where = EndedFilter(tuple(workflow or ()), _statuses(status or ()), _since(since))
        pulled = _Pulled(CaptureFolder(to), limit)
        if folder is not None:
            await pulled.copy(CaptureFolder(folder).entries(), where)
        else:
            await pulled.take(settings, where)
        pulled.show(output)
        return not pulled.bad

    if not run_verb(output, body):
        raise typer.Exit(Exit.FAILED)


@dataclass
class _Pulled:
    """What has been pulled so far."""

    to: CaptureFolder
    limit: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    bad: list[dict[str, Any]] = field(default_factory=list)
    there: int = 0
    """How many were there already."""
    is_more: bool = False

    async def copy(self, entries: list[CaptureEntry], where: EndedFilter) -> None:
        """Copy captures that were made already."""
        known = known_captures(self.to)
        for entry in entries:
            if entry.note is None:
                if entry.problem:
                    self._spoilt(entry.execution or entry.name, entry.workflow, entry.problem)
            elif not _is_meant(entry, where):
                continue
            elif key_of_entry(entry) in known:
                self.there += 1
            elif self._is_full():
                return
            else:
                self._copy(entry)

    async def take(self, settings: Settings, where: EndedFilter) -> None:
        """Pull what went wrong: a capture where there is one, and a new one where there is none."""
        known = known_captures(self.to)
        made = known_captures(capture_folder(settings))
        async with _ended(settings) as runs:
            async for each in _each(runs, where):
                key = key_of(each.record)
                if key in known:
                    self.there += 1
                elif self._is_full():
                    return
                elif key in made:
                    self._copy(made[key])
                else:
                    await self._make(settings, runs, each)

    def _is_full(self) -> bool:
        self.is_more = len(self.rows) + len(self.bad) >= self.limit
        return self.is_more

    def _copy(self, entry: CaptureEntry) -> None:
        try:
            content = entry.path.read_bytes()
        except OSError as error:
            self._spoilt(entry.execution, entry.workflow, error.strerror or type(error).__name__)
            return
        self._write(entry.name, content, entry.workflow, made=False)

    async def _make(self, settings: Settings, runs: EndedRuns, each: EndedRun) -> None:
        try:
            record, history = await runs.read(each.place)
            capture = captured(settings, history, record)
        except StoreError:
            raise  # nobody answers: the others would fare no better
        except HoldfastError as error:
            self._spoilt(each.record.execution, each.record.workflow, error.message())
            return
        name, is_there = name_in(self.to, capture, record)
        if is_there:  # its run id is secret, so it was not known by that
            self.there += 1
        else:
            self._write(name, write_capture(capture), record.workflow, made=True)

    def _write(self, name: str, content: bytes, workflow: str, *, made: bool) -> None:
        path = self.to.path / f"{name}.json"
        write_file(path, content)
        self.rows.append({"capture": name, "workflow": workflow, "file": str(path), "made now": made})

    def _spoilt(self, run: str, workflow: str, problem: str) -> None:
        self.bad.append({"run": run, "workflow": workflow, "problem": problem})

    def show(self, output: Output) -> None:
        """Print it."""
        counts = {"pulled": len(self.rows), "there": self.there, "bad": self.bad, "more": self.is_more}
        output.rows(("capture", "file", "made now"), self.rows, more=counts)
        for each in self.bad:
            output.note(f"[red]not captured[/] {each['run']}: {each['problem']}")
        output.note(
            f"{len(self.rows):,} pulled, {self.there:,} there already, {len(self.bad):,} not captured"
            + (f"; there are more than --limit {self.limit:,}: pull again" if self.is_more else "")
        )


@asynccontextmanager
async def _ended(settings: Settings) -> AsyncIterator[EndedRuns]:
    if settings.engine != EMBEDDED:
        yield await ended_elsewhere(settings)
    else:
        async with reading(settings) as store:
            yield ended_in(store)


async def _each(runs: EndedRuns, where: EndedFilter) -> AsyncIterator[EndedRun]:
    cursor: str | None = None
    while True:
        page, cursor = await runs.page(where, cursor, PAGE)
        for each in page:
            yield each
        if cursor is None:
            return


def _is_meant(entry: CaptureEntry, where: EndedFilter) -> bool:
    note = entry.note
    assert note is not None, "it was looked at"
    return (
        (not where.workflows or entry.workflow in where.workflows)
        and note.status in where.statuses
        and (
            not where.closed_from
            or (bool(note.closed_at) and read_time(note.closed_at, note.closed_at) >= where.closed_from)
        )
    )


def _statuses(given: Iterable[str]) -> tuple[str, ...]:
    statuses = tuple(each.upper() for each in given)
    for each in statuses:
        if each not in TERMINAL:
            raise UsageError(f"no run ends as {each!r}", f"There are {', '.join(sorted(TERMINAL))}.")
    return statuses or WENT_WRONG


def _since(given: str | None) -> float:
    if given is None:
        return 0.0
    try:
        return time.time() - read_duration(given, "--since", zero=True)
    except DefinitionError:
        return read_time(f"--since {given}", given)
