"""Nothing that is done often walks over a table: the server plans every statement by an index."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from holdfast.stores.postgres.address import parse_address
from holdfast.stores.postgres.connection import Connection, connect
from holdfast.stores.sql import statements
from tests.servers.postgres import Postgres
from tests.unit.stores.postgres.desk import PACKAGE, Desk, desk_at

ROWS = 400

EARLY = (
    "move_tip",
    "end_tip",
    "drop_read_inbox",
    "close_execution",
    "ready_executions",
    "claim_tasks",
    "find_addressee",
    "read_member_inbox",
    "begin_finish",
    "begin_claims",
    "finish_tasks",
    "finish_own_tasks",
)
"""What is done from the first moment on, and most."""
OFF = ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "jit")
"""What would be cheaper in tables as small as these; a plan is then what it is in large ones."""

# What a store looks like that has been used: most runs are over, a few of everything are waiting.
USED = f"""
INSERT INTO members (member, epoch, name, kind, host, pid, state, lives, joined_at, expires_at, lease_seconds,
                     workflows, pools, reaped_at)
SELECT n, n, 'm' || n, 'worker', 'h', n, CASE WHEN n % 2 = 0 THEN 'left' ELSE 'dead' END, (n > {ROWS} - 5)::int, 0, n,
       15, '[]', '[["default", 4]]', 0
FROM generate_series(1, {ROWS}) AS n;

INSERT INTO executions (run_id, number, workflow, status, input_digest, code_version, created_at, closed_at, outcome,
                        last, tip, owner, ready, wake_at, captured)
SELECT 'run-' || n, 1, 'w' || n % 10,
       CASE WHEN n % 40 = 0 THEN 'RUNNING' WHEN n % 50 = 1 THEN 'FAILED' ELSE 'COMPLETED' END,
       '\\x00', '', n, CASE WHEN n % 40 = 0 THEN NULL ELSE n END, '\\x00', 3, n, CASE WHEN n % 80 = 0 THEN n / 4 END,
       (n % 120 = 40)::int, CASE WHEN n % 40 = 0 THEN n END, CASE WHEN n > 50 THEN 'FAILED' ELSE '' END
FROM generate_series(1, 4 * {ROWS}) AS n;

INSERT INTO events (seq, previous, execution, first, last, body, hash)
SELECT n, greatest(n - {ROWS}, 0), n % {ROWS} + 1, 1, 1, '\\x00', '\\x00' FROM generate_series(1, 3 * {ROWS}) AS n;
INSERT INTO tips SELECT n, 3, n FROM generate_series(1, {ROWS}) AS n;
INSERT INTO changes SELECT n, n, 'PARKED', n, n FROM generate_series(1, {ROWS}) AS n;
INSERT INTO blobs SELECT decode(md5(n::text), 'hex'), '\\x00' FROM generate_series(1, {ROWS}) AS n;
INSERT INTO blob_uses SELECT n, decode(md5(n::text), 'hex') FROM generate_series(1, {ROWS}) AS n;
INSERT INTO inbox SELECT n, n, CASE WHEN n % 2 = 0 THEN n / 20 END, 'signal', '', '', '', '', 0
FROM generate_series(1, {ROWS}) AS n;
INSERT INTO delivered SELECT n, 'o' || n, n FROM generate_series(1, {ROWS}) AS n;
INSERT INTO taken SELECT n % 100, n FROM generate_series(1, {ROWS}) AS n;
INSERT INTO deadlines SELECT n, n FROM generate_series(1, {ROWS}) AS n;
INSERT INTO children (parent, step, child, parent_close)
SELECT n % 1000, 's' || n, n, 'cancel' FROM generate_series(1, {ROWS}) AS n;
INSERT INTO attributes SELECT 'customer', n % 200, n, n FROM generate_series(1, {ROWS}) AS n;
INSERT INTO memos SELECT n, '' FROM generate_series(1, {ROWS}) AS n;

INSERT INTO task_queue (execution, step, task, pool, priority, input, options, failures, attempt, queued_at, visible_at,
                        state, owner)
