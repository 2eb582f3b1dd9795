"""Compiled modules while tests run: those of the checkout are there, those that tests write never are.

Owns: compiling the checkout once, before the first test.
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
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBID = "PYTHONDONTWRITEBYTECODE"

sys.dont_write_bytecode = False  # until all tests are collected: pytest keeps what it made of their modules


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile what changed since the last time, unless the process that started this one has done it."""
    if not hasattr(session.config, "workerinput"):
        for folder in ("holdfast", "tests"):
            compileall.compile_dir(ROOT / folder, quiet=2)
    os.environ[FORBID] = "1"


def pytest_collection_finish() -> None:
    """From now on modules are those of tests."""
    sys.dont_write_bytecode = True
