"""What some tests need and a plain installation does not have: programs, and packages of an extra.

Owns: what happens when one is missing: a skip with the command that installs it, a failure under CI.
Must not know: what any test does with it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from typing import NoReturn

import pytest


def under_ci() -> bool:
    """Say whether this is a CI run, where a test that cannot run is a failure."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false", "no"}


def require_program(program: str, install: str) -> str:
    """Return the path of `program`, or end the test: skipped with the `install` command, failed under CI."""
    path = shutil.which(program)
    if path is None:
        go_without_program(program, install)
    return path


def go_without_program(program: str, install: str) -> NoReturn:
    """End the test, whose `program` is not there: skipped with the `install` command, failed under CI."""
    _go_without(f"{program} is not installed. To run this test: {install}", "program")


def require_package(package: str, extra: str) -> None:
    """Return when `package` can be imported, or end the test: skipped with the command, failed under CI."""
    if importlib.util.find_spec(package) is None:
        _go_without(f"{package} is not installed. To run this test: pip install 'holdfast[{extra}]'", "package")


def _go_without(reason: str, what: str) -> NoReturn:
    if under_ci():
        pytest.fail(f"{reason} (under CI a missing {what} is a failure)", pytrace=False)
    pytest.skip(reason)
