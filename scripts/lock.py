"""The lock: every package of the development environment, pinned and hashed, for Python 3.11 to 3.13.

    python scripts/lock.py            write requirements.lock anew (needs uv and the network)
    python scripts/lock.py --upgrade  the same, taking the newest versions that pyproject.toml allows
    python scripts/lock.py --check    say whether it agrees with pyproject.toml (offline, milliseconds)

Owns: how the lock is made and what makes it right.
Must not know: what the packages are for.

The lock names no index and no URL: where packages come from is the machine's business, and the hashes say whether
they are the right ones. It is a plain requirements file, so that pip alone can install it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "pyproject.toml"
LOCK = ROOT / "requirements.lock"

GROUP = "dev"
# An extra joins the lock with the first test that needs it.
EXTRAS: tuple[str, ...] = ("ai", "encryption", "local-llm", "postgres", "redis", "temporal")

HEADER = """\
# Every package of the development environment, pinned and hashed, for Python 3.11 to 3.13.
# Written by `python scripts/lock.py` from pyproject.toml; `make check` says when they disagree.
"""

PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^ ;\\]+)", re.MULTILINE)
DIRECT = re.compile(r"^ +#(?: via)? +holdfast \(pyproject\.toml(?::\w+)?\)$", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")


@dataclass(frozen=True, slots=True)
class Pin:
    """One locked package."""

    name: str
    version: Version
    hashed: bool
    direct: bool  # asked for by pyproject.toml itself


def read_pins(lock: str) -> dict[str, Pin]:
    """Return the pins of a lock's text by canonical name."""
    starts = list(PIN.finditer(lock))
    ends = [each.start() for each in starts[1:]] + [len(lock)]
    pins: dict[str, Pin] = {}
    for match, end in zip(starts, ends, strict=True):
        entry = lock[match.start() : end]
        name = canonicalize_name(match["name"])
        pins[name] = Pin(name, Version(match["version"]), bool(HASH.search(entry)), bool(DIRECT.search(entry)))
    return pins


def read_requirements(project: str) -> list[Requirement]:
    """Return what a pyproject.toml's text asks the lock to hold."""
    table = tomllib.loads(project)
    lines = [*table["project"]["dependencies"], *table["dependency-groups"][GROUP]]
    for extra in EXTRAS:
        lines += table["project"].get("optional-dependencies", {}).get(extra, [])
    return [Requirement(each) for each in lines]


def disagreements(project: str, lock: str) -> list[str]:
    """Return one sentence for each way in which the lock does not fit pyproject.toml."""
    pins = read_pins(lock)
    required = {canonicalize_name(each.name): each for each in read_requirements(project)}
    found = []
    for name, requirement in required.items():
        pin = pins.get(name)
        if pin is None:
            found.append(f"pyproject.toml asks for {requirement}, which is not locked")
        elif not requirement.specifier.contains(pin.version, prereleases=True):
            found.append(f"pyproject.toml asks for {requirement}, the lock has {pin.version}")
    for pin in pins.values():
        if pin.direct and pin.name not in required:
            found.append(f"the lock has {pin.name}, which pyproject.toml no longer asks for")
        if not pin.hashed:
            found.append(f"{pin.name} has no hash")
    if "://" in lock:
        found.append("the lock names a URL: where packages come from is the machine's business")
    return found


def write(*options: str) -> None:
    """Resolve pyproject.toml and write the lock. Versions already locked stay unless `options` say otherwise."""
    command = ["uv", "pip", "compile", str(PROJECT.name), "--group", GROUP, "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-header", "--quiet", "--output-file", LOCK.name, *options]
    for extra in EXTRAS:
        command += ["--extra", extra]
    subprocess.run(command, cwd=ROOT, check=True)
    LOCK.write_text(HEADER + LOCK.read_text(encoding="utf-8"), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Do what the command line says and return the exit status."""
    match arguments:
        case []:
            write()
        case ["--upgrade"]:
            write("--upgrade")
        case ["--check"]:
            pass
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    found = disagreements(PROJECT.read_text(encoding="utf-8"), LOCK.read_text(encoding="utf-8"))
    for each in found:
        print(f"requirements.lock: {each}", file=sys.stderr)
    if found:
        print("Write it anew: python scripts/lock.py", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
