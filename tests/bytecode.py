"""Compiled modules while tests run: those of the checkout are there, those that tests write never are.

Owns: compiling the checkout and what it stands on once, before the first test.
Must not know: any test.

Tests start hundreds of interpreters. Where the environment forbids compiled modules, as many containers do, each of
them would compile all of Holdfast again, which is half of its start, and each pytest among them would rewrite the
assertions of all its plugins again, which takes seconds: `make test` lets the first one keep them. What a test writes,
on the other hand, it may write again within the same second and with the same length, and Python would take the
compiled module of the one for the other.
"""

from __future__ import annotations

import compileall
import os
import sys
from importlib.metadata import files
from pathlib import Path

import pytest

from tests.distributions import installed_requires, walk

ROOT = Path(__file__).resolve().parent.parent
FORBID = "PYTHONDONTWRITEBYTECODE"

sys.dont_write_bytecode = False  # until all tests are collected: pytest keeps what it made of their modules


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile what changed since the last time, unless a process that started this one has done it."""
    if not hasattr(session.config, "workerinput") and "PYTEST_CURRENT_TEST" not in os.environ:
        for folder in ("holdfast", "tests"):
            compileall.compile_dir(ROOT / folder, quiet=2)
        for name in walk("holdfast", installed_requires):
            for file in files(name) or ():
                if file.suffix == ".py":
                    compileall.compile_file(file.locate(), quiet=2)
    os.environ[FORBID] = "1"


def pytest_collection_finish() -> None:
    """From now on modules are those of tests."""
    sys.dont_write_bytecode = True
