"""A run that went wrong is forked: what was done is not done again, what may have been done is not paid twice."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from holdfast import Client, Holdfast, Retry, lock, map_tasks, signal, start_child, task, task_info, workflow
from holdfast.cli import program
from holdfast.cli.output import Exit
from holdfast.errors import ForkError, LeaseHeld, RunFailedError
from holdfast.ports.operations import AcquireLease, ReleaseLease, RunFilter
from tests.acceptance.test_operating import stack, until
from tests.unit.worker.rig import on_loop

WAIT = 20.0
ONCE = Retry(attempts=1)


class Receiver:
    """The outside: what reached it, and a bank that honours idempotency keys."""

    calls: Counter[str]
    keys: dict[str, list[str]]
    payments: dict[str, int]
    rings: list[tuple[str, int]]
    down = False

    @classmethod
    def new(cls) -> None:
        """Forget everything."""
        cls.calls, cls.keys, cls.payments, cls.rings, cls.down = Counter(), {}, {}, [], False

    @classmethod
    def hear(cls) -> None:
        """Note who calls, with which key."""
        info = task_info()
        cls.calls[info.task] += 1
        cls.keys.setdefault(info.step, []).append(info.idempotency_key)


@task(retry=ONCE)
async def reserve(order: str) -> str:
    """Reserve goods."""
    Receiver.hear()
    return f"reserved {order}"


@task(retry=ONCE)
async def charge(order: str, amount: int) -> str:
    """Charge an account: the payment goes through, and the answer is lost when the bank is down."""
    Receiver.hear()
    Receiver.payments.setdefault(task_info().idempotency_key, amount)
    if Receiver.down:
        raise TimeoutError("the bank did not answer")
    return f"charged {order} {amount}"


@task(retry=ONCE)
async def pack(item: int) -> int:
    """Pack an item."""
    Receiver.hear()
    return item * 10


@task(retry=ONCE)
async def ship(order: str, packed: list[int]) -> str:
    """Ship an order."""
    Receiver.hear()
    return f"shipped {order} {packed}"


@workflow
async def buy(order: str) -> str:
    """Reserve, pack, charge, ship."""
    await reserve(order)
    packed = list(await map_tasks(pack, [1, 2]))
    receipt = await charge(order, 100)
    return receipt + ", " + await ship(order, packed)


@task(retry=ONCE)
async def ring_up(token: int) -> str:
    """Do something that the lock protects."""
    Receiver.rings.append((task_info().run_id, token))
    if Receiver.down:
        raise TimeoutError("down")
    return "rung up"


@workflow
async def guarded(name: str) -> str:
    """Do two things under one lock."""
    async with lock(f"till:{name}") as held:
        await reserve(name)
        return await ring_up(held.token)


@workflow
class Patient:
    """Wait for a word."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.called = asyncio.Event()

    async def run(self) -> list[str]:
        """Reserve, wait, charge."""
        await reserve("p")
        await self.called.wait()
        self.heard.append(await charge("p", 1))
        return self.heard

    @signal
    def say(self, word: str) -> None:
        """Hear a word."""
        self.heard.append(word)
        self.called.set()


@workflow
async def store_away(order: str) -> str:
    """Reserve, as a run of its own."""
    return await reserve(order)


@workflow
async def pay(order: str) -> str:
    """Charge, as a run of its own."""
    return await charge(order, 100)


@workflow
async def delegate(order: str) -> list[str]:
    """Have children reserve and charge."""
    return [await start_child(store_away, order), await start_child(pay, order)]


DEFINITIONS = (buy, guarded, Patient, store_away, pay, delegate, reserve, charge, pack, ship, ring_up)


async def fail(app: Holdfast, definition: Any, *args: Any, id: str) -> Any:
    """Run something while the bank is down; return its handle."""
    Receiver.down = True
    handle = await app.client.start(definition, *args, id=id)
    with pytest.raises(RunFailedError):
        await handle.result(WAIT)
    Receiver.down = False
    return handle


