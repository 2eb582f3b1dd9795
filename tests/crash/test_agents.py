"""An agent whose process is killed half-way goes on in another one, and pays for nothing twice."""

from __future__ import annotations

import signal

from tests.crash import agents

KILLED_AFTER = 4


def test_an_agent_that_is_killed_pays_for_no_step_twice(tmp_path):
    """The four steps before the kill are recorded; the process that takes over makes the other three."""
    assert agents.kill_after(tmp_path, KILLED_AFTER) == -signal.SIGKILL
    assert agents.made(tmp_path) == agents.STEPS[:KILLED_AFTER]
    assert agents.live(tmp_path, len(agents.STEPS)) == "It is written down."
    assert agents.made(tmp_path) == agents.STEPS
    assert agents.paid(tmp_path) == agents.STEPS.count("model")


def test_a_run_that_is_forgotten_is_seen(tmp_path):
    """The check above sees steps that are made again: those of a run whose store is another one."""
    assert agents.kill_after(tmp_path, 1) == -signal.SIGKILL
    assert agents.live(tmp_path, len(agents.STEPS), store="other.db") == "It is written down."
    assert agents.made(tmp_path) == ["model", *agents.STEPS]
