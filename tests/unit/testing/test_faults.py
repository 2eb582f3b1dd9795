"""Faults strike where and when they are told to, and cost nothing otherwise."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from holdfast.testing.faults import EXIT_CODE, Fault, FaultError, Faults, parse_faults, read_last_words


class Shop:
    """Something with places."""

    def charge(self, amount):
        """Charge."""
        return amount

    async def ship(self, item):
        """Ship."""
        await asyncio.sleep(0)
        return item


def test_faults_are_read_as_they_are_written():
    """What a fault prints is what it is read from."""
    text = "commit:37=kill charged:5=stop a-b.c:1=fail x:2=exit"
    faults = parse_faults(text)
    assert faults[0] == Fault("commit", 37, "kill")
    assert " ".join(map(str, faults)) == text
    assert parse_faults(" ") == ()


@pytest.mark.parametrize(
    "text", ["commit", "commit=kill", "commit:0=kill", "commit:x=kill", "commit:1=burn", ":1=kill"]
)
def test_a_fault_that_cannot_be_read_is_an_error(text):
    """A misspelled fault must not be one that never strikes."""
    with pytest.raises(ValueError, match="is no fault"):
        parse_faults(text)


def test_a_place_that_nobody_armed_is_left_alone():
    """An unarmed process runs its own functions."""
    before = Shop.__dict__["charge"]
    with Faults.armed({}).before(Shop, "charge", "charge"):
        assert Shop.__dict__["charge"] is before


def test_a_place_that_is_gone_is_an_error_in_every_process():
    """A renamed function does not silently switch a fault off."""
    with pytest.raises(AttributeError):
        Faults([]).before(Shop, "refund", "refund")


def test_before_and_after_differ_by_what_was_done():
    """A fault before the call prevents it; one after it lets it happen."""
    done = []

    class Ledger:
        def enter(self, line):
            done.append(line)

    faults = Faults(parse_faults("early:2=fail late:1=fail"))
    with faults.before(Ledger, "enter", "early"):
        Ledger().enter(1)
        with pytest.raises(FaultError, match="early:2"):
            Ledger().enter(2)
        Ledger().enter(3)
    with faults.after(Ledger, "enter", "late"), pytest.raises(FaultError):
        Ledger().enter(4)
    Ledger().enter(5)
    assert done == [1, 3, 4, 5]
    assert faults.visits == {"early": 3, "late": 1}


def test_coroutines_are_visited_when_they_run():
    """An asynchronous function reaches its place when it is awaited, and after it has returned."""
    faults = Faults(parse_faults("shipped:1=fail"))

    async def ship_twice():
        waiting = Shop().ship("lamp")
        assert faults.visits == {}
        with pytest.raises(FaultError):
            await waiting
        return await Shop().ship("chair")

    with faults.after(Shop, "ship", "shipped"):
        assert asyncio.run(ship_twice()) == "chair"


@pytest.mark.parametrize(("action", "code"), [("kill", -signal.SIGKILL), ("exit", EXIT_CODE)])
def test_the_last_word_is_written_before_the_end(tmp_path, action, code):
    """A process that was killed at a place has said so."""
    script = """
        from holdfast.testing.faults import Faults

        class Shop:
            def charge(self):
                print("charged", flush=True)

        with Faults.armed().after(Shop, "charge", "charged"):
            for _ in range(5):
                Shop().charge()
    """
    log = tmp_path / "words"
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "HOLDFAST_FAULTS": f"charged:3={action}", "HOLDFAST_FAULTS_LOG": str(log)},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (code, b"charged\n" * 3)
    (word,) = read_last_words(log)
    assert word.fault == Fault("charged", 3, action)
    assert word.at > 0


def test_there_may_be_no_last_words(tmp_path):
    """No log is no words."""
    assert read_last_words(tmp_path / "none") == []
