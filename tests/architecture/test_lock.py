"""The lock fits pyproject.toml, and the check that says so catches every way of not fitting."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import lock

ROOT = Path(__file__).resolve().parents[2]

PROJECT = """
[project]
dependencies = ["alpha>=2,<3"]
[project.optional-dependencies]
temporal = []
[dependency-groups]
dev = ["beta[fast]>=1"]
"""
DIGEST = "a" * 64
LOCK = f"""
alpha==2.5 \\
    --hash=sha256:{DIGEST}
    # via holdfast (pyproject.toml)
beta[fast]==1.0 ; python_full_version < '3.13' \\
    --hash=sha256:{DIGEST}
    # via holdfast (pyproject.toml:dev)
gamma==0.1 \\
    --hash=sha256:{DIGEST}
    # via
    #   alpha
    #   beta
"""


def test_lock_agrees() -> None:
    """Everything pyproject.toml asks for is locked, in range, hashed, and nothing more was asked for."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert lock.disagreements(project, locked) == []
    assert any(pin.direct for pin in lock.read_pins(locked).values())  # or a removed requirement would go unseen


@pytest.mark.parametrize(
    ("project", "locked", "sentence"),
    [
        pytest.param(PROJECT.replace("<3", "<2.5"), LOCK, "the lock has 2.5", id="out-of-range"),
        pytest.param(PROJECT.replace("alpha", "delta"), LOCK, "which is not locked", id="not-locked"),
        pytest.param(PROJECT.replace('"beta[fast]>=1"', ""), LOCK, "no longer asks for", id="left-over"),
        pytest.param(PROJECT, LOCK.replace("a" * 64, "a" * 63), "has no hash", id="no-hash"),
        pytest.param(PROJECT, "--index-url https://example.org/\n" + LOCK, "names a URL", id="url"),
    ],
)
def test_disagreement_is_caught(project: str, locked: str, sentence: str) -> None:
    """Each way in which a lock can be wrong is told in a sentence."""
    assert lock.disagreements(PROJECT, LOCK) == []
    assert any(sentence in each for each in lock.disagreements(project, locked))