@on_loop
async def test_a_payment_that_went_through_is_not_made_twice(tmp_path: Path) -> None:
    """The charge was made and its answer was lost: the fork charges under the same key, and runs nothing before it."""
    Receiver.new()
    async with stack(tmp_path, *DEFINITIONS) as app:
        handle = await fail(app, buy, "o-1", id="o-1")
        forked = await app.client.fork(handle, at="charge#1")
        assert await forked.handle.result(WAIT) == "charged o-1 100, shipped o-1 [10, 20]"
        assert Receiver.calls == {"reserve": 1, "pack": 2, "charge": 2, "ship": 1}
        assert Receiver.payments == {"o-1/charge#1": 100}
        assert Receiver.keys["ship#1"] == [f"{forked.begun.run_id}/ship#1"]
        assert forked.begun.recorded == ("reserve#1", "map#1")
        assert forked.begun.again == ("charge#1",)
        record = await handle.describe()
        assert record.status == "FAILED", "the source is left as it is"
        # A fork of the fork still has the root's key; new keys are new.
        again = await app.client.fork(forked.handle, at="charge#1", id="o-1b")
        await again.handle.result(WAIT)
        assert Receiver.payments == {"o-1/charge#1": 100}
        fresh = await app.client.fork(handle, at="charge#1", id="o-1c", new_keys=True)
        await fresh.handle.result(WAIT)
        assert Receiver.payments == {"o-1/charge#1": 100, "o-1c/charge#1": 100}


@on_loop
async def test_another_input_is_another_effect(tmp_path: Path) -> None:
    """Forked from the start with another input: steps whose input differs get keys of their own, others keep theirs."""
    Receiver.new()
    async with stack(tmp_path, *DEFINITIONS) as app:
        await fail(app, buy, "o-1", id="o-1")
        forked = await app.client.fork("o-1", at="start", input="o-2", id="o-2")
        await forked.handle.result(WAIT)
        assert Receiver.keys["reserve#1"] == ["o-1/reserve#1", "o-2/reserve#1"]
        assert Receiver.payments == {"o-1/charge#1": 100, "o-2/charge#1": 100}
        assert Receiver.keys["map#1[0]"] == ["o-1/map#1[0]", "o-1/map#1[0]"], "the items are the same"
        assert set(forked.begun.keys) == {"reserve#1", "map#1", "charge#1"}


@on_loop
async def test_a_result_can_be_put_in_place(tmp_path: Path) -> None:
    """Overridden, a step is not run at all: neither the one at the cut nor one before it."""
    Receiver.new()
    async with stack(tmp_path, *DEFINITIONS) as app:
        await fail(app, buy, "o-1", id="o-1")
        override = {"charge#1": "paid in cash"}
        forked = await app.client.fork("o-1", at="charge#1", override=override)
        assert await forked.handle.result(WAIT) == "paid in cash, shipped o-1 [10, 20]"
        assert Receiver.calls["charge"] == 1
        done = await app.client.fork("o-1", at="charge#1", override={"reserve#1": "by hand", **override})
        assert (await done.handle.history())[2].event.result == b'"by hand"'
        assert "paid in cash" in await done.handle.result(WAIT)


@on_loop
async def test_a_lock_is_acquired_afresh(tmp_path: Path) -> None:
    """The fork stands inside its source's lock: it holds it again, with a token that is newer, or it does not begin."""
    Receiver.new()
    async with stack(tmp_path, *DEFINITIONS) as app:
        handle = await fail(app, guarded, "a", id="g-1")
        holder = AcquireLease("till:a", 1, "somebody else", 60.0)
        await app.stack.store.write([holder])
        with pytest.raises(LeaseHeld, match="somebody else"):
            await app.client.fork(handle, at="ring_up#1", id="g-2", lock_seconds=0.2)
        assert await app.stack.store.run("g-2") is None
        (place,) = await app.stack.store.locks()
        assert place.holder == "somebody else", "nobody of ours is left in the line"
        await app.stack.store.write([ReleaseLease("till:a", "somebody else")])
        forked = await app.client.fork(handle, at="ring_up#1", id="g-2")
        assert await forked.handle.result(WAIT) == "rung up"
        (first, second) = Receiver.rings
        assert (first[0], second[0]) == ("g-1", "g-2")
        assert second[1] > first[1], "the token is a new one"
        assert Receiver.calls["reserve"] == 1
        assert await app.stack.store.locks() == [], "its end gives the lock back"


