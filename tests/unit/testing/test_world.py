"""A world is the real stack, and only time is not: nothing takes any, and everything happens at its moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from holdfast.errors import (
    DefinitionError,
    DivergenceError,
    RunConflictError,
    RunFailedError,
    RunTimedOutError,
    SettingsError,
    UnknownNameError,
    WorldStuckError,
)
from holdfast.history import TimerFired
from holdfast.testing import World
from tests.unit.testing import automations
from tests.unit.testing.automations import (
    Membership,
    Subscription,
    asking,
    charge,
    charging,
    fickle,
    hanging,
    held,
    locked,
    note,
    polling,
    render,
    rendering,
    sleeper,
    wait_outside,
    waiting,
)

pytestmark = pytest.mark.undisturbed(
    "what a lost answer costs, a lease that runs out or a process that joins anew, is virtual time"
)

START = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def world() -> Iterator[World]:
    """Give a world with the automations."""
    with World([automations]) as entered:
        yield entered


def test_a_long_sleep_takes_no_time(world: World) -> None:
    """A run that sleeps for 30 days ends 30 days later, at once."""
    began = time.monotonic()
    run = world.start(sleeper, 30 * 86_400)
    assert run.status == "RUNNING"
    assert run.result() == "2030-01-31T00:00:00+00:00"
    assert world.now == datetime(2030, 1, 31, tzinfo=UTC)
    assert time.monotonic() - began < 5


def test_time_moves_only_as_far_as_it_is_told(world: World) -> None:
    """`advance` stops in the middle, and what is due at its end has happened."""
    runs = [world.start(sleeper, days * 86_400) for days in (3, 1, 2)]
    world.advance("1d")
    assert [each.status for each in runs] == ["RUNNING", "COMPLETED", "RUNNING"]
    world.advance(timedelta(hours=23, minutes=59))
    assert runs[2].status == "RUNNING"
    world.advance_to(datetime(2030, 1, 3, tzinfo=UTC))
    assert [each.status for each in runs] == ["RUNNING", "COMPLETED", "COMPLETED"]
    with pytest.raises(SettingsError, match="is over: it is 2030-01-03T00:00:00"):
        world.advance_to(START)
    with pytest.raises(SettingsError, match="has no time zone"):
        world.advance_to(datetime(2030, 1, 4))  # noqa: DTZ001 - that is the slip
    assert world.now == datetime(2030, 1, 3, tzinfo=UTC)


def test_misspelt_names_are_told(world: World) -> None:
    """A task that there is not, a signal that is nearly a handler's, and one that nobody took."""
    for slip in (world.calls, world.unstub, world.crash_after):
        with pytest.raises(UnknownNameError, match=r"there is no task 'chargee'\. Did you mean 'charge'"):
            slip("chargee")
    run = world.start(Membership, "ada", 2, [], id="m-1")
    with pytest.raises(UnknownNameError, match=r"there is no signal 'upgrad'\. Did you mean 'upgrade'"):
        run.signal("upgrad", 25)
    waits = world.start(asking, id="a-1")
    waits.signal("anwser", "yes")  # asking has no handlers: it may wait for any name
    with pytest.raises(WorldStuckError, match=r"a-1 \(asking\) RUNNING: .*nobody took: anwser"):
        waits.result()


def test_three_years_of_a_subscription(world: World) -> None:
    """Messages, monthly charges, a retry and a crash over three years take under a second."""
    world.stub(charge, call=lambda customer, amount: f"{customer} paid {amount}")
    began = time.process_time()  # of the processor: others may be busy on this machine
    run = world.start(Subscription, "ada", id="sub-1")
    world.advance("365d")
    assert run.query(Subscription.receipts) == 13
    assert run.update(Subscription.change, 20) == "2031-01-02T00:00:00+00:00"
    world.crash()
    world.advance(timedelta(days=730 - 1))
    paid = world.result("sub-1")
    seconds = time.process_time() - began
    assert paid == 13 * ["ada paid 10"] + 23 * ["ada paid 20"]
    assert [each.at for each in world.calls(charge)] == [START + timedelta(days=30 * n) for n in range(36)]
    assert seconds < 1, f"it took {seconds:.2f} s"


def test_three_years_of_a_membership(world: World) -> None:
    """A child each month, a new execution each year, signals, and a crash: three years in under a second."""
    world.stub(charge, call=lambda customer, amount: f"{customer} paid {amount}")
    began = time.process_time()
    run = world.start(Membership, "ada", 36, [], id="m-1")
    world.advance("400d")
    run.signal(Membership.upgrade, 25)
    world.crash()
    paid = run.result()
    seconds = time.process_time() - began
    assert paid == 14 * ["ada paid 10"] + 10 * ["ada paid 25"] + 12 * ["ada paid 10"]
    assert world.now == START + timedelta(days=36 * 30)
    assert len(world.calls(charge)) == 36
    assert seconds < 1, f"it took {seconds:.2f} s"


