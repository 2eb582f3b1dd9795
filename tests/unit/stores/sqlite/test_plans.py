"""Nothing that is done for each task, chunk, lock or entry walks over the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.stores.sql.statements import load, parse
from tests.unit.stores.sqlite.desk import Desk, desk_at

QUERIES = Path(__file__).parents[4] / "holdfast" / "stores" / "sqlite" / "queries"
FILES = (
    "tasks",
    "lines",
    "pools",
    "chunks",
    "fan_outs",
    "outcomes",
    "locks",
    "ledger",
    "requests",
    "attributes",
    "prefixes",
)
STATEMENTS = sorted(name for file in FILES for name in parse((QUERIES / f"{file}.sql").read_text("utf-8")))

# What people and gauges ask for, about everything there is.
WHOLE_TABLES = {"read_backlogs", "read_locks", "read_lines", "read_places", "read_rates"}
# Nearly always empty
WHOLE_TABLES |= {"pool_rules", "read_pool_rules", "read_limit_rules", "lines_named", "take_touched_lines"}
# Sorting what was found is fine where little is found: one execution's rows, a taker's requests, what is due at once.
SORTED = {"read_queue", "read_fan_outs", "waits_of", "take_requests"} | WHOLE_TABLES | {"read_in_flight", "read_slots"}
SORTED |= {"due_limited_tasks", "still_due_tasks", "stand_in_line"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Open a fresh store."""
    with desk_at(tmp_path) as desk:
        yield desk


def plan(desk: Desk, name: str) -> list[str]:
    """Return the steps SQLite plans for a statement."""
    text = load("holdfast.stores.sqlite")[name]
    count = max((int(number) for number in re.findall(r"\?(\d+)", text)), default=0)
    return [row[3] for row in desk.connection.execute(f"EXPLAIN QUERY PLAN {text}", [0] * count)]


def scans(steps: list[str]) -> list[str]:
    """Return the steps that walk over a whole table or index; JSON lists and subqueries' results are none."""
    return [
        step
        for step in steps
        if step.startswith("SCAN") and not re.search(r"VIRTUAL TABLE|\(subquery|CONSTANT ROW", step)
    ]


def sorts(steps: list[str]) -> list[str]:
    """Return the steps that sort, all that was found or what an index left in disorder."""
    return [step for step in steps if re.fullmatch(r"USE TEMP B-TREE FOR .*ORDER BY", step)]


@pytest.mark.parametrize("name", STATEMENTS)
def test_statements_search(desk: Desk, name: str) -> None:
    """No statement scans a table, and only those that find little sort."""
    steps = plan(desk, name)
    assert bool(scans(steps)) == (name in WHOLE_TABLES), steps
    if name not in SORTED:
        assert not sorts(steps), steps


@pytest.mark.parametrize(
    ("index", "name"),
    [
        ("task_queue_ready", "claim_tasks"),
        ("task_queue_delayed", "promote_tasks"),
        ("task_queue_owned", "free_tasks"),
        ("task_queue_line", "first_in_line"),
        ("task_queue_held", "weigh_places"),
        ("task_queue_prefix", "claimable_with_prefix"),
        ("task_queue_prefix_age", "waiting_with_prefixes"),
        ("warm_prefixes_until", "forget_warm_prefixes"),
        ("chunks_ready", "claim_chunks"),
        ("chunks_fan_out", "drop_chunks"),
        ("outcomes_first", "read_outcomes"),
        ("lock_places_waiting", "first_waiting"),
        ("lock_places_expiry", "expire_places"),
        ("requests_open", "take_requests"),
        ("attributes_execution", "move_attributes"),
    ],
)
def test_a_lost_index_is_noticed(desk: Desk, index: str, name: str) -> None:
    """Without its index a statement scans or sorts: the test above would say so."""
    desk.connection.execute(f"DROP INDEX {index}")
    steps = plan(desk, name)
    assert scans(steps) or sorts(steps), steps


def test_a_search_by_attribute_begins_with_it(desk: Desk) -> None:
    """It looks at the runs that have the attribute and at no others, newest first as they stand in the index."""
    for name in ("find_executions_with_attributes", "count_found_with_attributes"):
        steps = plan(desk, name)
        assert any("SEARCH a USING PRIMARY KEY (name=? AND key=? AND execution<?)" in each for each in steps), steps
        assert not [each for each in steps if "TEMP B-TREE" in each], steps


def test_claims_never_leave_their_index(desk: Desk) -> None:
    """What a claim passes over, such as tasks it does not know, costs no look at the rows themselves."""
    for name, table in (("claim_tasks", "task_queue"), ("claim_chunks", "chunks")):
        assert f"SEARCH {table} USING COVERING INDEX {table}_ready (pool=?)" in plan(desk, name)
    assert "SEARCH task_queue USING COVERING INDEX task_queue_line (line=?)" in plan(desk, "claimable_in_turn")
    assert "SEARCH task_queue USING INDEX task_queue_prefix (line=? AND prefix=?)" in plan(
        desk, "claimable_with_prefix"
    )


@pytest.mark.parametrize("name", ["uncaptured", "mark_older_captured"])
def test_runs_without_captures_are_found_in_an_index_of_their_own(desk: Desk, name: str) -> None:
    """Looking for failures costs nothing while there are none, however many runs there are."""
    (step,) = plan(desk, name)
    assert "USING COVERING INDEX executions_uncaptured" in step or "USING INDEX executions_uncaptured" in step
