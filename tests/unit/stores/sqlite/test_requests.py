"""A request is answered by whoever is responsible, and forgotten when its time is over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import FencedError, RunNotFoundError
from holdfast.ports.bus import REQUESTS, RUNS
from holdfast.ports.operations import Answer, Ask, Membership, ReleaseRuns, Request, ReturnRequest, TakeRequests
from holdfast.stores.sql import requests
from tests.unit.stores.sqlite.desk import Desk, desk_at


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Open a fresh store."""
    with desk_at(tmp_path) as desk:
        yield desk


def ask(desk: Desk, run_id: str = "r", operation_id: str = "", seconds: float = 10.0) -> Any:
    """Ask something."""
    operation = Ask(run_id, "query", "progress", b"?", operation_id, desk.now + seconds)
    return desk.do(operation)


def take(desk: Desk, member: Membership, limit: int = 10) -> list[int]:
    """Take requests; return their ids."""
    return [each.request_id for each in desk.do(TakeRequests(limit), member)]


def test_a_request_is_taken_once_and_answered_once(desk: Desk) -> None:
    """Its taker sees all of it, the asker sees the first answer, both are rung."""
    run = desk.run("r")
    request_id = ask(desk, operation_id="op")
    assert desk.rings == {REQUESTS}
    assert desk.do(TakeRequests(5), desk.host) == (Request(request_id, "r", run, "query", "progress", b"?", "op"),)
    assert take(desk, desk.host) == []
    assert desk.ask(desk.store.answer(request_id)) is None
    assert desk.do(Answer(request_id, b"!"), desk.host) is True
    assert desk.rings == {REQUESTS}
    assert desk.do(Answer(request_id, b"late"), desk.host) is True
    assert desk.rings == set()
    assert desk.ask(desk.store.answer(request_id)) == b"!"


def test_a_request_that_was_given_back_is_taken_again(desk: Desk) -> None:
    """By whoever is responsible now; only its taker gives it back, and not once it is answered."""
    desk.run("r")
    request_id = ask(desk)
    assert take(desk, desk.host) == [request_id]
    other = desk.join()
    desk.do(ReturnRequest(request_id), other)
    assert take(desk, desk.host) == []
    assert desk.do(ReturnRequest(request_id), desk.host) is True
    assert take(desk, desk.host) == [request_id]
    desk.do(Answer(request_id, b"!"), desk.host)
    desk.do(ReturnRequest(request_id), desk.host)
    assert take(desk, desk.host) == []


def test_a_request_needs_a_run_and_its_taker_a_membership(desk: Desk) -> None:
    """There has to be somebody to ask about, and somebody to answer."""
    assert isinstance(ask(desk, "nobody"), RunNotFoundError)
    assert isinstance(desk.do(TakeRequests(1)), FencedError)


def test_the_same_operation_is_the_same_request(desk: Desk) -> None:
    """Asked again it lasts longer; without an operation id every request is its own."""
    desk.run("r")
    desk.run("s")
    first = ask(desk, operation_id="op")
    assert ask(desk, operation_id="op", seconds=20) == first
    assert ask(desk, "s", operation_id="op") != first
    assert ask(desk) != ask(desk)
    desk.now += 15
    assert take(desk, desk.host) == [first]


def test_only_the_owner_answers_for_its_runs(desk: Desk) -> None:
    """Requests for a run that nobody owns go to anybody, oldest first."""
    other = desk.join()
    mine, free = desk.run("mine", owner=other), desk.run("free")
    desk.do(ReleaseRuns((free,)), desk.host)
    asked = [ask(desk, run_id) for run_id in ("free", "mine", "free")]
    assert take(desk, desk.host, 1) == [asked[0]]
    assert take(desk, desk.host) == [asked[2]]
    assert take(desk, other) == [asked[1]]
    assert mine != free


def test_an_update_wakes_a_run_that_nobody_owns(desk: Desk) -> None:
    """Only an owner can answer it; a query can be answered by anybody, and lets the run sleep."""
    run = desk.run("r")
    desk.do(ReleaseRuns((run,)), desk.host)
    ask(desk)
    take(desk, desk.host)
    assert desk.rows("SELECT ready FROM executions") == [(0,)]
    desk.do(Ask("r", "update", "add", b"1", "op", desk.now + 10))
    take(desk, desk.host)
    assert desk.rings == {RUNS}
    assert desk.rows("SELECT ready FROM executions") == [(1,)]


def test_a_request_outlives_its_taker(desk: Desk) -> None:
    """When the taker is gone, or the run has found an owner, somebody else takes it."""
    taker = desk.join()
    run = desk.run("r", owner=taker)
    request_id = ask(desk)
    assert take(desk, taker) == [request_id]
    assert take(desk, desk.host) == []
    desk.die(taker)
    assert take(desk, desk.host) == [request_id]
    assert take(desk, desk.host) == []
    late = desk.join()
    desk.connection.execute("UPDATE executions SET owner = ? WHERE id = ?", (late.member, run))
    assert take(desk, late) == [request_id]
    assert take(desk, late) == []


def test_what_expired_is_forgotten_a_little_at_a_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answered or not; nobody takes it any more, and its answer goes nowhere."""
    monkeypatch.setattr(requests, "EXPIRED_MAX", 2)
    desk.run("r")
    old = [ask(desk) for _ in range(5)]
    desk.do(Answer(old[0], b"!"), desk.host)
    desk.now += 10
    assert take(desk, desk.host) == []
    assert desk.rows("SELECT count(*) FROM requests") == [(3,)]
    new = ask(desk)
    assert take(desk, desk.host) == [new]
    assert desk.rows("SELECT id FROM requests") == [(new,)]
    assert desk.do(Answer(old[1], b"!"), desk.host) is True
    assert desk.ask(desk.store.answer(old[1])) is None
    assert new > max(old), "an id is never used again"
