"""A worker asks for as long as it takes to start what it claims."""

from __future__ import annotations

import pytest

from holdfast.worker.lateness import DECAY, LATENESS_MAX, MARGIN, Lateness


def test_it_follows_what_was_measured():
    """At once when it becomes slower, step by step when it becomes quicker, and never without end."""
    lateness = Lateness()
    assert lateness.seconds == 0.0
    lateness.note(0.4)
    assert lateness.seconds == MARGIN * 0.4
    lateness.note(0.01)
    assert lateness.seconds == pytest.approx(DECAY * MARGIN * 0.4)
    lateness.note(1_000.0)
    assert lateness.seconds == LATENESS_MAX
