"""A call is answered, or fails in a way that the engine's retry understands."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from holdfast.errors import (
    CallFailedError,
    CallRefusedError,
    CircuitOpen,
    DefinitionError,
    ForbiddenTargetError,
    HostBusy,
    LeaseLost,
    OutsideWorkflowError,
)
from holdfast.history import Exchange
from holdfast.http import Http, Outbound, outbound
from holdfast.http.boards import LocalBoard
from holdfast.ports.hosts import Frozen, Turn
from holdfast.ports.reach import Reach
from holdfast.ports.task import TaskInfo, current_task
from holdfast.testing.fake_api import (
    Answer,
    FakeApi,
    Hang,
    Redirect,
    ResetAfter,
    ResetBefore,
    SlowBody,
    TooMany,
    Truncate,
    WrongType,
)
from tests.unit.worker.rig import on_loop


@dataclass(eq=False)
class Attempt:
    """An attempt, as its code sees it."""

    info: TaskInfo
    over: bool = field(default=False)
    exchanges: tuple[Exchange, ...] = ()

    def heartbeat(self, progress: object = None) -> None:
        """Say nothing."""


def attempt(number: int = 1, seconds: float = 60.0, key: str = "r/charge#1") -> Attempt:
    """Return an attempt with so much time left."""
    deadline = datetime.now(UTC) + timedelta(seconds=seconds)
    return Attempt(TaskInfo(key, number, "r", "r", "charge", "charge#1", 7, deadline, None))


@on_loop
async def test_a_script_calls_without_any_set_up(api, http):
    """Bodies, queries and headers arrive; connections are used again."""
    answer = await http.post(f"{api.url}/charges", json={"amount": 5}, params={"a": "b c"}, headers={"X-A": "1"})
    assert answer.json() == {"id": "ch-1", "status": "paid"}
    assert (await http.get(f"{api.url}/charges/1")).status_code == 200
    first, second = api.requests()
    assert (first.body, first.query, first.headers["x-a"], first.key) == (b'{"amount":5}', "a=b+c", "1", None)
    assert first.connection == second.connection
    await http.close()
    await http.get(f"{api.url}/charges/1")
    assert api.requests()[-1].connection != first.connection


def test_code_that_blocks_calls_as_well(api, http):
    """The same verbs; on an event loop they say what to write instead."""
    assert http.sync.get(f"{api.url}/charges/1").json()["status"] == "paid"
    assert http.sync.post(f"{api.url}/charges", json={}).json()["id"] == "ch-1"
    assert len({each.connection for each in api.requests()}) == 1

    async def wrong():
        http.sync.get(f"{api.url}/charges/1")

    with pytest.raises(OutsideWorkflowError, match=r"write await http\.get"):
        asyncio.run(wrong())


@on_loop
async def test_every_attempt_sends_the_same_key_for_the_same_effect(api, http):
    """Whatever else an attempt leaves out; what only reads has none; another header where a host wants it."""
    url = f"{api.url}/charges"
    current_task.set(attempt())
    await http.get(url)
    await http.post(url, json=1)
    await http.post(url, json=2)
    await http.post(f"{url}/refund?at=1", json=3)
    current_task.set(attempt(2))
    await http.post(f"{url}/refund?at=2", json=3)
    await http.post(url, json=1)
    read, one, two, refund, refund_again, one_again = api.requests()
    assert read.key is None
    assert "fencing-token" not in read.headers
    assert one.headers["fencing-token"] == "7"
    assert one.key.startswith("r/charge#1/POST-")
    assert two.key == f"{one.key}/2"
    assert (refund_again.key, one_again.key) == (refund.key, one.key)
    assert len({one.key, two.key, refund.key}) == 3
    assert [each.value for each in api.effects()] == [1, 2, 3]
    http.host(api.host, private=True, idempotency_header="X-Request-Id", fencing_header=None)
    await http.post(url, json=4, idempotency_key="my own")
    assert (api.requests()[-1].key, api.requests()[-1].headers["x-request-id"]) == (None, "my own")
    assert "fencing-token" not in api.requests()[-1].headers


@on_loop
async def test_a_key_fits_into_a_header(api, http):
    """A long run id, or one that is no ASCII, becomes a digest, the same one each time."""
    for key in ("r" * 300, "bestellung-ä/charge#1"):
        for number in (1, 2):
            current_task.set(attempt(number, key=key))
            await http.post(f"{api.url}/charges", json=1)
    one, one_again, two, two_again = (each.key for each in api.requests())
    assert one == one_again != two == two_again
    assert one.startswith("holdfast-")


@pytest.mark.parametrize(
    "act", [ResetBefore(), ResetAfter(), Truncate(), Answer(500), Answer(502, "bad gateway"), Answer(408)]
)
@on_loop
async def test_what_may_succeed_later_can_be_tried_again(api, http, act):
    """A reset, a truncated answer, a status that says so; done once under one key all the same."""
    api.play("/charges", act)
    current_task.set(attempt())
    with pytest.raises(CallFailedError) as caught:
        await http.post(f"{api.url}/charges?token=secret", json=1)
    assert caught.value.retryable
    assert "secret" not in str(caught.value)
    current_task.set(attempt(2))
    assert (await http.post(f"{api.url}/charges?token=secret", json=1)).json()["id"] == "ch-1"
    assert len(api.effects()) == 1


@pytest.mark.parametrize("act", [Hang(), SlowBody()])
@on_loop
async def test_a_call_ends_before_its_attempt(api, http, act):
    """A host that says nothing, or half of it, is left in time for the attempt to say what happened."""
    api.play("/charges", act)
    current_task.set(attempt(seconds=0.3))
    with pytest.raises(CallFailedError, match=r"time-out|longer than"):
        await http.get(f"{api.url}/charges/1")
    current_task.set(attempt(seconds=-1.0))
    with pytest.raises(CallFailedError, match="nothing is left"):
        await http.get(f"{api.url}/charges/1")
    current_task.set(None)


@on_loop
async def test_what_never_succeeds_is_not_tried_again(api, http):
    """The error says what was answered; a status that is expected is an answer."""
    api.play("/charges", Answer(422, {"error": "no such\naccount"}), Answer(404, "?"))
    with pytest.raises(CallRefusedError, match="422") as caught:
        await http.get(f"{api.url}/charges/1")
    assert (caught.value.status, caught.value.retryable) == (422, False)
    assert "no such" in caught.value.body
    assert (await http.get(f"{api.url}/charges/1", accept=[404])).status_code == 404


@on_loop
async def test_a_host_that_wants_to_be_left_alone_is_left_alone(api, http):
    """Nobody in the process calls it until then, and the attempt does not count."""
    api.play("/charges", TooMany("30"))
    for _ in range(2):
        with pytest.raises(HostBusy) as caught:
            await http.get(f"{api.url}/charges/1")
        assert 29.0 < caught.value.retry_after < 35.0
        assert not caught.value.freezes
    assert len(api.requests()) == 1


class SteadyBoard(LocalBoard):
    """Its time stands still, and after the first turn that somebody gets it is a second later than that."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1_000_000.0
        self.turns: list[float] = []

    def now(self) -> float:
        """Return its own time."""
        return self.time

    async def tell(self, host, fact):
        """Note the turn."""
        reply = await super().tell(host, fact)
        if isinstance(fact, Turn):
            self.turns.append(reply.at)
            if len(self.turns) == 1:
                asyncio.get_running_loop().call_soon(setattr, self, "time", reply.at + 1.0)
        return reply


