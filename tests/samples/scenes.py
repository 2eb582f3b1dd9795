"""What happens to each sample from outside, and what has to come of it.

Owns: one driver for each sample.
Must not know: which engine runs it, and whether anything is killed.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from examples.samples.activity_choice import Item, shop
from examples.samples.cancellation import guard
from examples.samples.child import make_party
from examples.samples.continuing import pour_tea
from examples.samples.exception_chain import publish
from examples.samples.handler_compensation import Order
from examples.samples.heartbeats import read_site
from examples.samples.message_handlers import Cluster, Job
from examples.samples.parallel import greet_everybody
from examples.samples.patch_before import visit
from examples.samples.polling_frequent import meet
from examples.samples.polling_infrequent import expect_letter
from examples.samples.polling_sequence import find_cat
from examples.samples.queries import Paint
from examples.samples.resource_pool import print_all
from examples.samples.retry import ship
from examples.samples.signals import Reception
from examples.samples.sliding_window import Batch, SlidingWindow
from examples.samples.updatable_timer import Alarm
from examples.samples.updates import Cart
from holdfast.controller.schedules import BackfillRequest
from holdfast.errors import RunCancelledError, RunFailedError, UpdateRejectedError
from tests.samples.stage import Sample, SampleStage

SAMPLES: Final[list[Sample]] = []
"""All of them."""
Driver = Callable[[SampleStage], Awaitable[Any]]


def sample(module: str, *, result: Any, done: Sequence[str] | None = ()) -> Callable[[Driver], Driver]:
    """Make a function the driver of a sample.

    Args:
        module: the sample's module in `examples.samples`.
        result: what the driver returns.
        done: what the world was asked for, each once, in any order; None where the driver looks at it.
    """

    def decorate(drive: Driver) -> Driver:
        expected = None if done is None else tuple(sorted(done))
        SAMPLES.append(Sample(drive, f"examples.samples.{module}", result, expected))
        return drive

    return decorate


FRUIT: Final = ("5 apples", "2 cherries", "1 bananas")


@sample("activity_choice", result=list(FRUIT), done=FRUIT)
async def the_data_choose_the_task(stage: SampleStage) -> Any:
    """What is bought where follows from the list, also by who takes over."""
    stage.hold("2 cherries")
    wanted = [Item(fruit="apples", amount=5), Item(fruit="cherries", amount=2), Item(fruit="bananas", amount=1)]
    run = await stage.start(shop, wanted)
    await stage.asked("2 cherries")
    await stage.middle()
    return await run.result()


NAMES: Final = ("ada", "bob", "cleo", "dora", "emil")


@sample("parallel", result=[f"hello {name}" for name in NAMES], done=[f"hello {name}" for name in NAMES])
async def tasks_run_side_by_side(stage: SampleStage) -> Any:
    """While one is not answered, all others are done."""
    stage.hold("hello cleo")
    run = await stage.start(greet_everybody, list(NAMES))
    await stage.effects(5)
    await stage.middle()
    return await run.result()


@sample("retry", result="delivered a book", done=["delivered a book"])
async def what_fails_is_tried_again(stage: SampleStage) -> Any:
    """Two attempts find nobody; the third delivers once, whoever dies."""
    stage.hold("delivered a book")
    run = await stage.start(ship, "a book")
    await stage.effects(1)
    await stage.middle()
    return await run.result()


@sample("heartbeats", result=6, done=[f"page {page}" for page in range(1, 7)])
async def the_next_attempt_goes_on(stage: SampleStage) -> Any:
    """A long task says how far it is; no page is fetched twice."""
    stage.hold("page 4")
    run = await stage.start(read_site, 6)
    await stage.asked("page 4")
    await stage.middle()
    return await run.result()


@sample("cancellation", result="the fair is over", done=["watching the hall", "locked the hall"])
async def a_cancelled_run_cleans_up(stage: SampleStage) -> Any:
    """Whoever is told to stop locks the door first."""
    stage.hold("watching the hall")
    run = await stage.start(guard, "the hall")
    await stage.effects(1)
    await run.cancel("the fair is over")
    await stage.middle()
    with pytest.raises(RunCancelledError) as caught:
        await run.result()
    return caught.value.text


CAKES: Final = ("nut", "plum", "poppy")


@sample("child", result="a nut cake and a plum cake and a poppy cake", done=[f"a {cake} cake" for cake in CAKES])
async def children_do_parts(stage: SampleStage) -> Any:
    """Children run side by side, each once."""
    stage.hold("a plum cake")
    run = await stage.start(make_party, list(CAKES))
    await stage.effects(3)
    await stage.middle()
    return await run.result()


@sample("continuing", result=[7, 4], done=[f"cup {number}" for number in range(1, 8)])
async def a_run_begins_anew(stage: SampleStage) -> Any:
    """After every second cup history is empty, and the run the same."""
    stage.hold("cup 4")
    run = await stage.start(pour_tea, 7)
    await stage.asked("cup 4")
    await stage.middle()
    poured = await run.result()
    return [poured, int((await run.describe()).execution.partition("@")[2])]


@sample(
    "exception_chain",
    result=[
        "NoBookError: the cartridge is empty",
        "TaskError: [HF501] task print_page#1 failed: NoInkError: title",
    ],
    done=["paper for title"],
)
async def a_failure_says_where_it_came_from(stage: SampleStage) -> Any:
    """The task's failure says its root, and the child's what it came from."""
    stage.hold("paper for title")
    run = await stage.start(publish, "title")
    await stage.effects(1)
    await stage.middle()
    # How many attempts that took is not the point: in places one whose worker was killed counts.
    return [re.sub(r" after \d+ attempts?", "", each) for each in await run.result()]


@sample("queries", result=[["door"], ["door", "roof"], 2, ["door", "roof"]], done=["painted door", "painted roof"])
async def a_run_says_how_it_stands(stage: SampleStage) -> Any:
    """Before and after somebody took over, and when it has ended."""
    stage.hold("painted roof")
    run = await stage.start(Paint, ["door", "roof"])
    await stage.asked("painted roof")
    seen: list[Any] = [await stage.query(run, Paint.progress)]
    await stage.middle()
    painted = await stage.query_until(run, Paint.progress, lambda painted: len(painted) > 1)
    await run.signal(Paint.see)
    seen += [painted, await run.result(), await stage.query(run, Paint.progress)]
    return seen


@sample("signals", result=["hello ada", "hello bob", "hello cleo"], done=["hello ada", "hello bob", "hello cleo"])
async def a_run_is_told(stage: SampleStage) -> Any:
    """Each guest is greeted once, in the order of arrival."""
    stage.hold("hello ada")
    run = await stage.start(Reception)
    await run.signal(Reception.arrive, "ada")
    await stage.effects(1)
    await run.signal(Reception.arrive, "bob")
    await stage.middle()
    await run.signal(Reception.arrive, "cleo")
    await run.signal(Reception.close)
    return await run.result()


@sample("updates", result=[1, "an article has a name", 2, ["ink", "pen"]], done=["reserved ink", "reserved pen"])
async def an_update_is_answered_or_refused(stage: SampleStage) -> Any:
    """An answer comes when the change is durable; a refusal leaves no trace."""
    run = await stage.start(Cart)
    seen: list[Any] = [await stage.update(run, Cart.add, "ink")]
    with pytest.raises(UpdateRejectedError) as caught:
        await stage.update(run, Cart.add, "")
    seen.append(caught.value.text)
    await stage.middle()
    seen.append(await stage.update(run, Cart.add, "pen"))
    await run.signal(Cart.pay)
    return [*seen, await run.result()]


@sample(
    "patch_before",
    result=["a letter for no. 1", "a letter for no. 2"],
    done=["knocked at no. 1", "a letter for no. 1", "rang at no. 2", "a letter for no. 2"],
)
async def open_runs_keep_what_they_began_with(stage: SampleStage) -> Any:
    """The run from before the change knocks, the one from after it rings."""
    stage.hold("a letter for no. 1")
    old = await stage.start(visit, "no. 1", id="/1")
    await stage.asked("a letter for no. 1")
    old = await stage.deploy("examples.samples.patch_after", old)
    new = await stage.start(visit, "no. 2", id="/2")
    return [await old.result(), await new.result()]


@sample(
    "message_handlers",
    result=[["n1", "n2"], ["n3"], ["n1", "n2"], "ValueError", {"n1": None, "n2": None, "n3": "b"}, ["n1"], 3],
    done=["booted n1 n2 n3", "n1 n2: a", "n3: b", "n1 n2: nothing", "n1: d"],
)
async def handlers_do_not_get_in_each_others_way(stage: SampleStage) -> Any:
    """Updates that wait, a lock among them, executions that follow one another: no node has two jobs."""
    run = await stage.start(Cluster, ["n1", "n2", "n3"], None, 30)
    seen: list[Any] = [await stage.update(run, Cluster.assign_nodes, Job(name="a", nodes=2))]
    seen.append(await stage.update(run, Cluster.assign_nodes, Job(name="b", nodes=1)))
    await stage.middle()
    seen.append(await stage.update(run, Cluster.assign_nodes, Job(name="a", nodes=2)))
    with pytest.raises(Exception, match="are free") as caught:
        await stage.update(run, Cluster.assign_nodes, Job(name="c", nodes=1))
    seen.append(getattr(caught.value, "type", ""))
    await stage.update(run, Cluster.end_job, "a")
    seen.append(await stage.query(run, Cluster.jobs))
    seen.append(await stage.update(run, Cluster.assign_nodes, Job(name="d", nodes=1)))
    await run.signal(Cluster.shut_down)
    return [*seen, await run.result()]


GIFTS: Final = ("a pen", "a book")


@sample(
    "handler_compensation",
    result=["a book refused: it has no address", "a pen refused: it has no address", "refused: it has no address"],
    done=["packed for nobody", *(f"{verb} {gift}" for verb in ("wrapped", "unwrapped") for gift in GIFTS)],
)
async def handlers_undo_and_answer_before_the_run_fails(stage: SampleStage) -> Any:
    """Whoever waits for an update's answer gets one, and what was begun is undone."""
    stage.hold("packed for nobody")
    run = await stage.start(Order, "for nobody")
    asking = [stage.background(stage.update(run, Order.add_gift, gift)) for gift in GIFTS]
    await stage.asked("packed for nobody")
    await stage.middle()
    answers = sorted([await each for each in asking])
    with pytest.raises(RunFailedError) as caught:
        await run.result()
    return [*answers, caught.value.text]


