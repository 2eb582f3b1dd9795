"""Tables of what is done about failures: what is written is what holds, and mistakes are found at decoration."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast import Recovery, task
from holdfast.authoring import read_table
from holdfast.errors import DefinitionError


@task
async def by_hand(amount: int) -> str:
    """Stand in for the bank."""
    return f"by hand: {amount}"


def test_a_table_is_rules_in_its_order():
    """Classes of exceptions go by their names, several actions of one class one after the other."""

    @task(
        recovery={
            "http:503": [Recovery.retry(after=0, attempts=3), Recovery.fallback(by_hand)],
            OSError: Recovery.park(),
        }
    )
    async def charge(amount: int) -> str: ...

    assert charge.recovery == (
        ("http:503", Recovery.retry(after=0, attempts=3)),
        ("http:503", Recovery.fallback("by_hand")),
        ("OSError", Recovery.park()),
    )
    assert repr(charge.recovery[0][1]) == "Recovery(do='retry', after=0, attempts=3)"


def test_a_file_says_the_same():
    """An action is a word, or a table of what there is to say."""
    assert read_table({"drift": "compensate", "timeout": {"do": "ask", "agent": "look", "within": "1h"}}) == (
        ("drift", Recovery.compensate()),
        ("timeout", Recovery.ask(agent="look", within="1h")),
    )


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ([], "no table"),
        ({"htp:503": Recovery.park()}, "Did you mean http:503"),
        ({"http:600": Recovery.park()}, "no class of failure"),
        ({"drifts": Recovery.park()}, "Did you mean drift"),
        ({"timeout:heartbeats": Recovery.park()}, "Did you mean timeout:heartbeat"),
        ({int: Recovery.park()}, "neither a text nor an exception"),
        ({"drift": "park"}, "is no action"),
        ({"drift": []}, "says nothing to do"),
        ({"poison": Recovery.retry()}, "let more workers die"),
    ],
)
def test_a_wrong_table_is_refused(table: Any, word: str):
    """Names of classes that are none, and what is no action."""
    with pytest.raises(DefinitionError, match=word):

        @task(recovery=table)
        async def charge(amount: int) -> str: ...


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Recovery("parc"), "Did you mean park"),
        (lambda: Recovery("park", attempts=3), "attempts= says nothing about park"),
        (lambda: Recovery.retry(attempts=0), "an integer from 1"),
        (lambda: Recovery.retry(after="soon"), "no duration"),
        (lambda: Recovery.retry(after=1, at="06:00"), "one of the two"),
        (lambda: Recovery.retry(at="25:00"), "no time of day"),
        (lambda: Recovery.slow(0), "more than 0"),
        (lambda: Recovery.fallback(""), "no task"),
        (lambda: Recovery.fallback(OSError), "no task"),
        (Recovery.ask, "wants one to ask"),
        (lambda: Recovery.ask(tell=by_hand, agent=by_hand), "wants one to ask"),
        (lambda: read_table({"drift": {"after": 3}}), "says nothing to do"),
        (lambda: read_table({"drift": {"do": "park", "wy": ""}}), "Did you mean why"),
    ],
)
def test_a_wrong_action_is_refused(make: Any, word: str):
    """Each says what there is instead."""
    with pytest.raises(DefinitionError) as caught:
        make()
    assert word in caught.value.message()
