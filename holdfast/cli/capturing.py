"""`holdfast capture`: look at captures, take them into a project, make tests from them."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.app import EMBEDDED, Client, capture_elsewhere, capture_folder, capture_run, load_settings, reading
from holdfast.cli.output import Output, time_of
from holdfast.cli.serving import EngineOption
from holdfast.cli.verbs import JsonOption, StoreOption, run_verb, shown
from holdfast.errors import SettingsError, UnknownNameError, UsageError
from holdfast.history import History, to_json
from holdfast.replay import load_history
from holdfast.replay.captures import CaptureEntry, CaptureFolder, write_test

capture = typer.Typer(help="Captures of runs that went wrong.", no_args_is_help=True)

HISTORIES = Path("tests/histories")
TESTS = Path("tests")

CaptureArgument = Annotated[str, typer.Argument(metavar="CAPTURE", help="A capture's name, a run id, or a file.")]
FromOption = Annotated[
    Path | None,
    typer.Option("--from", metavar="FOLDER", help="Folder of captures; the one of the store's settings by default."),
]

_AGE = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@capture.command("list")
def list_captures(folder: FromOption = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List captures, newest first."""
    output = Output(as_json=as_json)
    entries = shown(output, lambda: _folder(folder, store).entries())
    output.rows(("capture", "workflow", "run_id", "reason", "captured_at", "failure"), map(_fields, entries))


