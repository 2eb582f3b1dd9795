"""Where this machine keeps its texts, and the files there in a fixed order.

Owns: the directories the demo looks in, how they are walked, and what is left out unread: hidden files, caches, links.
Must not know: what makes a file a document.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from holdfast.errors import SettingsError

_SKIPPED_DIRECTORIES: Final = frozenset({"__pycache__", "node_modules", "lost+found"})


def checked_place(path: Path) -> bytes:
    """Return `path` with its own links resolved. Raises SettingsError when it is not there or cannot be opened."""
    try:
        real = path.resolve(strict=True)
        if real.is_dir():
            os.scandir(real).close()
    except (OSError, ValueError, RuntimeError) as error:  # a NUL byte in the path; a loop of links (until 3.13)
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(
            what=f"no documents can be read from {os.fspath(path)!r}: {reason}.",
            remedy="Name a directory or a text file, or none: holdfast demo then reads the files of this Python.",
        ) from error
    return os.fsencode(real)


def installed_places() -> list[bytes]:
    """Return the directories of this machine that hold text, the standard library first, without repetitions."""
    paths = {name: Path(place) for name, place in sysconfig.get_paths().items()}
    packages = [
        paths["purelib"],
        paths["platlib"],
        *map(Path, site.getsitepackages()),
        paths["stdlib"] / "site-packages",
    ]
    roots = (Path("/usr"), Path("/usr/local"), Path(sys.base_prefix))
    shared = [root / "share" / name for root in roots for name in ("doc", "man")]
    headers = [paths["include"], *(root / "include" for root in roots)]
    places = [each.resolve() for each in (paths["stdlib"], *packages, *shared, *headers)]
    return [os.fsencode(each) for each in dict.fromkeys(places) if each.is_dir()]


def walk_files(place: bytes, others: list[bytes] | tuple[bytes, ...]) -> Iterator[bytes]:
    """Yield the regular files under `place`, sorted by name, files before directories.

    Links are never followed, so there are no loops. `others` have walks of their own and are left out.
    """
    if not Path(os.fsdecode(place)).is_dir():
        yield place
        return
    elsewhere = set(others) - {place}
    waiting = [place]
    while waiting:
        directory = waiting.pop()
        try:
            with os.scandir(directory) as entries:
                listed = sorted(entries, key=lambda each: each.name)
        except OSError:
            continue  # forbidden, or gone since its parent was listed
        below: list[bytes] = []
        for entry in listed:
            if entry.name.startswith(b"."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if os.fsdecode(entry.name) not in _SKIPPED_DIRECTORIES and entry.path not in elsewhere:
                    below.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield entry.path
        waiting.extend(reversed(below))


def in_turns(walks: list[Iterator[bytes]]) -> Iterator[bytes]:
    """Yield one file from each walk in turn until all are at their end."""
    while walks:
        going: list[Iterator[bytes]] = []
        for walk in walks:
            path = next(walk, None)
            if path is not None:
                yield path
                going.append(walk)
        walks = going
