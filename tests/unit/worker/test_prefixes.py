"""Workers say which prefixes they hold, leave to others what those hold, and take it when waiting costs more."""

from __future__ import annotations

from holdfast.history import Limits
from holdfast.ports.operations import HoldPrefixes, Join
from holdfast.worker.pool import OLDEST_EVERY
from tests.unit.worker.rig import on_loop, wait_for
from tests.unit.worker.yard import NOBODY_LEAVES, yard_at

pytestmark = NOBODY_LEAVES

RAN: list[str] = []


async def ask(name: str) -> None:
    """Leave a trace."""
    RAN.append(name)


async def other_holds(yard, **prefixes):
    """Join as somebody who serves the pool, holds prefixes, and claims nothing."""
    (other,) = await yard.store.write([Join("other", "worker", "here", 1, 1e6, (), (("default", 1),))])
    assert await yard.store.write([HoldPrefixes(prefixes)], other) == [True]


async def queue(yard, prefix, *names):
    """Queue tasks with a prefix; return their steps."""
    return [await yard.queue(ask, name, limits=Limits(prefix=prefix)) for name in names]


@on_loop
async def test_a_worker_says_what_it_holds_when_that_changes(tmp_path):
    """Before it claims, so that the claim goes by it; and once."""
    held = {}
    async with yard_at(tmp_path) as yard, yard.worker(ask, holdings=lambda: held) as worker:

        async def prefixes():
            found = await yard.store.members()
            return next(each.prefixes for each in found if each.member == worker.membership.member)

        (step,) = await queue(yard, "p", "first")
        await yard.outcome(step)
        assert await prefixes() == ()
        held["p"] = 3.0
        (step,) = await queue(yard, "p", "second")
        await yard.outcome(step)
        assert await prefixes() == ("p",)


@on_loop
async def test_a_worker_takes_the_oldest_now_and_then(tmp_path):
    """What another one holds does not wait until nothing else is left."""
    RAN.clear()
    async with yard_at(tmp_path) as yard:
        await other_holds(yard, q=3_600.0)
        steps = await queue(yard, "q", "elsewhere") + await queue(yard, "p", *(f"{n}" for n in range(OLDEST_EVERY + 2)))
        async with yard.worker(ask, slots=1, holdings=lambda: {"p": 3_600.0}):
            for step in steps:
                await yard.outcome(step)
    assert RAN.index("elsewhere") == OLDEST_EVERY - 1


@on_loop
async def test_an_idle_worker_takes_what_waited_long_enough(tmp_path):
    """It is told when that will be, and does not look before."""
    async with yard_at(tmp_path) as yard:
        await other_holds(yard, q=0.3)
        async with yard.worker(ask, poll_seconds=3_600.0):
            began = yard.clock.now()
            (step,) = await queue(yard, "q", "waited")
            await yard.outcome(step)
            assert yard.clock.now() - began >= 0.3


@on_loop
async def test_what_a_dead_worker_held_goes_on_elsewhere(tmp_path):
    """At the latest when it has waited as long as a prefix costs that nobody measured."""
    async with yard_at(tmp_path) as yard, yard.worker(ask):
        (step,) = await queue(yard, "never seen", "alone")
        await yard.outcome(step)
        await wait_for(lambda: _none_left(yard))


async def _none_left(yard):
    return True if not await yard.rows() else None
