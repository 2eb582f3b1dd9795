"""Running the tests in several processes hides nothing: what fails, leaks or dies in one of them ends the whole run."""

from __future__ import annotations

import os
import sys
from importlib.util import cache_from_source
from pathlib import Path

import pytest

import holdfast.errors
from tests import bytecode, pace
from tests.cores import PROCESSES_MAX, count_cores, pytest_xdist_auto_num_workers
from tests.spent import by_folder

PLANTED = """
import os
import sys
import warnings

import pytest

KEPT = []


@pytest.mark.parametrize("number", range(20))
def test_fine(number):
    pass


def test_fails():
    assert 1 == 2


def test_warns():
    warnings.warn("planted")


def test_leaks(tmp_path):
    KEPT.append((tmp_path / "planted.db").open("w"))


def test_dies():
    os._exit(0)
"""


def test_what_is_wrong_in_one_process_ends_the_run(
    pytester: pytest.Pytester, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure, a warning, a leak and a dead process are each told by name and counted in the last line."""
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    pytester.makeconftest("from tests import leaks\nfrom tests.conftest import *\n\nleaks.GRACE_SECONDS = 0.1\n")
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    pytester.makepyfile(test_planted=PLANTED)
    result = pytester.runpytest_subprocess(
        *("-n", "2", "--dist", "worksteal", "-p", "no:unraisableexception", "-ra", "--durations=3")
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines_random(
        [
            "FAILED test_planted.py::test_fails - assert 1 == 2",
            "FAILED test_planted.py::test_warns - UserWarning: planted",
            "ERROR test_planted.py::test_leaks - *this test left behind:*",
            "worker 'gw?' crashed while running 'test_planted.py::test_dies'",
            "* slowest 3 durations *",
            "* seconds of all tests, by folder *",
        ]
    )
    assert result.outlines[-1].startswith("=")
    result.assert_outcomes(passed=21, failed=3, errors=1)


def test_time_is_counted_by_folder() -> None:
    """Setting up, running and clearing away count; a test is one test; the slowest folder comes first."""

    def report(nodeid: str, when: str, duration: float) -> pytest.TestReport:
        return pytest.TestReport(nodeid, ("", 0, ""), {}, "passed", None, when, duration=duration)

    reports = [
        report("tests/unit/a/test_a.py::test_one", "call", 1.0),
        report("tests/crash/test_b.py::test_two", "setup", 1.0),
        report("tests/crash/test_b.py::test_two", "call", 1.5),
        report("tests/unit/b/test_c.py::test_three", "call", 0.25),
    ]
    assert by_folder(reports) == ["     2.5s     1 in tests/crash", "     1.2s     2 in tests/unit"]


@pytest.mark.parametrize(
    ("share", "cores"),
    [("max 100000", 6), ("200000 100000", 2), ("50000 100000", 1), ("3200000 100000", 6), ("?", 6), (None, 6)],
)
def test_cores_are_those_of_the_container(
    share: str | None, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container's share of the cores counts, where it has one; what cannot be read does not."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    quota = tmp_path / "cpu.max"
    if share is not None:
        quota.write_text(share, encoding="ascii")
    assert count_cores(quota) == cores


@pytest.mark.parametrize(("cores", "processes"), [(1, 0), (2, 2), (64, PROCESSES_MAX)])
def test_one_core_means_one_process(cores: int, processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One core runs the tests without a second process; many cores do not mean that many processes."""
    monkeypatch.setattr("tests.cores.count_cores", lambda: cores)
    assert pytest_xdist_auto_num_workers() == processes


def test_compiled_modules_are_those_of_the_checkout() -> None:
    """What tests start finds Holdfast compiled; what they write is never taken for what they wrote a moment ago."""
    for module in (bytecode, holdfast.errors):
        compiled = Path(cache_from_source(module.__file__))
        assert compiled.stat().st_mtime >= Path(module.__file__).stat().st_mtime
    assert os.environ[bytecode.FORBID] == "1"
    assert sys.dont_write_bytecode


def test_limits_on_time_stretch_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never below what was promised; beyond it by as much as starting an interpreter takes longer than it should."""
    monkeypatch.setattr(pace, "START_SECONDS", 3600.0)
    assert pace.stretched(2.0) == 2.0
    monkeypatch.setattr(pace, "START_SECONDS", 1e-6)
    assert pace.stretched(2.0) > 200
