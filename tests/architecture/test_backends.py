"""A backend on which no test passed is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backends import BACKENDS, OTHERS, SQLITE, SUITES, chosen

CONFTEST = """
import pytest
from tests.backends import print_passed, pytest_addoption, pytest_itemcollected, pytest_sessionfinish

def pytest_configure(config):
    config.addinivalue_line("markers", "backend(name): where it runs")

def pytest_terminal_summary(terminalreporter, config):
    print_passed(terminalreporter, config)
"""
TESTS = """
import pytest

@pytest.mark.parametrize("name", [{names}])
def test_something(name):
    assert name != "broken"
"""


def run(pytester: pytest.Pytester, passes: tuple[str, ...], *options: str) -> pytest.RunResult:
    """Run a test of each suite on each of some backends; on the others it fails or is not there."""
    pytester.makeconftest(CONFTEST)
    for folder in ("tests/conformance", "tests/unit"):
        path = pytester.path / folder / f"test_{folder.rpartition('/')[2]}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        names = [f'pytest.param("{each}", marks=pytest.mark.backend("{each}"))' for each in passes]
        names.append('pytest.param("broken", marks=pytest.mark.backend("postgres+polling"))')
        path.write_text(TESTS.format(names=", ".join(names)), encoding="utf-8")
    root = Path(__file__).parents[2]
    return pytester.runpytest_inprocess(
        "-p", "no:holdfast.testing.plugin", f"--override-ini=pythonpath={root}", *options
    )


def test_a_backend_without_a_test_that_passed_fails_the_run(pytester: pytest.Pytester) -> None:
    """A test that failed, and tests that are not there, count as none; each suite counts for itself."""
    result = run(pytester, (SQLITE, *OTHERS[:2]), "--each-backend", "-k", "not broken")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "sqlite*conformance*1*controller*1",
            "postgres+polling*conformance*0*controller*0",
            "no test of conformance passed on postgres+polling",
            "no test of controller passed on postgres+polling",
        ]
    )


def test_a_run_in_which_each_backend_has_one_is_good(pytester: pytest.Pytester) -> None:
    """The counts are printed, and nobody complains; nobody counts unless it is asked for."""
    result = run(pytester, BACKENDS, "--each-backend", "-k", "not broken")
    assert (result.ret, "no test of" in result.stdout.str()) == (pytest.ExitCode.OK, False)
    result = run(pytester, (SQLITE,), "-k", "not broken")
    assert (result.ret, "by backend" in result.stdout.str()) == (pytest.ExitCode.OK, False)


def test_in_turn_every_backend_has_its_share() -> None:
    """Each test runs on SQLite and one other; wanted ones are taken as they are, and misspelt ones are named."""
    turns = [chosen("", f"test_{number}") for number in range(60)]
    assert {first for first, _ in turns} == {SQLITE}
    assert all(sum(other == each for _, other in turns) > 10 for each in OTHERS)
    assert (chosen("all", "t"), chosen("sqlite", "t")) == (BACKENDS, (SQLITE,))
    with pytest.raises(pytest.UsageError, match="there is no 'mysql'"):
        chosen("mysql", "t")
    assert len(SUITES) == 2
