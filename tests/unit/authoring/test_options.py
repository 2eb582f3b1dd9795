"""Options of tasks: what is written is what is recorded, and mistakes are found at decoration."""

from __future__ import annotations

import pytest

from holdfast.authoring.options import Retry, check_name, make_options
from holdfast.errors import DefinitionError
from holdfast.history import RetryPolicy, TaskOptions


def test_the_defaults_are_the_documented_ones():
    """5 attempts, 1 s doubling to 1 min, 10 min an attempt, no heartbeat, pool default."""
    assert Retry().policy() == RetryPolicy(5, 1.0, 2.0, 60.0, ())
    options = make_options(TaskOptions(), {}, task="t")
    assert (options.pool, options.timeout, options.heartbeat_timeout, options.retry) == (
        "default",
        600.0,
        None,
        Retry().policy(),
    )


def test_every_option_is_recorded_in_seconds():
    """Durations, retries and choices arrive as the engine reads them."""
    options = make_options(
        TaskOptions(),
        {
            "pool": "gpu",
            "timeout": None,
            "queue_timeout": "1h",
            "total_timeout": "1d",
            "heartbeat_timeout": 10,
            "retry": Retry(attempts=3, initial=0, factor=1, maximum="2m", non_retryable=[ValueError, "Declined"]),
            "isolation": "process",
            "priority": -3,
            "record": "before",
        },
        task="t",
    )
    assert options == TaskOptions(
        pool="gpu",
        timeout=None,
        queue_timeout=3600.0,
        total_timeout=86_400.0,
        heartbeat_timeout=10.0,
        retry=RetryPolicy(3, 0.0, 1.0, 120.0, ("ValueError", "Declined")),
        isolation="process",
        priority=-3,
        record="before",
    )


@pytest.mark.parametrize(
    "values",
    [
        {"pool": ""},
        {"pool": 5},
        {"timeout": "soon"},
        {"timeout": 0},
        {"heartbeat_timeout": -1},
        {"retry": 3},
        {"isolation": "fork"},
        {"priority": 1.5},
        {"priority": True},
        {"record": "after"},
        {"retries": 3},
    ],
    ids=str,
)
def test_a_wrong_option_names_itself_its_task_and_its_place(values):
    """The error of a wrong option says which, of which task, where."""
    with pytest.raises(DefinitionError) as caught:
        make_options(TaskOptions(), values, task="fetch", where="bot.py:3, in fetch")
    assert f"{next(iter(values))}= of task 'fetch'" in str(caught.value)
    assert "bot.py:3" in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"attempts": 0},
        {"attempts": 2.5},
        {"attempts": True},
        {"factor": 0.5},
        {"factor": float("nan")},
        {"factor": "2"},
        {"initial": "x"},
        {"maximum": -1},
        {"non_retryable": ValueError},
        {"non_retryable": "ValueError"},
        {"non_retryable": [5]},
        {"non_retryable": [int]},
    ],
    ids=str,
)
def test_a_wrong_retry_is_refused_where_it_is_written(values):
    """A Retry that makes no sense cannot be made."""
    with pytest.raises(DefinitionError, match="Retry"):
        Retry(**values)


@pytest.mark.parametrize("name", ["", " a", "a#1", "a[b]", "a@b", "task:a", "x" * 201, None, 5, "a\nb"])
def test_a_name_that_would_confuse_histories_is_refused(name):
    """Names of workflows and tasks stay clear of what steps and executions are written with."""
    with pytest.raises(DefinitionError):
        check_name("task", name)


def test_ordinary_names_are_fine():
    """Dots, colons, spaces inside and other languages are no problem."""
    for name in ("fetch", "billing.charge", "bot:work", "Grüße", "two words"):
        assert check_name("task", name) == name