@pytest.fixture
def board():
    """Return what tasks find, with a time of its own."""
    found = SteadyBoard()
    end = outbound.serve(lambda: Outbound(found, Reach()))
    yield found
    end()


@on_loop
async def test_who_misses_a_turn_takes_another_one(api, http, board):
    """Of a process that stood still all would go at once whose turns have passed."""
    await board.tell(api.host, Frozen(0.01, "r", 10.0, 1.0))
    current_task.set(attempt())
    await http.get(f"{api.url}/charges/1")
    first, second = board.turns
    assert second - first == pytest.approx(1.0)
    assert len(api.requests()) == 1


@on_loop
async def test_who_is_told_late_of_a_turn_takes_another_one(api, http, board):
    """A store that is slow to answer grants turns that have passed when they are heard of."""
    await board.tell(api.host, Frozen(0.0, "r", 10.0, 1.0))
    board.time += 10.0
    grant, late = board.tell, [1.0, 0.0]

    async def tell_late(host, fact):
        reply = await grant(host, fact)
        board.time += late.pop(0)
        return reply

    board.tell = tell_late
    current_task.set(attempt())
    await http.get(f"{api.url}/charges/1")
    assert late == []
    assert len(board.turns) == 2
    assert len(api.requests()) == 1


@on_loop
async def test_who_meets_a_frozen_host_with_a_pace_comes_back_at_a_time_of_their_own(api, http, board):
    """Thousands that wait do not all come when it thaws."""
    await board.tell(api.host, Frozen(30.0, "r/charge#1", 10.0, 1.0))
    current_task.set(attempt())
    waits = []
    for _ in range(3):
        with pytest.raises(HostBusy, match="left alone, as r/charge#1 was told") as caught:
            await http.get(f"{api.url}/charges/1")
        waits.append(caught.value.retry_after)
        board.time = 1_000_000.0
    assert waits[0] >= 30.0
    assert all(later - sooner >= 0.1 for sooner, later in pairwise(waits))
    assert api.requests() == []


