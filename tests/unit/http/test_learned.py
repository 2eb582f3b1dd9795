"""Calls of a host whose contracts are learned: what was learned is held against what comes later."""

from __future__ import annotations

import pytest

from holdfast.errors import ApiDrift, DefinitionError
from holdfast.http import Http
from holdfast.http.boards import LocalBoard
from holdfast.http.learned import Learner
from holdfast.http.rules import Terms
from holdfast.ports.contracts import Kind, Seen, decode_learned
from holdfast.ports.operations import ContractRecord
from holdfast.testing.fake_api import Answer, WrongType
from tests.logbook import logbook
from tests.unit.worker.rig import on_loop

WHERE = ("h", "GET /x")
JSON = "application/json"


@pytest.fixture
def learning(api) -> Http:
    """Return what calls the fake API, and learns from three answers."""
    calls = Http()
    calls.host(api.host, private=True, contract="learn", learn_from=3, matches=["status"])
    return calls


async def taught(calls: Http, url: str) -> None:
    """Have enough answers come."""
    for number in range(3):
        await calls.get(f"{url}/charges/{number}")


@pytest.mark.parametrize(
    ("drift", "field", "change"),
    [
        ("missing", "id", ("id", "a value", "nothing")),
        ("retyped", "id", ("id", "a valid string", "an object")),
        ("new value", "status", ("status", "'paid'", "'SUSPENDED_PENDING_REVIEW'")),
    ],
)
@on_loop
async def test_a_breaking_drift_is_found_without_any_type(api, learning, drift, field, change):
    """It has the same form as one from a type: what was called, where, what was expected, what was found."""
    await taught(learning, api.url)
    await learning.get(f"{api.url}/charges/4")
    api.drift("/charges", drift, field)
    with pytest.raises(ApiDrift) as caught:
        await learning.get(f"{api.url}/charges/5?token=x")
    error = caught.value
    assert error.changes == (change,)
    assert (error.host, error.endpoint, error.contract) == (api.host, "GET /charges/{}", "its contract, version 1")
    assert "not as before" in str(error)
    assert "token" not in str(error)


@pytest.mark.parametrize(
    ("drift", "field", "level", "words"),
    [
        ("added", "", "info", "added_overnight: an object instead of nothing"),
        ("widened", "id", "warning", "id: null instead of a valid string"),
    ],
)
@on_loop
async def test_what_breaks_nothing_is_written_down_once(api, learning, monkeypatch, drift, field, level, words):
    """The answer is returned, and the contract has it from then on."""
    await taught(learning, api.url)
    api.drift("/charges", drift, field)
    with logbook(monkeypatch) as lines:
        for number in range(3):
            assert (await learning.get(f"{api.url}/charges/{number}")).status_code == 200
    told = lines.of("answers are not as before")
    assert [(each["level"], each["reason"], each["endpoint"]) for each in told] == [(level, words, "GET /charges/{}")]


@pytest.mark.parametrize("act", [WrongType(), Answer(202, {"id": "1", "status": "paid"}), Answer(200, "{", {})])
@on_loop
async def test_another_status_or_content_type_breaks(api, learning, act):
    """Also JSON that is none; an accepted status is the code's own business."""
    await taught(learning, api.url)
    api.play("/charges", act)
    with pytest.raises(ApiDrift):
        await learning.get(f"{api.url}/charges/5")
    api.play("/charges", act)
    await learning.get(f"{api.url}/charges/5", accept=[200, 202])


@on_loop
async def test_what_is_called_otherwise_has_a_contract_of_its_own(api, learning):
    """A POST of the same path is learned from its own answers."""
    await taught(learning, api.url)
    api.drift("/charges", "missing", "id")
    assert (await learning.post(f"{api.url}/charges", json={})).json() == {"status": "paid"}


@on_loop
async def test_where_a_type_is_expected_it_decides_what_breaks(api, learning, monkeypatch):
    """The contract notes what changed, once."""
    await taught(learning, api.url)
    api.drift("/charges", "missing", "id")
    with logbook(monkeypatch) as lines:
        for _ in range(3):
            assert await learning.get(f"{api.url}/charges/5", expect=dict) == {"status": "paid"}
    told = lines.of("answers are not as before")
    assert [each["kind"] for each in told] == ["breaking"]