def test_a_signal_has_its_effect_at_once(world: World) -> None:
    """When `signal` returns, the run has done what it does about it."""
    world.stub(charge, returns="receipt")
    run = world.start(Subscription, "ada")
    world.advance("45d")
    run.signal(Subscription.cancel)
    assert run.status == "COMPLETED"
    assert run.result() == ["receipt", "receipt", "1: cancelled"]
    assert world.now == START + timedelta(days=45)


def test_retries_wait_in_virtual_time(world: World) -> None:
    """A stub that fails is tried again under one key, after the waits that the task asks for."""
    world.stub(charge, raises=ConnectionError("the bank is closed"))
    with pytest.raises(RunFailedError, match="the bank is closed"):
        world.start(charging, "ada", id="c-1").result()
    calls = world.calls(charge)
    assert [each.attempt for each in calls] == [1, 2, 3]
    assert {each.idempotency_key for each in calls} == {"c-1/charge#1"}
    assert calls[0].args == ("ada", 5)
    assert calls[0].at < calls[1].at < calls[2].at == world.now


def test_stand_ins_come_and_go(world: World) -> None:
    """A stub answers from the moment it is set until it is taken away; one by name and one that sleeps work too."""
    answers: list[str] = []

    async def slowly(customer: str, amount: int) -> str:
        await asyncio.sleep(300)  # virtual time
        answers.append(f"{customer} {amount}")
        return answers[-1]

    world.stub("charge", call=slowly)
    assert world.start(charging, "ada").result() == "ada 5"
    assert world.now == START + timedelta(minutes=5)
    world.stub(charge, returns="quick")
    assert world.start(charging, "bob").result() == "quick"
    world.unstub(charge)
    with pytest.raises(RunFailedError, match="no bank here"):
        world.start(charging, "eve").result()


def test_a_stand_in_says_one_thing(world: World) -> None:
    """A stub without an answer, with two, or of a task that is not there is refused."""
    with pytest.raises(DefinitionError, match="has 0 answers"):
        world.stub(charge)
    with pytest.raises(DefinitionError, match="has 2 answers"):
        world.stub(charge, returns="a", raises=ValueError)
    with pytest.raises(UnknownNameError, match="chrge"):
        world.stub("chrge", returns="a")


def test_time_outs_of_attempts_are_virtual(world: World) -> None:
    """A task that hangs is ended after its time-out, in each attempt."""
    assert world.start(hanging).result() >= "2030-01-01T00:20:00"
    assert world.now < START + timedelta(minutes=22)


def test_code_of_tasks_sleeps_in_virtual_time(world: World) -> None:
    """What a task waits for moves the clock, too."""
    assert world.start(polling).result() == 90
    assert world.now == START + timedelta(minutes=90)


def test_threads_take_real_time(world: World) -> None:
    """Work in a thread is waited for, and the clock stands still meanwhile."""
    held.set()
    assert world.start(waiting).result() == "let go"
    assert world.now == START


def test_a_thread_that_hangs_meets_its_time_out(world: World) -> None:
    """A thread without a sign of life does not keep virtual time from going on."""
    held.clear()
    try:
        with pytest.raises(RunFailedError, match="within 600 s"):
            world.start(waiting).result()
    finally:
        held.set()
    assert world.now >= START + timedelta(minutes=10)
    assert len(world.calls(wait_outside)) == 1


def test_a_stand_in_takes_the_place_of_another_process(world: World) -> None:
    """Tasks of any pool and isolation run in a world, and a stub of one needs no process."""
    world.stub(render, call=lambda page: f"page {page}")
    assert world.start(rendering, 30).result() == [f"page {page}" for page in range(30)]


def test_what_no_time_brings_is_an_error(world: World) -> None:
    """Waiting for a run that waits for a message says so at once, and the run can go on."""
    run = world.start(asking, id="asking-1")
    with pytest.raises(WorldStuckError, match=r"asking-1 \(asking\) RUNNING: waits for a message"):
        run.result()
    run.signal("answer", "yes")
    assert run.result() == "yes"


def test_runs_wait_for_each_other(world: World) -> None:
    """A lock is held for as long as its holder sleeps."""
    first, second = world.start(locked, 3_600), world.start(locked, 3_600)
    assert (first.result(), second.result()) == ("2030-01-01T01:00:00+00:00", "2030-01-01T02:00:00+00:00")


def test_an_id_is_one_run(world: World) -> None:
    """The same id and input is the same run, and another input is refused, as everywhere."""
    first, again = world.start(sleeper, 5, id="s"), world.start(sleeper, 5, id="s")
    assert (first.created, again.created) == (True, False)
    with pytest.raises(RunConflictError):
        world.start(sleeper, 6, id="s")


def test_a_task_alone(world: World) -> None:
    """A task can be submitted without a workflow."""
    assert world.submit(note, "hi").result() == "1: hi"


def test_a_run_is_cancelled_or_terminated(world: World) -> None:
    """Both ends come at once where nothing has to be cleaned up."""
    first, second = world.start(sleeper, 3_600), world.start(sleeper, 3_600)
    first.cancel("enough")
    second.terminate("enough")
    assert (first.status, second.status) == ("CANCELLED", "TERMINATED")
    assert world.now == START