@capture.command()
def show(
    capture: CaptureArgument, folder: FromOption = None, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Show what a capture says of its run."""
    output = Output(as_json=as_json)

    def body() -> None:
        path = _file(capture, folder, store)
        history = load_history(path)
        note = history.capture
        fields: dict[str, Any] = {
            "file": str(path),
            "workflow": history.started.workflow,
            "run_id": history.started.run_id,
            "execution": history.started.execution,
            "events": len(history.events),
        }
        if note is not None:
            fields |= {
                "reason": note.reason,
                "status": note.status,
                "created_at": note.created_at,
                "closed_at": note.closed_at or None,
                "captured_at": note.captured_at,
                "code": f"{note.module}:{note.name}" if note.module else None,
                "code_version": note.code_version,
                "secrets taken out": note.secrets,
                "parked": note.parked or None,
            }
            if note.failure is not None:
                fields |= {
                    "error": f"{note.failure.type}: {note.failure.message}",
                    "traceback": note.failure.traceback.strip("\n"),
                }
        output.fields(fields)

    shown(output, body)


@capture.command()
def pull(
    captures: Annotated[list[str], typer.Argument(metavar="CAPTURE...", help="Names of captures, or run ids.")],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to copy them.")] = HISTORIES,
    folder: FromOption = None,
    store: StoreOption = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy captures into a project; of a run that has none, make one. Production's store, or cluster, is only read."""
    output = Output(as_json=as_json)

    async def body() -> None:
        rows = []
        for wanted in captures:
            name, content, made = await _content(wanted, folder, store, engine)
            path = to / f"{name}.json"
            _write(path, content)
            rows.append({"capture": name, "file": str(path), "made now": made})
        output.rows(("capture", "file", "made now"), rows)

    run_verb(output, body)


@capture.command("gen-test")
def gen_test(
    capture: CaptureArgument,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write the test; tests/test_replay_RUN.py.")
    ] = None,
    workflow: Annotated[
        str | None, typer.Option("--workflow", metavar="MODULE:NAME", help="Where the workflow's code is.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    folder: FromOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a test that replays a capture: red for a failed run, and green once the failure is mended."""
    output = Output(as_json=as_json)

    async def body() -> None:
        file = Path(capture) if _is_file(capture) else HISTORIES / f"{_pulled(capture)}.json"
        if not file.exists():
            name, content, _ = await _content(capture, folder, store)
            file = HISTORIES / f"{name}.json"
            _write(file, content)
        history = load_history(file)
        module, _, name = (workflow or "").partition(":")
        path = out or TESTS / write_test(history, file="", module=module, name=name).name
        source = write_test(history, file=_relative(file, path.parent), module=module, name=name)
        if path.exists() and not force:
            raise SettingsError(f"{path} is there already", "Name another file (--out), or write over it (--force).")
        _write(path, source.text.encode())
        output.fields({"test": str(path), "capture": str(file), "run": f"pytest {path}"})

    run_verb(output, body)


@capture.command()
def prune(
    keep: Annotated[int | None, typer.Option(min=0, help="How many of the newest to keep.")] = None,
    older_than: Annotated[str | None, typer.Option(metavar="AGE", help="Delete older ones: 30d, 12h, 45m.")] = None,
    folder: FromOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete captures, by number or by age."""
    output = Output(as_json=as_json)

    def body() -> None:
        if keep is None and older_than is None:
            raise SettingsError("nothing says what to delete", "Give --keep NUMBER, --older-than AGE, or both.")
        before = None if older_than is None else time.time() - _age(older_than)
        deleted = _folder(folder, store).prune(keep=keep, before=before)
        output.rows(("deleted",), [{"deleted": each.name} for each in deleted])

    shown(output, body)


# --- Finding and writing -----------------------------------------------------------------------------------------


def _folder(folder: Path | None, store: str | None) -> CaptureFolder:
    return CaptureFolder(folder) if folder is not None else capture_folder(load_settings(store=store))


def _is_file(wanted: str) -> bool:
    return wanted.endswith(".json") and Path(wanted).is_file()


def _pulled(wanted: str) -> str:
    """Return the name of a capture of this name or run that was pulled already; `wanted` when there is none."""
    try:
        return CaptureFolder(HISTORIES).find(wanted).name
    except UnknownNameError:
        return wanted


def _file(wanted: str, folder: Path | None, store: str | None) -> Path:
    if _is_file(wanted):
        return Path(wanted)
    try:
        return _folder(folder, store).find(wanted).path
    except UnknownNameError:
        if folder is not None:
            raise
        try:
            return CaptureFolder(HISTORIES).find(wanted).path
        except UnknownNameError:
            pass
        raise


async def _content(
    wanted: str, folder: Path | None, store: str | None, engine: str | None = None
) -> tuple[str, bytes, bool]:
    """Return a capture's name and content, and whether it was made just now."""
    if _is_file(wanted):
        return Path(wanted).stem, _read(Path(wanted)), False
    captures = _folder(folder, store)
    try:
        entry = captures.find(wanted)
    except UnknownNameError:
        if folder is not None:
            raise
    else:
        return entry.name, _read(entry.path), False
    settings = load_settings(store=store, engine=engine)
    if settings.engine != EMBEDDED:
        async with await Client.connect(settings.store, engine=settings.engine) as client:
            name, history = await capture_elsewhere(settings, client, wanted)
        return name, _bytes(history), True
    async with reading(settings) as opened:
        name, history = await capture_run(settings, opened, wanted)
    return name, _bytes(history), True


def _bytes(history: History) -> bytes:
    return to_json(
        history.events,
        outcomes=history.outcomes,
        about=history.about,
        places=history.places,
        capture=history.capture,
        exchanges=history.exchanges,
        engine=history.engine,
        drains=history.drains,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}", "Check its permissions.") from None


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}", "Name another place.") from None


def _relative(file: Path, folder: Path) -> str:
    """Return the path of `file` as seen from `folder`."""
    return Path(os.path.relpath(file, folder)).as_posix()


def _age(text: str) -> float:
    match = _AGE.fullmatch(text)
    if match is None:
        raise UsageError(f"--older-than {text!r} is no age", "Write one such as 30d, 12h, 45m or 60s.")
    return float(match[1]) * _SECONDS[match[2]]


def _fields(entry: CaptureEntry) -> dict[str, Any]:
    note = entry.note
    failure = note.failure if note is not None else None
    return {
        "capture": entry.name,
        "workflow": entry.workflow,
        "run_id": entry.run_id,
        "reason": (note.reason if note is not None else "") or entry.problem,
        "captured_at": time_of(entry.captured_at),
        "failure": f"{failure.type}: {failure.message}" if failure is not None else None,
        "bytes": entry.size_bytes,
    }
