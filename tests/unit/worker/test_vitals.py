"""What a look at a process says about it, and when a sidecar sees that it is alone."""

from __future__ import annotations

import os
import socket

import pytest

from holdfast.worker.sidecar import Renewal
from holdfast.worker.vitals import Sample, judge, look
from holdfast.worker.watermark import PAGE_BYTES, Watermark, make_page


@pytest.mark.parametrize(
    ("state", "used", "rise", "verdict"),
    [
        ("S", 0.0, 1, "alive"),
        ("R", 5.0, 1, "alive"),
        ("R", 5.0, 0, "blocked at here.py:1"),
        ("S", 0.2, 0, "blocked at here.py:1"),
        ("S", 0.01, 0, None),
        ("D", 0.0, 0, None),
        ("T", 5.0, 1, None),
        ("t", 5.0, 1, None),
        ("Z", 0.0, 1, None),
        ("X", 0.0, 1, None),
        ("", 0.0, 0, "blocked at here.py:1"),
    ],
)
def test_a_process_is_judged_by_its_state_its_work_and_its_loop(state, used, rise, verdict):
    """Turning is alive, computing is blocked, and what does neither or is stopped must let go."""
    before = Sample(at=100.0, state="S", processor_seconds=7.0, height=3)
    now = Sample(at=105.0, state=state, processor_seconds=7.0 + used, height=3 + rise)
    assert judge(before, now, lambda: "here.py:1") == verdict


def test_a_look_finds_this_process_and_no_dead_one():
    """A process that is not there is dead."""
    assert look(os.getpid(), 0).state == "R"
    assert look(2**22 + 1, 0).state == "X"


def test_the_page_holds_a_height_and_a_place():
    """What one mapping writes the other reads, cut to what fits."""
    descriptor = make_page()
    ours, theirs = Watermark(descriptor), Watermark(descriptor)
    os.close(descriptor)
    assert (theirs.height(), theirs.where()) == (0, "")
    ours.rise()
    ours.say_where("über.py:7")
    assert (theirs.height(), theirs.where()) == (1, "über.py:7")
    ours.say_where("x" * 2 * PAGE_BYTES)
    assert set(theirs.where()) == {"x"}
    ours.say_where("")
    assert theirs.where() == ""
    ours.close()
    theirs.close()


def test_a_sidecar_is_alone_when_its_parent_hung_up_or_is_another():
    """Where the kernel does not end a sidecar with its parent, it notices by itself."""
    page = make_page()
    watermark = Watermark(page)
    os.close(page)
    ours, theirs = socket.socketpair()
    told = {"entry": "tests.crash.renewals:beat", "arguments": {}, "lease_seconds": 1.0, "logs": None}
    with theirs:
        assert not Renewal(os.getppid(), theirs, watermark, told)._is_alone(0)
        assert Renewal(os.getppid() + 1, theirs, watermark, told)._is_alone(0)
        ours.close()
        assert Renewal(os.getppid(), theirs, watermark, told)._is_alone(0)
    watermark.close()