@sample("sliding_window", result=10, done=[f"record {record}" for record in range(10)])
async def a_batch_is_worked_through_by_a_window(stage: SampleStage) -> Any:
    """While one record is not done, the others go by it, and executions go by, too."""
    stage.hold("record 1")
    name = "a_batch_is_worked_through_by_a_window"
    run = await stage.start(SlidingWindow, Batch(records=10, window=3), name)
    await stage.asked("record 8")
    await stage.middle()
    return await run.result()


@sample("polling_frequent", result="the 9:05 is there", done=["the 9:05 is there"])
async def one_task_looks_often(stage: SampleStage) -> Any:
    """Its history has one task, however often it looks."""
    stage.hold("the 9:05 is there")
    run = await stage.start(meet, "the 9:05")
    await stage.effects(1)
    await stage.middle()
    return await run.result()


@sample("polling_infrequent", result="a letter for no. 4", done=["a letter for no. 4"])
async def attempts_look_now_and_then(stage: SampleStage) -> Any:
    """Each look is an attempt; between them nothing runs."""
    run = await stage.start(expect_letter, "no. 4")
    await stage.recorded(run, "look_for_letter#1")
    await stage.middle()
    return await run.result()


@sample("polling_sequence", result="on floor 5", done=[f"floor {floor}" for floor in range(1, 6)])
async def a_child_looks_by_a_sequence_of_tasks(stage: SampleStage) -> Any:
    """The child goes on as new executions; its parent waits for the last one."""
    stage.hold("floor 3")
    run = await stage.start(find_cat, 9)
    await stage.asked("floor 3")
    await stage.middle()
    return await run.result()