def test_runs_time_out_in_virtual_time(world: World) -> None:
    """A run that may take a month is ended after a month, also when the stack crashes meanwhile."""
    run = world.start(sleeper, 100 * 86_400, timeout="30d")
    world.advance("29d")
    world.crash()
    assert run.status == "RUNNING"
    with pytest.raises(RunTimedOutError):
        run.result()
    assert world.now == START + timedelta(days=30)


# --- Crashes ---------------------------------------------------------------------------------------------------------


def test_a_crash_loses_nothing_that_was_recorded(world: World) -> None:
    """After a crash runs go on from their histories; nothing is asked for again, and time has not moved."""
    world.stub(charge, returns="receipt")
    run = world.start(Subscription, "ada", 3)
    world.advance("31d")
    for _ in range(3):
        world.crash()
    assert world.now == START + timedelta(days=31)
    assert run.result() == 3 * ["receipt"]
    assert len(world.calls(charge)) == 3


def test_a_crash_between_effect_and_record(world: World) -> None:
    """An effect that nobody could record is asked for again, under the same key."""
    world.stub(charge, returns="receipt")
    world.crash_after(charge)
    assert world.start(charging, "ada", id="c-1").result() == "receipt"
    assert [each.idempotency_key for each in world.calls(charge)] == ["c-1/charge#1", "c-1/charge#1"]


def test_a_crash_finds_code_that_is_not_deterministic(world: World) -> None:
    """A run that cannot be replayed is parked, and waiting for it says so."""
    run = world.start(fickle)
    world.crash()
    with pytest.raises(WorldStuckError, match="PARKED: DIVERGED"):
        run.result()


def test_a_replay_after_every_step_finds_it_at_once() -> None:
    """The first call after the decision that a replay would not repeat raises, with the line."""
    with World([automations], replay_every_step=True) as world, pytest.raises(DivergenceError) as caught:
        world.start(fickle)
    assert "automations.py" in str(caught.value)


def test_a_replay_after_every_step_leaves_good_code_alone() -> None:
    """Deterministic code comes to the same with every step replayed."""
    with World([automations], replay_every_step=True) as world:
        world.stub(charge, returns="receipt")
        world.stub(render, returns="page")
        run = world.start(Subscription, "ada", 6)
        world.advance("70d")
        run.update(Subscription.change, 20)
        world.crash()
        assert world.start(rendering, 5).result() == 5 * ["page"]
        assert run.result() == 6 * ["receipt"]


# --- Life ------------------------------------------------------------------------------------------------------------


def test_a_world_inside_a_running_loop() -> None:
    """An asynchronous test uses a world the same way, and its own loop goes on afterwards."""

    async def test() -> str:
        ticks = asyncio.create_task(asyncio.sleep(0, "my own loop"))
        async with World([automations]) as world:
            assert world.start(sleeper, 86_400).result() == "2030-01-02T00:00:00+00:00"
            async with asyncio.timeout(60):
                return await ticks

    assert asyncio.run(test()) == "my own loop"


def test_the_same_test_sees_the_same_world() -> None:
    """Two worlds of one seed write the same histories; another seed draws other numbers."""

    def live(seed: int) -> list[str]:
        with World([automations], seed=seed) as world:
            world.stub(charge, raises=ConnectionError("closed"))
            run = world.start(charging, "ada")
            world.advance("3d")
            return [str(each) for each in run.history()]

    assert live(1) == live(1) != live(2)


def test_a_world_begins_when_it_is_told() -> None:
    """`start` says when; without a time zone that is no time."""
    with World([automations], start=datetime(2031, 5, 1, tzinfo=UTC)) as world:
        assert world.start(sleeper, 60).result() == "2031-05-01T00:01:00+00:00"
    with pytest.raises(SettingsError, match="no time zone"):
        World(start=datetime(2031, 5, 1))  # noqa: DTZ001 - what is refused


def test_a_world_is_entered_first() -> None:
    """Before it is entered, and after it is left, a world says so."""
    world = World([automations])
    with pytest.raises(SettingsError, match="not running"):
        world.start(sleeper, 1)
    with world:
        world.start(sleeper, 1)
    with pytest.raises(SettingsError, match="not running"):
        world.advance("1d")


def test_a_store_that_is_kept(tmp_path) -> None:
    """With a folder, the next world goes on where the last one ended - in its own time."""
    with World([automations], folder=tmp_path) as world:
        world.start(sleeper, 86_400, id="s")
    with World([automations], folder=tmp_path, start=START + timedelta(days=7)) as world:
        assert world.run("s", sleeper).result() >= "2030-01-08"


def test_timers_fire_when_they_are_due(world: World) -> None:
    """In history a timer has fired at its time exactly."""
    run = world.start(sleeper, 86_400)
    world.advance("10d")
    fired = [each.event.time for each in run.history() if isinstance(each.event, TimerFired)]
    assert fired == [datetime(2030, 1, 2, tzinfo=UTC).timestamp()]
