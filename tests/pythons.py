"""The other Pythons that this machine has.

Owns: finding them, and giving each the one package that Holdfast's core needs.
Must not know: what is run on them.

The package is installed once, into a folder below the user's cache. Where there is no network the test that needs it
is skipped with the command that would do it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VERSIONS = ("3.11", "3.12", "3.13")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "holdfast-tests"
INSTALL_SECONDS = 120


def other_versions() -> list[str]:
    """Return the supported versions of Python other than this one."""
    mine = f"{sys.version_info.major}.{sys.version_info.minor}"
    return [each for each in VERSIONS if each != mine]


@cache
def find_python(wanted: str) -> str | None:
    """Return an interpreter of a version, such as `3.12`, or None when this machine has none."""
    folders = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    folders += sorted(Path("~/.pyenv/versions").expanduser().glob(f"{wanted}.*/bin"), reverse=True)
    for folder in folders:
        candidate = folder / f"python{wanted}"
        if candidate.is_file() and os.access(candidate, os.X_OK) and _is(candidate, wanted):
            return str(candidate)
    return None


def _is(candidate: Path, wanted: str) -> bool:
    # A shim of a version manager is there for every version, installed or not.
    code = "import sys; print(*sys.version_info[:2], sep='.')"
    told = subprocess.run([candidate, "-c", code], capture_output=True, text=True, check=False)
    return told.stdout.strip() == wanted


def require_python(wanted: str) -> tuple[str, dict[str, str]]:
    """Return an interpreter and an environment in which it can import Holdfast's core; skip where there is none."""
    found = find_python(wanted)
    if found is None:
        pytest.skip(f"this machine has no python{wanted}. To run this test: pyenv install {wanted}")
    needed = f"msgspec=={version('msgspec')}"
    site = CACHE / f"{wanted}-{needed}"
    if not (site / "msgspec").is_dir():
        _install(found, needed, site)
    return found, environment(PYTHONPATH=os.pathsep.join([str(ROOT), str(site)]))


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment with changes, and without what steers an interpreter."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_", "VIRTUAL_ENV"))}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **changes}


def _install(python: str, needed: str, site: Path) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(site), needed]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
        problem = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except subprocess.TimeoutExpired:
        problem = ["it took too long"]
    if problem or not (site / "msgspec").is_dir():
        pytest.skip(
            f"{needed} cannot be installed for {python} ({' '.join(problem)}). To run this test: {' '.join(command)}"
        )
