"""A test whose program or package is missing is skipped on a person's machine and fails under CI."""

from __future__ import annotations

import os

import pytest

from tests.programs import require_package, require_program


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


def test_present_package_is_enough() -> None:
    """Nothing happens when it can be imported."""
    require_package("pytest", "none")


def test_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skipped with what to install, and failed under CI."""
    monkeypatch.setenv("CI", "false")
    with pytest.raises(pytest.skip.Exception, match=r"pip install 'holdfast\[temporal\]'"):
        require_package("no_such_package", "temporal")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"pip install 'holdfast\[temporal\]'"):
        require_package("no_such_package", "temporal")
