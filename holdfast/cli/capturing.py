"""`holdfast capture`: look at captures, take them into a project, make tests from them."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli.capture_files import (
    HISTORIES,
    FromOption,
    content_of,
    file_of,
    folder_of,
    is_file,
    pulled_name,
    write_file,
)
from holdfast.cli.output import Output, time_of
from holdfast.cli.pulling import pull
from holdfast.cli.verbs import JsonOption, StoreOption, run_verb, shown
from holdfast.errors import SettingsError, UsageError
from holdfast.replay import load_history
from holdfast.replay.captures import CaptureEntry, write_test

capture = typer.Typer(help="Captures of runs that went wrong.", no_args_is_help=True)

TESTS = Path("tests")

CaptureArgument = Annotated[str, typer.Argument(metavar="CAPTURE", help="A capture's name, a run id, or a file.")]
_AGE = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@capture.command("list")
def list_captures(folder: FromOption = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List captures, newest first."""
    output = Output(as_json=as_json)
    entries = shown(output, lambda: folder_of(folder, store).entries())
    output.rows(("capture", "workflow", "run_id", "reason", "captured_at", "failure"), map(_fields, entries))


@capture.command()
def show(
    capture: CaptureArgument, folder: FromOption = None, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Show what a capture says of its run."""
    output = Output(as_json=as_json)

    def body() -> None:
        path = file_of(capture, folder, store)
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


capture.command()(pull)


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
        file = Path(capture) if is_file(capture) else HISTORIES / f"{pulled_name(capture)}.json"
        if not file.exists():
            name, content, _ = await content_of(capture, folder, store)
            file = HISTORIES / f"{name}.json"
            write_file(file, content)
        history = load_history(file)
        module, _, name = (workflow or "").partition(":")
        path = out or TESTS / write_test(history, file="", module=module, name=name).name
        source = write_test(history, file=_relative(file, path.parent), module=module, name=name)
        if path.exists() and not force:
            raise SettingsError(f"{path} is there already", "Name another file (--out), or write over it (--force).")
        write_file(path, source.text.encode())
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
        deleted = folder_of(folder, store).prune(keep=keep, before=before)
        output.rows(("deleted",), [{"deleted": each.name} for each in deleted])

    shown(output, body)


# --- Reading what is asked for -----------------------------------------------------------------------------------


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