SELECT n, 'step', 't' || n % 3, 'p' || n % 5, n % 3, '', '', '', 1, n, n, n % 4, CASE WHEN n % 4 = 2 THEN n END
FROM generate_series(1, {ROWS}) AS n;
UPDATE task_queue SET prefix = 'x' || id, line = 'prefix p' || id % 5, state = 5 WHERE id % 10 = 1;
INSERT INTO warm_prefixes SELECT 'x' || n, n, '' FROM generate_series(1, {ROWS}) AS n;
INSERT INTO rates (name, amount, per) SELECT 'r' || n, 1, 1 FROM generate_series(1, {ROWS}) AS n;
INSERT INTO rate_uses SELECT 'r' || n % 100, n, 1 FROM generate_series(1, {ROWS}) AS n;
INSERT INTO rate_holds SELECT 'r' || n % 100, n, 1 FROM generate_series(1, {ROWS}) AS n;
INSERT INTO fan_outs (execution, step, task, options, failures_max, count)
SELECT n, 'step', 't', '', 0, 1 FROM generate_series(1, {ROWS}) AS n;
INSERT INTO slices (fan_out, first, items) SELECT n, 0, '' FROM generate_series(1, {ROWS}) AS n;
INSERT INTO chunks (fan_out, first, pending, task, pool, priority, attempt, queued_at, visible_at, state, owner)
SELECT n, 0, '', 't' || n % 3, 'p' || n % 5, n % 3, 1, n, n, n % 4, CASE WHEN n % 4 = 2 THEN n END
FROM generate_series(1, {ROWS}) AS n;
INSERT INTO outcomes (fan_out, first, body) SELECT n % 1000, n, '' FROM generate_series(1, {ROWS}) AS n;

INSERT INTO lock_places (name, slots, execution, holder, token, since, expires_at)
SELECT 'lock-' || n % 1000, 1, CASE WHEN n % 2 = 0 THEN n END, 'h' || n, CASE WHEN n % 3 = 0 THEN n END, 0,
       CASE WHEN n % 2 = 1 THEN n END
FROM generate_series(1, {ROWS}) AS n;
INSERT INTO ledger (name, holder, token) SELECT 'entry-' || n, '', n FROM generate_series(1, {ROWS}) AS n;
INSERT INTO requests (run_id, execution, kind, name, body, operation_id, expires_at, answer)
SELECT 'run-' || n, n, 'query', '', '', 'o' || n, n, CASE WHEN n % 20 > 0 THEN '\\x00'::bytea END
FROM generate_series(1, {ROWS}) AS n;

INSERT INTO api_keys (name, key_hash, scopes, created_at)
SELECT 'k' || n, decode(md5(n::text), 'hex'), '[]', 0 FROM generate_series(1, {ROWS}) AS n;
INSERT INTO secrets SELECT 's' || n, '' FROM generate_series(1, {ROWS}) AS n;
INSERT INTO audit (at, actor, action, target, detail)
SELECT n, 'a', 'b', 't' || n % 1000, '' FROM generate_series(1, {ROWS}) AS n;
INSERT INTO notices (execution, url, status, due, changed)
SELECT n, '', 'SENT', CASE WHEN n % 5 = 0 THEN n END, 0 FROM generate_series(1, {ROWS} / 10) AS n;
INSERT INTO deliveries (id, webhook, key, digest, state, reason, event, received_at, decided_at, body_bytes, headers,
                        body)
SELECT n, 'w' || n % 5, 'k' || n, decode(md5(n::text), 'hex'), CASE WHEN n % 50 = 0 THEN 'refused' ELSE 'accepted' END,
       '', '', n, n, 0, '', ''
FROM generate_series(1, {ROWS}) AS n;
INSERT INTO idempotency (caller, key, fingerprint, run_id, noted_at, claimed_until)
SELECT 'c', 'k' || n, '', '', 0, 0 FROM generate_series(1, {ROWS}) AS n;
INSERT INTO schedules SELECT 's' || n, n, '', '', '', '', n, 0, 0 FROM generate_series(1, {ROWS}) AS n;
INSERT INTO schedule_fires (schedule, kind, outcome, due, until, count, run_id, words, noted_at, is_open)
SELECT 's' || n % 200, 'due', 'started', n, n, 1, 'run-' || n, '', n, (n % 100 = 0)::int
FROM generate_series(1, {ROWS}) AS n;
INSERT INTO gatherings (id, workflow, key, run_id, state, size, opened_at, latest, due_at, begun_at)
SELECT n, 'w' || n % 5, 'k' || n, 'run-' || n, CASE WHEN n % 100 = 0 THEN 'open' ELSE 'begun' END, 0, n, n, n,
       CASE WHEN n % 100 > 0 THEN n END