@on_loop
async def test_what_was_heard_before_the_cut_is_heard(tmp_path: Path) -> None:
    """Signals before the cut are part of the fork; later ones are not, and an event's id names the cut as well."""
    Receiver.new()
    async with stack(tmp_path, *DEFINITIONS) as app:
        Receiver.down = True
        handle = await app.client.start(Patient, id="p-1")
        await handle.signal(Patient.say, "now")
        with pytest.raises(RunFailedError):
            await handle.result(WAIT)
        Receiver.down = False
        history = await handle.history()
        heard = next(each.id for each in history if type(each.event).__name__ == "SignalReceived")
        before = await app.client.fork("p-1", at=heard - 1, id="p-2")

        async def reserved() -> bool:
            return (await before.handle.describe()).status == "RUNNING"

        await until(reserved)
        await before.handle.signal(Patient.say, "later")
        assert await before.handle.result(WAIT) == ["later", "charged p 1"]
        after = await app.client.fork("p-1", at=heard, id="p-3")
        assert await after.handle.result(WAIT) == ["now", "charged p 1"]
        assert Receiver.payments == {"p-1/charge#1": 1}


@on_loop
async def test_a_fork_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    """The error names what there is, and no run is made."""
    Receiver.new()
    async with stack(tmp_path, *DEFINITIONS) as app:
        await fail(app, buy, "o-1", id="o-1")
        for options, words in (
            ({"at": "chargge#1"}, "step chargge#1\nIts steps: reserve#1, map#1, charge#1"),
            ({"at": 99}, "event 99\nIts events that can be kept are 1 to"),
            ({"at": "charge#1", "input": "x"}, 'only at "start"'),
            ({"at": "charge#1", "override": {"ship#1": 1}}, "a result of ship#1"),
        ):
            with pytest.raises(ForkError, match=words.replace("(", r"\(")):
                await app.client.fork("o-1", id="nothing", **options)
        assert await app.stack.store.run("nothing") is None


@on_loop
async def test_many_are_forked_at_once(tmp_path: Path) -> None:
    """All that failed for one reason are forked at the same step; those that cannot be are listed."""
    Receiver.new()
    async with stack(tmp_path, *DEFINITIONS) as app:
        for number in range(3):
            await fail(app, buy, f"o-{number}", id=f"o-{number}")
        await fail(app, guarded, "a", id="g-1")
        where = RunFilter(statuses=("FAILED",), error="the bank did not answer")
        forks = [each async for each in app.client.fork_many(where, at="charge#1")]
        assert len(forks) == 3
        for each in forks:
            assert "shipped" in await each.handle.result(WAIT)
        assert Receiver.calls["charge"] == 6
        assert len(Receiver.payments) == 3
        (refused,) = [each async for each in app.client.fork_many(RunFilter(workflow="guarded"), at="charge#1")]
        assert isinstance(refused, ForkError)


def test_a_fork_from_the_command_line(tmp_path: Path) -> None:
    """It says what is recorded, what runs again, and under which keys."""
    Receiver.new()
    store = f"sqlite:///{tmp_path}/holdfast.db"

    def call(*arguments: str) -> Any:
        return CliRunner().invoke(program, [*arguments, "--store", store, "--json"])

    with Holdfast(store=store, definitions=DEFINITIONS, tune_gc=False) as app:
        Receiver.down = True
        with pytest.raises(RunFailedError):
            app.start(buy, "o-1", id="o-1").result(timeout=WAIT)
        Receiver.down = False
        result = call("runs", "fork", "o-1", "--at", "charge#1", "--id", "o-2", "--override", 'charge#1="cash"')
        assert result.exit_code == Exit.DONE, result.stderr
        assert json.loads(result.stdout) == {
            "run_id": "o-2",
            "created": True,
            "not_run_again": ["reserve#1", "map#1", "charge#1"],
            "run_again": [],
            "idempotency_keys": {},
        }
        assert app.handle("o-2").result(timeout=WAIT) == "cash, shipped o-1 [10, 20]"
    assert call("runs", "fork", "o-1", "--at", "nowhere").exit_code == Exit.USAGE
    wrong = call(
        *("runs", "fork", "o-1", "--at", "charge#1", "--override", "charge#1=7", "--module", __name__), "--id", "o-3"
    )
    assert wrong.exit_code == Exit.USAGE
    assert (
        "the override does not fit\n  /charge#1  Expected `str`, got `int`"
        in json.loads(wrong.stderr)["error"]["message"]
    )
    assert call("runs", "show", "o-3").exit_code == Exit.NOT_FOUND


