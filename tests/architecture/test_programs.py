"""A test whose program is missing is skipped on a person's machine and fails under CI."""

from __future__ import annotations

import os

import pytest

from tests.programs import require_program


def test_present_program_is_found() -> None:
    """A program that is there is returned by path."""
    assert os.access(require_program("sh", "apt-get install dash"), os.X_OK)


def test_missing_program_skips_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside CI the test is skipped, and the reason says what to install."""
    monkeypatch.setenv("CI", "false")
    with pytest.raises(pytest.skip.Exception, match="apt-get install no-such-package"):
        require_program("no-such-program", "apt-get install no-such-package")


def test_missing_program_fails_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under CI it fails: a check that silently did not run is worse than none."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install no-such-package"):
        require_program("no-such-program", "apt-get install no-such-package")
