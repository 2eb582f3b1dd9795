"""Schedules as people write them: what is taken, what is refused and in which words, which times follow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import holdfast
from holdfast import Registry, schedule, task, workflow
from holdfast.authoring.schedules import Every, SpecProblems, Times, Wording, read_spec, run_id_of
from holdfast.errors import DefinitionError, DuplicateNameError


class Request(BaseModel):
    """What a report is asked for."""

    account: str


NOBODY = Request(account="none")


@schedule("nightly", cron="0 3 * * *", timezone="Europe/Riga", input=Request(account="all"))
@schedule("often", every="15m")
@workflow
async def report(request: Request = NOBODY) -> str:
    """Report."""
    return request.account


@schedule("sweep", every="1h", input={"days": 3, "dry": True})
@task
async def sweep(days: int, dry: bool) -> None:
    """Sweep."""


def spec(name="s", **written):
    """Return a schedule that somebody wrote."""
    return read_spec(name, Wording(**({"workflow": "w"} | written)))


def problems(name="s", **written):
    """Return what is wrong with a schedule, by field."""
    with pytest.raises(SpecProblems) as caught:
        spec(name, **written)
    return dict(caught.value.problems)


def times(count, after=0.0, **written):
    """Return the next times of a schedule."""
    following = Times("s", spec(**written)).following(after)
    return [each for _, each in zip(range(count), following, strict=False)]


def test_schedules_stand_above_workflows_and_tasks():
    """A registry finds them by name, with what each run gets; the definition stays what it was."""
    found = Registry(report, sweep).schedules
    assert sorted(found) == ["nightly", "often", "sweep"]
    assert found["nightly"].spec.workflow == "report"
    assert found["nightly"].encode_input() == b'{"account":"all"}'
    assert found["often"].encode_input() == b'{"account":"none"}'
    assert found["sweep"].spec.workflow == "task:sweep"
    assert found["sweep"].encode_input() == b'{"days":3,"dry":true}'
    assert "test_schedule.py" in found["nightly"].where


def test_a_class_workflow_keeps_its_schedule_to_itself():
    """A subclass that is a workflow of its own has none."""

    @schedule("base", every="1h")
    @workflow
    class Base:
        async def run(self) -> None:
            """Run."""

    @workflow
    class Other(Base):
        pass

    assert sorted(Registry(Base, Other).schedules) == ["base"]


def test_two_schedules_of_one_name_are_an_error():
    """Their runs would have the same ids."""

    @schedule("nightly", every="1h")
    @workflow
    async def other() -> None:
        """Do nothing."""

    with pytest.raises(DuplicateNameError, match="two schedules are called 'nightly'"):
        Registry(report, other).schedules  # noqa: B018 - looking is what is tested


def test_an_input_that_the_workflow_does_not_take_is_refused():
    """Before anything is started, with the place of the decorator."""

    @schedule("wrong", every="1h", input={"account": 3})
    @workflow
    async def other(request: Request) -> None:
        """Do nothing."""

    with pytest.raises(DefinitionError, match="schedule 'wrong' cannot start its workflow"):
        Registry(other).schedules["wrong"].encode_input()


def test_the_order_of_decorators_is_said():
    """Below `@workflow` there is nothing to schedule yet."""
    with pytest.raises(DefinitionError, match="Put it above @workflow or @task"):

        @schedule("s", every="1h")
        async def plain() -> None:
            """Do nothing."""


def test_everything_that_is_wrong_is_said_at_once():
    """A bad expression in code is an error where it stands, with all other errors of the same schedule."""
    with pytest.raises(DefinitionError) as caught:
        schedule("s", cron="0 25 * * *", timezone="Europe/Rigga", overlap="whatever", jitter="3 parsecs")(report)
    message = caught.value.message()
    assert "schedule 's' cannot be" in message
    assert "there is no time zone 'Europe/Rigga'; did you mean 'Europe/Riga'?" in message
    assert "'25' is no hour, expected 0-23" in message
    assert "expected one of skip, buffer_one, allow, cancel_old" in message
    assert "jitter" in message


@pytest.mark.parametrize(
    ("written", "pointer", "words"),
    [
        ({}, "", "it has none"),
        ({"cron": "@daily", "every": "1h"}, "", "it has cron and every"),
        ({"every": "1500ms"}, "/every", "whole seconds"),
        ({"every": -1}, "/every", "more than 0"),
        ({"every": "1h", "catch_up": "5s"}, "/catch_up", "at least 10s"),
        ({"every": "1h", "jitter": "-1s"}, "/jitter", "no duration"),
        ({"at": "yesterday"}, "/at", "yesterday"),
        ({"at": []}, "/at", "1 to 1000 times"),
        ({"at": "2026-01-01T00:00:00.5"}, "/at", "whole seconds"),
        ({"cron": "@daily", "anchor": "2026-01-01"}, "/anchor", "every"),
        ({"cron": "@daily", "start": "2026-02-01", "end": "2026-01-01"}, "/end", "before start"),
        ({"cron": []}, "/cron", "1 to 10 expressions"),
        ({"every": "1h", "timezone": "../../etc/passwd"}, "/timezone", "no time zone"),
        ({"every": "1h", "timeout": "soon"}, "/timeout", "no duration"),
    ],
)
def test_what_cannot_be_is_refused(written, pointer, words):
    """Each problem names its field."""
    assert words in problems(**written)[pointer]


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "x" * 101, "a@2"])
def test_a_name_is_part_of_paths_and_run_ids(name):
    """So it has letters, digits and few other characters."""
    assert "/name" in problems(name, every="1h")


def test_intervals_count_from_their_anchor_both_ways():
    """Every controller finds the same times, whenever it was started."""
    assert times(3, every="1h") == [3600, 7200, 10800]
    anchor = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
    found = times(2, after=anchor.timestamp() - 7200, every="1h", anchor=anchor)
    assert found == [int(anchor.timestamp()) - 3600, int(anchor.timestamp())]


@given(st.integers(1, 10**6), st.integers(-(10**9), 10**9), st.integers(0, 4 * 10**9))
def test_the_next_of_an_interval_is_at_most_one_interval_away(seconds, anchor, moment):
    """It is later, in step with the anchor, and none is passed over."""
    found = Every(seconds, anchor).after(moment)
    assert moment < found <= moment + seconds
    assert (found - anchor) % seconds == 0


def test_single_times_are_local_where_they_have_no_zone():
    """`at` may be written as on the wall, or with an offset; each counts once."""
    found = times(
        9,
        at=[
            "2026-07-01T12:00",
            "2026-07-01T12:00+03:00",
            datetime(2026, 7, 1, 9, tzinfo=timezone(timedelta(hours=-1))),
        ],
        timezone="Europe/Riga",
    )
    assert [datetime.fromtimestamp(each, UTC).hour for each in found] == [9, 10]


def test_a_schedule_begins_and_ends():
    """Times before `start` and after `end` do not count; both themselves do."""
    bounds = {"start": "2026-01-01T02:00:00Z", "end": "2026-01-01T04:00:00Z"}
    assert [datetime.fromtimestamp(each, UTC).hour for each in times(9, every="1h", **bounds)] == [2, 3, 4]


def test_several_expressions_are_one_schedule():
    """Each time counts once, in order."""
    found = times(4, cron=["0 6 * * *", "0 18 * * *", "0 6 * * *"])
    assert [each // 3600 for each in found] == [6, 18, 30, 42]


def test_jitter_is_the_same_for_everybody_and_never_early():
    """It follows from name and due time, is spread over the whole of it, and differs between schedules."""
    one, other = (Times(name, spec(name, every="1h", jitter="10m")) for name in ("a", "b"))
    offsets = [one.fires_at(due) - due for due in range(3600, 3600 * 200, 3600)]
    assert all(0 <= each < 600 for each in offsets)
    assert min(offsets) < 60
    assert max(offsets) > 540
    assert offsets == [one.fires_at(due) - due for due in range(3600, 3600 * 200, 3600)]
    assert offsets != [other.fires_at(due) - due for due in range(3600, 3600 * 200, 3600)]
    assert Times("a", spec(every="1h")).fires_at(3600) == 3600


def test_run_ids_tell_schedule_and_time():
    """Two due times never share one."""
    assert run_id_of("nightly", 1_795_921_200) == "nightly-20261129T030000Z"


def test_the_decorator_is_a_public_name():
    """`from holdfast import schedule`."""
    assert holdfast.schedule is schedule
