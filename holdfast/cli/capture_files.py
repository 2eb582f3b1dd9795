"""Captures as files of a project: where they are, and taking one there.

Owns: finding a capture by its name, its run or its file; reading and writing the file.
Must not know: any verb.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from holdfast.app import (
    EMBEDDED,
    Client,
    capture_folder,
    capture_run,
    captured,
    load_settings,
    reading,
    recorded_elsewhere,
)
from holdfast.errors import SettingsError, UnknownNameError
from holdfast.replay.captures import CaptureFolder, capture_name, write_capture

HISTORIES: Final = Path("tests/histories")
"""Where captures are in a project."""

FromOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--from", metavar="FOLDER", help="Folder of captures; the one of the store's settings by default."),
]


def folder_of(folder: Path | None, store: str | None) -> CaptureFolder:
    """Return the folder that is named, or that of the store's settings."""
    return CaptureFolder(folder) if folder is not None else capture_folder(load_settings(store=store))


def is_file(wanted: str) -> bool:
    """Say whether this is the path of a file that is there."""
    return wanted.endswith(".json") and Path(wanted).is_file()


def pulled_name(wanted: str) -> str:
    """Return the name of a capture of this name or run that was pulled already; `wanted` when there is none."""
    try:
        return CaptureFolder(HISTORIES).find(wanted).name
    except UnknownNameError:
        return wanted


def file_of(wanted: str, folder: Path | None, store: str | None) -> Path:
    """Return the path of a capture: a file, one of the folder's, or one that was pulled. Raises UnknownNameError."""
    if is_file(wanted):
        return Path(wanted)
    try:
        return folder_of(folder, store).find(wanted).path
    except UnknownNameError:
        if folder is not None:
            raise
        try:
            return CaptureFolder(HISTORIES).find(wanted).path
        except UnknownNameError:
            pass
        raise


async def content_of(
    wanted: str, folder: Path | None, store: str | None, engine: str | None = None
) -> tuple[str, bytes, bool]:
    """Return a capture's name and content, and whether it was made just now."""
    if is_file(wanted):
        return Path(wanted).stem, _read(Path(wanted)), False
    captures = folder_of(folder, store)
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
            history = await recorded_elsewhere(client, wanted)
            record = await client.engine.describe(wanted)
            capture = captured(settings, history, record)
    else:
        async with reading(settings) as opened:
            record, capture = await capture_run(settings, opened, wanted)
    return capture_name(capture, record), write_capture(capture), True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}", "Check its permissions.") from None


def write_file(path: Path, content: bytes) -> None:
    """Write a file, and the folders around it. Raises SettingsError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}", "Name another place.") from None