@sample("updatable_timer", result=[True, True, "wake up for work"], done=["wake up for work"])
async def a_timer_is_moved_while_it_runs(stage: SampleStage) -> Any:
    """A time that is brought forward is the one that counts."""
    late, soon = (datetime.now(UTC) + timedelta(seconds=each) for each in (3600, 2))
    run = await stage.start(Alarm, "work", late)
    seen = [await stage.query(run, Alarm.rings_at) == late]
    await run.signal(Alarm.set, soon)
    await stage.middle()
    seen.append(await stage.query_until(run, Alarm.rings_at, lambda due: due != late) == soon)
    rung = await run.result()
    assert datetime.now(UTC) >= soon
    return [*seen, rung]


DOCUMENTS: Final = ("a letter", "a poem", "a bill")


@sample("resource_pool", result=[f"{each} ends" for each in DOCUMENTS], done=None)
async def a_resource_is_used_by_one_at_a_time(stage: SampleStage) -> Any:
    """No two are printed into each other."""
    stage.hold("a poem begins")
    run = await stage.start(print_all, list(DOCUMENTS), "hall")
    await stage.asked("a poem begins")
    await stage.middle()
    printed = await run.result()
    done = stage.done()
    assert [each.replace("begins", "ends") for each in done[::2]] == done[1::2]
    assert sorted(done[1::2]) == sorted(printed)
    return printed


@sample("cron", result=True, done=None)
async def the_clock_starts_runs(stage: SampleStage) -> Any:
    """Each second has a run of its own, also those in which somebody was dead."""
    await stage.effects(2)
    await stage.middle()
    await stage.effects(5)
    runs, _ = await stage.client.runs(workflow="tell_time")
    return len({each.run_id for each in runs}) >= 4


@sample("schedules", result=[1, "the mill rests", None, 2], done=["closed the books of the mill"] * 3)
async def a_schedule_is_operated(stage: SampleStage) -> Any:
    """A run at once, a pause, and runs for two times that are over."""
    stage.hold("closed the books of the mill")
    await stage.scheduled("year-end")
    await stage.schedules.run_now("year-end")
    await stage.effects(1)
    await stage.middle()
    await stage.idle("end_year", 1)
    seen: list[Any] = [len(stage.done())]
    seen.append((await stage.schedules.pause("year-end", "ada", "the mill rests")).paused.reason)
    seen.append((await stage.schedules.resume("year-end")).paused)
    wanted = BackfillRequest(start="2024-12-31", end="2026-01-02")
    seen.append((await stage.schedules.backfill("year-end", wanted)).times)
    await stage.idle("end_year", 3)
    return seen