def test_many_runs_are_forked_from_the_command_line(tmp_path: Path) -> None:
    """First it says how many; with --yes each has a fork, and one that has no such step is listed with the reason."""
    Receiver.new()
    store = f"sqlite:///{tmp_path}/holdfast.db"

    def call(*arguments: str) -> Any:
        where = ("--where", "status=failed", "--at", "charge#1")
        return CliRunner().invoke(program, ["runs", "fork", *where, *arguments, "--store", store, "--json"])

    with Holdfast(store=store, definitions=DEFINITIONS, tune_gc=False) as app:
        Receiver.down = True
        for name, definition in {"o-1": buy, "o-2": buy, "till": guarded}.items():
            with pytest.raises(RunFailedError):
                app.start(definition, name, id=name).result(timeout=WAIT)
        Receiver.down = False
        assert json.loads(call().stdout) == {"verb": "fork", "runs": 3}
        result = call("--yes")
        assert result.exit_code == Exit.REFUSED, result.stderr
        came = json.loads(result.stdout)
        assert [each["run_id"] for each in came["forked"]] == ["o-2", "o-1"]
        assert [each["run_id"] for each in came["refused"]] == ["till"]
        for each in came["forked"]:
            assert "shipped" in app.handle(each["fork"]).result(timeout=WAIT)
    assert Receiver.payments == {"o-1/charge#1": 100, "o-2/charge#1": 100}
    assert call("--id", "one", "--yes").exit_code == Exit.USAGE


def test_many_runs_are_operated_from_the_command_line(tmp_path: Path) -> None:
    """First it says how many; with --yes it goes to them; what does not fit a filter is left alone."""

    def call(*arguments: str) -> Any:
        return CliRunner().invoke(program, [*arguments, "--store", f"sqlite:///{tmp_path}/holdfast.db", "--json"])

    async def prepare() -> None:
        async with await Client.connect(f"sqlite:///{tmp_path}/holdfast.db") as client:
            await client.start_many("W", [(f"w-{number}", number) for number in range(450)])
            await client.start("V", id="v-1")

    asyncio.run(prepare())
    preview = call("runs", "pause", "--where", "workflow=W")
    assert json.loads(preview.stdout) == {"verb": "pause", "runs": 450}
    assert json.loads(call("runs", "list", "--where", "status=paused").stdout)["items"] == []
    done = call("runs", "pause", "--where", "workflow=W", "--yes", "--reason", "bad deploy")
    assert json.loads(done.stdout) == {"verb": "pause", "done": 450, "refused": []}
    assert json.loads(call("runs", "show", "v-1").stdout)["status"] == "RUNNING"
    assert json.loads(call("runs", "resume", "--where", "workflow=W", "--yes").stdout)["done"] == 450
    refused = call("runs", "resume", "--where", "status=running", "--where", "workflow=V", "--yes")
    assert refused.exit_code == Exit.REFUSED
    assert json.loads(refused.stdout)["refused"][0]["run_id"] == "v-1"
    ended = call("runs", "terminate", "--where", "created_from=2020-01-01", "--yes", "--reason", "wrong file")
    assert json.loads(ended.stdout)["done"] == 451
    found = json.loads(call("runs", "list", "--where", "error=wrong file", "--where", "workflow=V").stdout)["items"]
    assert [each["run_id"] for each in found] == ["v-1"]
    assert json.loads(call("runs", "list", "--where", "created_before=2020-01-01").stdout)["items"] == []
    assert call("runs", "cancel").exit_code == Exit.USAGE
    assert call("runs", "cancel", "--where", "red").exit_code == Exit.USAGE


@on_loop
async def test_a_fork_of_a_parent(tmp_path: Path) -> None:
    """The child that had ended is not run again; the one that failed begins anew, or has the result it is given."""
    Receiver.new()
    async with stack(tmp_path, *DEFINITIONS) as app:
        await fail(app, delegate, "o", id="d-1")
        forked = await app.client.fork("d-1", at="pay#1", id="d-2")
        assert await forked.handle.result(WAIT) == ["reserved o", "charged o 100"]
        assert (tuple(forked.begun.recorded), tuple(forked.begun.again)) == (("store_away#1",), ("pay#1",))
        assert await app.client.handle("d-2:pay#1").result(WAIT) == "charged o 100"
        given = await app.client.fork("d-1", at="pay#1", id="d-3", override={"pay#1": "paid in cash"})
        assert await given.handle.result(WAIT) == ["reserved o", "paid in cash"]
        assert Receiver.calls == {"reserve": 1, "charge": 2}