FROM generate_series(1, {ROWS}) AS n;
INSERT INTO gathered SELECT n, 1, 'w' || n % 5, 'e' || n, '' FROM generate_series(1, {ROWS}) AS n;
INSERT INTO marks SELECT n % 10, n, 1, n FROM generate_series(1, {ROWS}) AS n;
"""


MAY_SCAN = {
    "read_members": "as many rows as there are processes",
    "forget_members": "as above, and only when one joins",
    "read_refused": "as above",
    "count_refused": "one row",
    "read_slots": "as many rows as there are processes",
    "read_hosts": "the whole table was asked for",
    "read_contracts": "the whole table was asked for",
    "read_retirements": "the whole table was asked for",
    "read_drifts": "the newest were asked for, of a table that grows with what changes outside",
    "read_budgets": "the whole table was asked for",
    "read_locks": "the whole table was asked for",
    "read_rates": "the whole table was asked for",
    "read_keys": "the whole table was asked for",
    "read_schedules": "the whole table was asked for",
    "read_pool_rules": "the whole table was asked for",
    "read_limit_rules": "the whole table was asked for",
    "take_touched_lines": "the oldest, as many as it says, of a table that is nearly always empty",
    "lines_named": "the lines there are, when somebody sets a limit",
    "pool_rules": "nearly always empty",
    "begin_claims": "as above",
    "count_executions": "as above; an index has all that is needed",
    "prune_deliveries": "the oldest, as many as it says",
    "due_schedules": "many schedules may be due",
    "read_backlogs": "as above",
    "read_in_flight": "as above",
}

PLANS = {
    # The hot path
    "started_before": "executions_run_id_number_key",
    "held_execution": "tips_pkey",
    "move_tip": "tips_pkey",
    "end_tip": "tips_pkey",
    "close_execution": "executions_pkey",
    "drop_read_inbox": "inbox_pkey",
    "read_pages": "events_pkey",
    "read_member_inbox": "inbox_owned",
    "find_delivered": "delivered_pkey",
    # Claims, and what goes before them
    "wake_executions": "executions_wake",
    "ready_executions": "executions_ready",
    "count_ready_executions": "executions_ready",
    "promote_tasks": "task_queue_delayed",
    "due_limited_tasks": "task_queue_delayed",
    "first_in_line": "task_queue_line",
    "claim_tasks": "task_queue_ready",
    "promote_chunks": "chunks_delayed",
    "claim_chunks": "chunks_ready",
    "take_requests": "requests_open",
    # What members hold
    "free_executions": "executions_owned",
    "free_tasks": "task_queue_owned",
    "lost_tasks": "task_queue_owned",
    "free_chunks": "chunks_owned",
    "living_members": "members_living",
    "living_holders": "members_living",
    "claimable_with_prefix": "task_queue_prefix",
    "claimable_with_prefixes": "task_queue_line",
    "waiting_with_prefixes": "task_queue_prefix_age",
    "forget_warm_prefixes": "warm_prefixes_until",
    # What becomes due
    "next_wake": "executions_wake",
    "next_notice": "notices_due",
    "next_schedule": "schedules_due",
    "next_gathering": "gatherings_due",
    "due_gatherings": "gatherings_due",
    "expire_places": "lock_places_expiry",
    "expire_places_of": "lock_places_name_expiry",
    "due_deadlines": "deadlines_due",
    "due_notices": "notices_due",
    "drop_expired_requests": "requests_expiry",
    # Lines of locks
    "first_waiting": "lock_places_waiting",
    "place_in_line": "lock_places_lease",
    "find_lease": "lock_places_lease",
    "leave_lines": "lock_places_step",
    # Lists and the feed
    "list_executions": "executions_pkey",
    "list_executions_of_status": "executions_status",
    "find_executions_with_attributes": "attributes_pkey",
    "uncaptured": "executions_uncaptured",
    "read_pages_as_changes": "events_pkey",
    "read_changes": "changes_pkey",
    "newest_position": "events_pkey",
    "put_change": "changes_pkey",
    "open_fires_exist": "schedule_fires_open",
    "find_delivery": "deliveries_key",
    "standing_gathering": "gatherings_open",
    "find_gathered": "gathered_event",
    "prunable_gatherings": "gatherings_begun",
    "drop_refused_deliveries": "deliveries_refused",
    "list_audit_of_target": "audit_by_target",
}

IN_ORDER = {
    "claim_tasks", "claim_chunks", "wake_executions", "ready_executions", "promote_tasks", "promote_chunks",
    "first_waiting", "list_executions", "list_executions_of_status", "find_executions_with_attributes", "uncaptured",
    "take_requests", "read_pages_as_changes", "due_notices", "list_audit_of_target", "next_wake",
    "claimable_with_prefixes", "waiting_with_prefixes",
}  # fmt: skip
"""Statements whose order is that of their index: sorting what was found would first find everything."""


class Plan(NamedTuple):
    """What the server does for a statement, whatever it is given."""

    scans: set[str]
    """Tables it walks over, be it by an index that it reads from one end to the other."""
    indexes: set[str]
    sorts: bool


@pytest.fixture(scope="module")
def desk(postgres_server: Postgres) -> Iterator[Desk]:
    """Return a database that has been used."""
    dsn = postgres_server.create_database()
    with desk_at(dsn) as desk:
        desk.execute(USED)
        desk.execute("ANALYZE; SET plan_cache_mode = force_generic_plan")
        desk.execute("".join(f"SET {each} = off;" for each in OFF))
        yield desk
    postgres_server.drop_database(dsn)


@cache
def partial(desk: Desk) -> set[str]:
    """Return the indexes of a few rows only, which are there to be read from one end to the other."""
    return {row[0] for row in desk.fetch("SELECT indexrelid::regclass::text FROM pg_index WHERE indpred IS NOT NULL")}


def plan(desk: Desk, name: str) -> Plan:
    """Return the plan of a statement for whatever it is given: the one that a busy connection has."""
    desk.execute(f"PREPARE planned AS {desk.sql[name]}")
    ((parameters,),) = desk.fetch(
        "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'planned'"
    )
    given = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
    ((found,),) = desk.fetch(f"EXPLAIN (FORMAT JSON) EXECUTE planned{given}")
    desk.execute("DEALLOCATE planned")
    steps = list(_steps(json.loads(found)[0]["Plan"]))
    return Plan(
        scans={each["Relation Name"] for each in steps if _walks(each, partial(desk))},
        indexes={each["Index Name"] for each in steps if "Index Name" in each},
        sorts=any(each["Node Type"] == "Sort" for each in steps),
    )


def _steps(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from _steps(each)


def _walks(step: dict[str, Any], partial: set[str]) -> bool:
    match step["Node Type"]:
        case "Seq Scan":
            return True
        case "Index Scan" | "Index Only Scan":
            return "Index Cond" not in step and step["Index Name"] not in partial
        case _:
            return False


def test_no_statement_walks_over_a_table(desk: Desk) -> None:
    """But for those that say why."""
    found = {name: scans for name in statements.load(PACKAGE) if (scans := plan(desk, name).scans)}
    assert {name: scans for name, scans in found.items() if name not in MAY_SCAN} == {}


def test_what_is_done_often_has_an_index_of_its_own(desk: Desk) -> None:
    """And stays in its order where only the first rows are wanted."""
    plans = {name: plan(desk, name) for name in PLANS}
    assert {name: plans[name] for name, index in PLANS.items() if index not in plans[name].indexes} == {}
    assert {name: plans[name] for name in IN_ORDER if plans[name].sorts} == {}
    due = {"members_living", "task_queue_delayed", "chunks_delayed", "lock_places_expiry", "task_queue_prefix_age"}
    assert due - plans["next_wake"].indexes == set()


@pytest.mark.parametrize(
    ("index", "name"),
    [
        ("executions_ready", "ready_executions"),
        ("task_queue_ready", "claim_tasks"),
        ("task_queue_delayed", "promote_tasks"),
        ("inbox_owned", "read_member_inbox"),
        ("lock_places_waiting", "first_waiting"),
    ],
)
def test_a_lost_index_is_noticed(desk: Desk, index: str, name: str) -> None:
    """Without its index a statement scans or sorts: the tests above would say so."""
    desk.execute(f"BEGIN; DROP INDEX {index}")
    try:
        found = plan(desk, name)
    finally:
        desk.execute("ROLLBACK")
    assert found.scans or index not in found.indexes


def test_plans_that_were_made_for_empty_tables_use_indexes(dsn: str) -> None:
    """A store's connection keeps its plans: what is cheap at first would go on when there are a million rows."""

    async def explain() -> dict[str, str]:
        connection = await connect(parse_address(dsn))
        try:
            await connection.execute("VACUUM (ANALYZE) tips, inbox, executions, task_queue, attributes")
            await connection.execute("SET plan_cache_mode = force_generic_plan")
            return {name: await explained(connection, sql[name]) for name in EARLY}
        finally:
            await connection.close()

    async def explained(connection: Connection, text: str) -> str:
        await connection.execute(f"PREPARE planned AS {text}")
        given = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", text))))
        rows = await connection.fetch(f"EXPLAIN EXECUTE planned({given})")
        await connection.execute("DEALLOCATE planned")
        return "\n".join(row[0] for row in rows)

    sql = statements.load(PACKAGE)
    plans = asyncio.run(explain())
    wrong = "Seq Scan|Bitmap|Hash Join|Merge Join"
    assert {name: found for name, found in plans.items() if re.search(wrong, found)} == {}
    # Each finished row is found by its own name, and not among all that its worker holds.
    finishing = {name: found for name, found in plans.items() if "finish" in name}
    assert {name: found for name, found in finishing.items() if "task_queue_owned" in found} == {}
