"""Rules about failures: which one fits, and what it comes to before anything is written."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast import Recovery, Registry, task
from holdfast.authoring import read_table
from holdfast.errors import ApiDrift, CallFailedError, DefinitionError
from holdfast.history import Failure, TaskOptions, decode_remedy
from holdfast.ports.task import AttemptOutcome, Drifted, Parked, PutOff, Remedied, TaskCall, TryAgain
from holdfast.worker import Recoveries
from holdfast.worker.attempt import describe_task_failure


@task
async def by_hand(amount: int) -> str:
    """Stand in for the bank."""
    return ""


@task
async def look(trouble: Any) -> Any:
    """Say what to do."""


def rules(table: Any, tables: Any = None, others: tuple[Any, ...] = ()) -> Recoveries:
    """Return the rules of a process that knows a task with this table, and those of its settings."""

    @task(recovery=table)
    async def charge(amount: int) -> str: ...

    read = {name: read_table(each) for name, each in (tables or {}).items()}
    return Recoveries(Registry(charge, by_hand, look, *others), read)


def decided(recoveries: Recoveries, error: BaseException, attempt: int = 1, timeout: str = "") -> Failure:
    """Return what becomes of a failure of an attempt."""
    failure: Any = describe_task_failure(error)
    outcome = AttemptOutcome(0.0, 43_200.0, None, failure, timeout, classes=failure.classes)
    call = TaskCall("r", "r", "charge#1", "charge", b"7", TaskOptions(), "r/charge#1", attempt)
    found = recoveries.decide(call, outcome).failure
    assert found is not None
    return found


def answered(status: int) -> CallFailedError:
    """Return what a call raises that was answered so."""
    return CallFailedError("GET", "https://api.example.com", "it failed", status)


def test_the_first_rule_that_fits_is_followed():
    """By status, by class of exceptions, by kind of time-out; and none where none fits."""
    table = {"http:503": Recovery.park("503"), "http:5xx": Recovery.park("5xx"), OSError: Recovery.park("system")}
    recoveries = rules(table, {"*": {"timeout:heartbeat": "park"}})
    reasons = [
        decided(recoveries, each) for each in (answered(503), answered(502), FileNotFoundError("x"), ValueError("x"))
    ]
    assert [getattr(each, "reason", "").split(" ")[0] for each in reasons] == ["503", "5xx", "system", ""]
    assert type(decided(recoveries, ValueError("x"), timeout="heartbeat")) is Parked
    assert type(decided(recoveries, ValueError("x"), timeout="attempt")) is not Parked


def test_settings_of_a_task_go_first_and_those_of_all_last():
    """Somebody who operates it overrules the code, and does not by a rule for everything."""
    recoveries = rules({OSError: Recovery.park("code")}, {"charge": {"OSError": {"do": "park", "why": "ops"}}})
    assert "ops" in getattr(decided(recoveries, OSError("x")), "reason", "")
    recoveries = rules({OSError: Recovery.park("code")}, {"*": {"OSError": "compensate"}})
    assert "code" in getattr(decided(recoveries, OSError("x")), "reason", "")


def test_what_is_tried_often_enough_is_the_next_rules():
    """And where there is no other, the task has failed, whatever its Retry says."""
    recoveries = rules({OSError: [Recovery.retry(after="30s", attempts=2), Recovery.fallback(by_hand)]})
    first, second = (decided(recoveries, OSError("x"), attempt) for attempt in (1, 2))
    assert isinstance(first, TryAgain)
    assert first.seconds == 30.0
    assert isinstance(second, Remedied)
    last = decided(rules({OSError: Recovery.retry(attempts=2)}), OSError("x"), 2)
    assert (type(last), last.retryable) == (Failure, False)


def test_a_time_of_day_is_the_next_one():
    """It was noon when the attempt ended."""
    for at, hours in (("13:30", 1.5), ("11:00", 23.0)):
        again = decided(rules({OSError: Recovery.retry(at=at)}), OSError("x"))
        assert isinstance(again, TryAgain)
        assert again.seconds == hours * 3_600


def test_a_fallback_keeps_the_key_of_the_work():
    """Whoever honours it does the work once, by whichever way."""
    found = decided(rules({OSError: Recovery.fallback(by_hand)}), OSError("x"))
    assert isinstance(found, Remedied)
    remedy = decode_remedy(found.remedy)
    assert (remedy.kind, remedy.task, remedy.options.idempotency_key) == ("fallback", "by_hand", "r/charge#1")


def test_broad_rules_leave_alone_what_parks_a_run():
    """Who writes Exception does not mean to go on with half the data mutated; drift is what means drift."""
    drift = ApiDrift("GET", "https://api.example.com", "other", host="bank", endpoint="GET /x")
    assert isinstance(decided(rules({Exception: Recovery.retry()}), drift), Drifted)
    assert type(decided(rules({"drift": Recovery.compensate()}), drift)) is Failure
    slowed = decided(rules({OSError: Recovery.slow("1m", rate="bank")}), OSError("x"))
    assert isinstance(slowed, PutOff)
    assert (slowed.seconds, slowed.rate, slowed.freezes) == (60.0, "bank", True)


def test_poison_can_be_given_to_others():
    """What workers died of is not tried again, but somebody else may have a way."""
    call = TaskCall("r", "r", "charge#1", "charge", b"7", TaskOptions(), "r/charge#1")
    assert rules({}).remedy_of_poison(call) == ""
    assert decode_remedy(rules({"poison": Recovery.ask(agent=look)}).remedy_of_poison(call)).kind == "agent"


def test_rules_that_cannot_work_are_found_at_the_start():
    """Tasks that are not there, tasks with other arguments, circles, tables of no task."""

    @task
    async def by_two(amount: int, currency: str) -> str: ...

    with pytest.raises(DefinitionError, match="Did you mean by_hand"):
        rules({OSError: Recovery.fallback("by_hnd")})
    with pytest.raises(DefinitionError, match=r"takes \(amount, currency\)"):
        rules({OSError: Recovery.fallback(by_two)}, others=(by_two,))
    with pytest.raises(DefinitionError, match="circle: charge -> by_hand -> charge"):
        rules({OSError: Recovery.fallback(by_hand)}, {"by_hand": {"OSError": {"do": "fallback", "task": "charge"}}})
    rules({}, {"*": {"ValueError": {"do": "ask", "agent": "look"}}})  # which is not about that agent itself
    with pytest.raises(DefinitionError, match="Did you mean charge"):
        rules({}, {"chrage": {"OSError": "park"}})
