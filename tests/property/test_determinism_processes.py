"""Every construct of asyncio replays alike in fresh processes, under any hash seed, on every Python."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random
from typing import Any

import pytest

from tests.acts import make_up
from tests.pythons import ROOT, environment, other_versions, require_python
from tests.recital import perform, replay
from tests.repertoire import REPERTOIRE

SEEDS = range(12)
SCHEDULES = 2
"""How often each construct is played, each time with other things happening."""
PROGRAMS = 60
"""How many made-up programs are played as well."""
ANSWER_SECONDS = 120


def happenings(name: str) -> list[int]:
    """Return numbers that decide what happens, the same in every process."""
    chance = Random(name)
    return [chance.randrange(10_000) for _ in range(60)]


@cache
def repertoire() -> list[tuple[Any, list[int]]]:
    """Return what is played: every construct, and made-up programs."""
    plays: list[tuple[Any, list[int]]] = [
        (name, happenings(f"{name} {schedule}")) for name in REPERTOIRE for schedule in range(SCHEDULES)
    ]
    plays += [(make_up(Random(number)), happenings(str(number))) for number in range(PROGRAMS)]
    return json.loads(json.dumps(plays))  # as another process gets them


@cache
def performed() -> list[dict[str, Any]]:
    """Return what this process recorded of them."""
    return [perform(*each) for each in repertoire()]


def recorded() -> list[tuple[Any, str]]:
    """Return each work with its history."""
    return [(work, each["transcript"]) for (work, _), each in zip(repertoire(), performed(), strict=True)]


class Recitals:
    """Processes that play and replay; all are over when it is closed."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []

    def begin(self, python: str, env: dict[str, str], request: dict[str, Any]) -> subprocess.Popen[bytes]:
        """Start one, and ask it something."""
        process = subprocess.Popen(
            [python, "-m", "tests.recital"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=env,
        )
        self.processes.append(process)
        assert process.stdin is not None
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
        process.stdin = None
        return process

    @staticmethod
    def end(process: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Return what it answered."""
        output, problem = process.communicate(timeout=ANSWER_SECONDS)
        assert process.returncode == 0, problem.decode()
        answer: dict[str, Any] = json.loads(output)
        return answer

    def close(self) -> None:
        """Let none of them outlive the test."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def recitals() -> Iterator[Recitals]:
    """Return what starts other processes."""
    made = Recitals()
    yield made
    made.close()


def replays(recitals: Recitals, seeds: Sequence[int], **request: Any) -> list[list[str]]:
    """Replay all histories once under each hash seed; return what went wrong with each, under each."""
    request = {"replay": recorded(), **request}
    mine = sys.executable
    begun = [recitals.begin(mine, environment(PYTHONHASHSEED=str(seed)), request) for seed in seeds]
    return [recitals.end(process)["replayed"] for process in begun]


def test_every_construct_has_an_order_to_keep() -> None:
    """The repertoire asks for enough that an order could go wrong."""
    most: dict[str, int] = {}
    for (work, _), each in zip(repertoire(), performed(), strict=True):
        if isinstance(work, str):
            most[work] = max(most.get(work, 0), len(each["commands"]))
    assert {name: count for name, count in most.items() if count < 5} == {}
    assert most.keys() == REPERTOIRE.keys()


def test_replays_agree_under_any_hash_seed(recitals: Recitals) -> None:
    """12 of 12 fresh processes repeat every command of every history."""
    for seed, wrong in zip(SEEDS, replays(recitals, SEEDS), strict=True):
        assert [each for each in wrong if each] == [], f"PYTHONHASHSEED={seed}"


def test_without_the_counter_hash_replays_diverge(recitals: Recitals) -> None:
    """With hashes by address at least one construct diverges: the test above can tell."""
    diverged = {
        work if isinstance(work, str) else "a program"
        for wrong in replays(recitals, SEEDS[:4], plant="address hashes")
        for (work, _), words in zip(recorded(), wrong, strict=True)
        if words
    }
    assert {"waiting_for_the_first", "sets_of_tasks"} <= diverged


@pytest.mark.parametrize("version", other_versions())
def test_every_python_agrees(recitals: Recitals, version: str) -> None:
    """What one Python recorded every other replays, and all ask for the same in the first place."""
    python, env = require_python(version)
    request = {"perform": repertoire(), "replay": recorded()}
    answer = recitals.end(recitals.begin(python, env, request))
    assert [each for each in answer["replayed"] if each] == []
    for (work, _), mine, theirs in zip(repertoire(), performed(), answer["performed"], strict=True):
        assert theirs["commands"] == mine["commands"], work
        assert replay(work, theirs["transcript"]) == "", work


@pytest.mark.parametrize("version", other_versions())
def test_with_asyncios_own_constructs_pythons_disagree(recitals: Recitals, version: str) -> None:
    """Without Holdfast's own at least one construct diverges from one Python to the next: the test above can tell."""
    python, env = require_python(version)
    request = {"perform": repertoire(), "plant": "asyncio's own constructs"}
    begun = [recitals.begin(sys.executable, environment(), request), recitals.begin(python, env, request)]
    mine, theirs = [recitals.end(each)["performed"] for each in begun]
    assert [each["commands"] for each in mine] != [each["commands"] for each in theirs]