@on_loop
async def test_a_host_that_gives_something_up_is_told_of_once(api, http, monkeypatch):
    """With the dates, for whatever calls it; no contract is needed."""
    headers = {"deprecation": "@1688169599", "sunset": "Fri, 30 Jun 2023 23:59:59 GMT"}
    api.play("/charges", *[Answer(200, {"id": "1"}, headers)] * 3)
    with logbook(monkeypatch) as lines:
        for number in range(3):
            await http.get(f"{api.url}/charges/{number}")
    told = lines.of("a host gives up what is called")
    assert [(each["endpoint"], each["deprecated_at"], each["sunset_at"]) for each in told] == [
        ("GET /charges/{}", "2023-06-30", "2023-06-30")
    ]


# --- The learner itself ------------------------------------------------------------------------------------------


def seen(value: object) -> Seen:
    """Return an answer."""
    return Seen(200, JSON, is_json=True, value=value)


@on_loop
async def test_a_contract_is_learned_from_as_many_answers_as_was_said():
    """Until then nothing is held against it."""
    board, learner = LocalBoard(), Learner()
    for value in ({"a": 1}, {"a": "x"}, {"b": 1}):
        assert (await learner.hold(board, WHERE, seen(value), Terms(3))).version == 0
    record = await board.contract(*WHERE)
    assert record is not None
    assert (record.version, record.revision, record.is_learned, record.answers) == (1, 3, True, 3)
    assert (await learner.hold(board, WHERE, seen({"a": 1}), Terms(3))).version == 1


@on_loop
async def test_a_version_says_how_it_differs_from_the_one_before():
    """Also one that was learned anew: then it may be narrower."""

    class Shelf(LocalBoard):
        """Keeps all versions."""

        def __init__(self) -> None:
            super().__init__()
            self.versions: list[ContractRecord] = []

        async def contract_versions(self, *_: str) -> list[ContractRecord]:
            return self.versions[::-1]

        async def keep_contract(self, record: ContractRecord) -> bool:
            self.versions = [each for each in self.versions if each.version != record.version] + [record]
            return await super().keep_contract(record)

    shelf, learner = Shelf(), Learner()
    for value in ({"a": 1}, {"a": None}, {"a": None, "b": 1}):
        await learner.hold(shelf, WHERE, seen(value), Terms(2))
    record = await shelf.contract(*WHERE)
    assert record is not None
    assert [each.kind for each in decode_learned(record.body).changes] == [Kind.ADDITIVE]
    await shelf.keep_contract(ContractRecord(*WHERE, record.version + 1, record.revision + 1, is_learned=False))
    for _ in range(2):
        await learner.hold(shelf, WHERE, seen({"a": 1}), Terms(2))
    record = await shelf.contract(*WHERE)
    assert record is not None
    assert record.version == 3
    assert {(each.kind, each.path) for each in decode_learned(record.body).changes} == {
        (Kind.NARROWED, "a"),
        (Kind.NARROWED, "b"),
    }


@on_loop
async def test_of_two_that_learn_at_once_one_is_refused():
    """What it saw is not learned, and nothing else is lost."""
    board, learner = LocalBoard(), Learner()
    stale = ContractRecord(*WHERE, 1, 1, is_learned=False)
    await learner.hold(board, WHERE, seen({"a": 1}), Terms(9))
    assert not await board.keep_contract(stale)
    record = await board.contract(*WHERE)
    assert record is not None
    assert record.answers == 1


@pytest.mark.parametrize(
    "wrong", [{"contract": "guess"}, {"contract": "learn", "learn_from": 0}, {"contract": "learn", "matches": "state"}]
)
def test_what_cannot_be_meant_is_refused(wrong):
    """Where it is written."""
    with pytest.raises(DefinitionError):
        Http().host("api.example.com", **wrong)
