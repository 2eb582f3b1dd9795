"""Limits of tasks: what a call waits for, and what the options refuse."""

# ruff: noqa: D103 - the functions stand for users' own, which say nothing

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest

from holdfast.authoring.fan_out import map_tasks
from holdfast.authoring.limits import UNLIMITED, Concurrency, Rate
from holdfast.authoring.task import task
from holdfast.errors import DefinitionError
from holdfast.history import Limits, RateUse
from tests.unit.authoring.recorder import inside_workflow, on_loop


@task
async def free(path: str) -> str:
    return path


@task(concurrency=3, rate=Rate("api", 10, per="1s"), fairness_key="f", delay="2s")
async def fixed(path: str) -> str:
    return path


def account_of(path: str, account: str = "a") -> str:
    assert path
    return account


def letters_in(path: str, account: str = "a") -> int:
    return len(path) if account else 0


@task(
    concurrency=Concurrency(2, key=account_of, name="crm"),
    rate=[Rate("calls", 5, per=1), Rate("letters", 100, per="1m", units=letters_in)],
    fairness_key=account_of,
)
async def computed(path: str, account: str = "a") -> str:
    return path + account


@on_loop
async def test_a_call_says_what_it_waits_for() -> None:
    """Nothing, what the task says, or what is computed from the arguments."""
    with inside_workflow() as runtime:
        free("p")
        fixed("p")
        computed("four", account="b")
        computed.options(concurrency=7, rate=None, fairness_key=None, timeout="1s")("p")
        free.options(rate=Rate("api", 1, per="1h", units=0))("p")
        fixed.options(concurrency=None, rate=None, fairness_key=None, delay=None)("p")
        found = [each.options.limits for each in runtime.issued]
    rates = (RateUse("calls", 5.0, 1.0, 1.0), RateUse("letters", 100.0, 60.0, 4.0))
    assert found == [
        None,
        Limits("fixed", 3, "f", (RateUse("api", 10.0, 1.0, 1.0),), 2.0),
        Limits("crm[b]", 2, "b", rates, 0.0),
        Limits("computed", 7),
        Limits(rates=(RateUse("api", 1.0, 3600.0, 0.0),)),
        None,
    ]


@on_loop
async def test_a_call_whose_key_or_units_cannot_be_is_refused() -> None:
    """It says which, and nothing is issued."""
    nameless = task(fairness_key=lambda path: path)(free.fn)
    with inside_workflow() as runtime:
        with pytest.raises(DefinitionError, match="units of Rate\\('letters'\\) are 101, and 100 is all there is"):
            computed("x" * 101)
        with pytest.raises(DefinitionError, match=r"Concurrency\(key=\.\.\.\) of task 'computed' is ''"):
            computed("x", account="")
        with pytest.raises(DefinitionError, match="fairness_key= of task 'free' is ''"):
            nameless("")
        with pytest.raises(DefinitionError, match="map_tasks\\(\\) over 'fixed', which has limits"):
            map_tasks(fixed, ["a"])
        assert runtime.issued == []


@dataclass
class Manual:
    """What has a digest."""

    digest: str


@on_loop
async def test_a_call_says_with_which_prefix_it_computes() -> None:
    """A digest, or what has one, or computed from the arguments; it binds nothing, so a fan-out may do without."""
    fixed = task(prefix=Manual("m"))(free.fn)
    computed = task(prefix=lambda path: Manual(path) if path else "none")(free.fn)
    with inside_workflow() as runtime:
        fixed("p")
        fixed.options(prefix=None)("p")
        fixed.options(prefix="other", delay=1)("p")
        computed("p")
        computed("")
        found = [each.options.limits for each in runtime.issued]
        with pytest.raises(DefinitionError, match="prefix=3 of task 'free' is no prefix"):
            task(prefix=len)(free.fn)("abc")
        map_tasks(fixed, ["a"])
        assert runtime.issued[-1].options.limits is None
    assert found == [
        Limits(prefix="m"),
        None,
        Limits(delay=1.0, prefix="other"),
        Limits(prefix="p"),
        Limits(prefix="none"),
    ]


@on_loop
async def test_a_call_is_counted_for_its_place_or_its_rate_alone() -> None:
    """Neither a delay, a fairness key nor a prefix makes it wait for others."""
    with inside_workflow() as runtime:
        free.options(delay=1, fairness_key="f")("p")
        free.options(concurrency=2)("p")
        free.options(rate=Rate("api", 1, per=1))("p")
        task(prefix=Manual("m"))(free.fn)("p")
        found = [each.options.limits for each in runtime.issued]
    assert [each is not None and each.is_counted for each in found] == [False, True, True, False]


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: task(concurrency=0)(free.fn), "limits of task 'free': Concurrency(0)"),
        (lambda: task(concurrency=True)(free.fn), "Concurrency(True)"),
        (lambda: Concurrency(2, key="a"), "is the same for every call"),
        (lambda: Concurrency(2, name=" "), "is called ' '"),
        (lambda: Rate("", 1, per=1), "is called ''"),
        (lambda: Rate("r", 0, per=1), "amount of Rate('r') is 0"),
        (lambda: Rate("r", float("nan"), per=1), "amount of Rate('r') is nan"),
        (lambda: Rate("r", 1, per="10ms"), "has to be at least 0.1 seconds"),
        (lambda: Rate("r", 1, per="soon"), "which is no duration"),
        (lambda: Rate("r", 1, per=1, units=2), "1 is all there is"),
        (lambda: Rate("r", 1, per=1, units=-1), "units of Rate('r') is -1"),
        (lambda: task(rate="api")(free.fn), "'api' is no Rate"),
        (lambda: task(rate=[])(free.fn), "[] is no Rate"),
        (lambda: task(rate=[Rate("r", 1, per=1)] * 2)(free.fn), "each of another name"),
        (lambda: task(fairness_key="")(free.fn), "fairness_key is ''"),
        (lambda: task(delay=-1)(free.fn), "delay is -1"),
        (lambda: task(prefix=7)(free.fn), "prefix=7 is no prefix"),
        (lambda: task(prefix="x" * 201)(free.fn), "is no prefix"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_written(make: Any, complaint: str) -> None:
    """With the option and what it was."""
    with pytest.raises(DefinitionError, match=re.escape(complaint)):
        make()


def test_without_options_there_is_nothing_to_wait_for() -> None:
    """Such a task takes the short way."""
    assert free.limiting is UNLIMITED
    assert free.task_options.limits is None
    assert fixed.limiting != UNLIMITED