@on_loop
async def test_a_circuit_opens_in_this_process(api, http):
    """After failures without an end nobody calls; other hosts are not concerned."""
    api.play("/charges", *[ResetBefore()] * 9)
    for _ in range(5):
        with pytest.raises(CallFailedError):
            await http.get(f"{api.url}/charges/1")
    with pytest.raises(CircuitOpen, match="holdfast limits list"):
        await http.get(f"{api.url}/charges/1")
    assert len(api.requests()) == 5
    with FakeApi() as other:
        http.host(other.host, private=True)
        with pytest.raises(CallRefusedError):
            await http.get(f"{other.url}/charges/1")


@on_loop
async def test_redirects_go_where_they_may(api, http):
    """Reads are followed, without secrets to another host; what changes something is not; nobody is sent home."""
    with FakeApi() as other:
        other.route("GET", "/", lambda _: {"here": True})
        http.host(other.host, private=True)
        api.play("/charges", Redirect("/charges/2"), Answer(200, "there"))
        assert (await http.get(f"{api.url}/charges/1", headers={"Authorization": "Bearer x"})).text == "there"
        assert api.requests()[-1].headers["authorization"] == "Bearer x"
        for to in (other.url, "//169.254.169.254/latest/meta-data/", "//[::ffff:127.0.0.1]/", "ftp://localhost/"):
            api.play("/charges", Redirect(to))
            with pytest.raises(ForbiddenTargetError) as caught:
                await http.get(f"{api.url}/charges/1")
            assert not caught.value.retryable
        http.allow(["127.0.0.1"])
        api.play("/charges", Redirect(f"{other.url}/x"))
        assert (await http.get(f"{api.url}/charges/1", headers={"Authorization": "Bearer x"})).json() == {"here": True}
        assert "authorization" not in other.requests()[-1].headers
        api.play("/charges", Redirect(f"{other.url}/x", 307), Redirect("/charges", 302), Redirect("/charges/1", 303))
        for _ in range(2):
            with pytest.raises(ForbiddenTargetError, match="redirected"):
                await http.post(f"{api.url}/charges", json=1)
        assert (await http.post(f"{api.url}/charges", json=1)).json()["id"] == "/charges/1"
        api.play("/charges", *[Redirect("/charges/1")] * 6)
        with pytest.raises(ForbiddenTargetError, match="REDIRECTS_MAX"):
            await http.get(f"{api.url}/charges/1")
    assert api.effects() == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:7f00:0001]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "127%2e0%2e0%2e1",
        "user@127.0.0.1",
        "user:word@localhost",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[fd00:ec2::254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::]",
    ],
)
@on_loop
async def test_every_way_of_writing_a_private_address_is_refused(http, host):
    """This machine, and where a cloud keeps its credentials, before anything is sent there."""
    with pytest.raises((ForbiddenTargetError, CallFailedError)) as caught:
        await http.get(f"http://{host}:9/latest/meta-data/")
    # A name that this system does not take for an address leads nowhere, which is as good.
    assert isinstance(caught.value, ForbiddenTargetError) or "leads nowhere" in caught.value.reason


@on_loop
async def test_odd_addresses_are_refused_with_a_reason(http):
    """Another scheme, no host, no address at all."""
    for url in ("ftp://example.com/x", "file:///etc/passwd", "example.com", "http://"):
        with pytest.raises(ForbiddenTargetError):
            await http.get(url)
    for name in ("", "https://example.com", "a b", "x" * 400):
        with pytest.raises(DefinitionError):
            http.host(name)


@on_loop
async def test_what_is_packed_is_unpacked(api, http):
    """Once."""
    api.play(
        "/charges",
        Answer(200, gzip.compress(b"hello").decode("latin-1"), {"Content-Encoding": "identity"}),
        WrongType(),
    )
    assert (await http.get(f"{api.url}/charges/1")).status_code == 200
    assert "sign in" in (await http.get(f"{api.url}/charges/1")).text


@on_loop
async def test_an_attempt_that_was_given_up_calls_nobody(api, http):
    """A thread that outlived its attempt has no further effects."""
    given_up = attempt()
    given_up.over = True
    current_task.set(given_up)
    with pytest.raises(LeaseLost):
        await http.post(f"{api.url}/charges", json=1)
    assert api.requests() == []


def test_who_imports_it_loads_no_client():
    """Neither `holdfast` nor `holdfast.http` loads httpx before the first call."""
    code = "import sys, holdfast, holdfast.http; holdfast.http.http.host('a'); assert 'httpx' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_loops_that_end_leave_no_connection_behind(api):
    """Each `asyncio.run` closes its own."""
    http = Http()
    http.host(api.host, private=True)
    for _ in range(2):
        asyncio.run(http.get(f"{api.url}/charges/1"))
    assert len({each.connection for each in api.requests()}) == 2
