"""Metrics: what is documented is what is published, in both formats, with bounded labels."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_prometheus

from holdfast.observe import Meters, Publisher
from holdfast.observe.fleet import READS_APART, Fleet, FleetReader
from holdfast.observe.meters import OTHER, SERIES_MAX, SHORT_SECONDS, Distribution
from holdfast.observe.metrics import METRICS, OF_THE_PROCESS, POOLS_MAX, render
from holdfast.ports.operations import ContractRecord, DriftRecord, MemberRecord, PoolRecord, Totals
from holdfast.ports.task import AttemptOutcome
from holdfast.stores import SQLiteStore, SystemClock
from tests.unit.controller.rig import serving

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def member(number: int, kind: str, state: str, pools: tuple[tuple[str, int], ...] = ()) -> MemberRecord:
    """Return a member."""
    return MemberRecord(number, f"host:{number}", kind, "host", number, 1, state, 0.0, 9.0, (), pools, 0, 0, 0)


FLEET = Fleet(
    Totals({"RUNNING": 3, "COMPLETED": 40}, refused_writes=2, ready=1, late=4, late_seconds=2.5),
    (PoolRecord("default", 7, 5, 1.25, 64), PoolRecord("ocr", 0, 1, 0.0, 2)),
    (
        member(1, "stack", "alive", (("default", 64),)),
        member(2, "worker", "alive", (("default", 0), ("ocr", 2))),
        member(3, "worker", "blocked at shop.py:7", (("ocr", 2),)),
        member(4, "worker", "expired"),
    ),
    (
        ContractRecord("bank", "GET /rates", 3, 9, is_learned=True),
        ContractRecord("bank", "GET /fees", 2, 2, is_learned=True),
        ContractRecord("task rate", "result", 1, 2, is_learned=True),
    ),
    (
        DriftRecord(1, "bank", "GET /rates", "learned 2", (), 0.0, "r", 9, 0, 5.0, "ada"),
        DriftRecord(2, "bank", "GET /rates", "learned 3", (), 9.0, "r", 8, 7, None, ""),
    ),
)


def meters() -> Meters:
    """Return meters with something in all of them."""
    made = Meters()
    made.committed(12, 0.003)
    made.closed("order", "COMPLETED", 3.0)
    made.closed("order", "FAILED", 0.5)
    made.attempted("charge", AttemptOutcome(10.0, 10.002, b"1"))
    made.attempted("charge", AttemptOutcome(10.0, 12.0, timeout="attempt"))
    made.attempted("charge", AttemptOutcome(10.0, 11.0))
    made.attempted("charge", AttemptOutcome(10.0, 11.0, cancelled=True))
    made.replayed()
    made.park("DIVERGED at event 14")
    made.park("budget\nof the user's own making")
    made.delivered("stripe", "accepted")
    made.delivered("stripe", "refused", "stale")
    made.delivered("stripe", "refused", "stale")
    made.fired("nightly", "started", 1)
    made.fired("nightly", "missed", 3)
    made.started_late("nightly", 0.02)
    made.noticed("heard")
    made.served("GET", "/v1/runs", 200, 0.004)
    made.served("GET", "/v1/runs", 403, 0.001)
    return made


def samples(page: tuple[bytes, str]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read a page of either format."""
    body, content_type = page
    read = read_openmetrics if "openmetrics" in content_type else read_prometheus
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for family in read(body.decode())
        for each in family.samples
    }


@pytest.mark.parametrize("accept", ["", "text/plain", OPENMETRICS])
def test_the_table_is_what_is_published(accept) -> None:
    """Every metric of the table is published with its kind, meaning and labels, and no other."""
    body, content_type = render(meters(), FLEET, accept)
    assert ("openmetrics" in content_type) == (accept == OPENMETRICS)
    read = read_openmetrics if accept == OPENMETRICS else read_prometheus
    families = {each.name: each for each in read(body.decode())}
    described = {each.name.removesuffix("_total"): each for each in METRICS}
    assert set(families) == set(described)
    for name, metric in described.items():
        family = families[name]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        assert family.samples, f"the test has nothing for {name}"
        for each in family.samples:
            assert set(each.labels) - {"le"} == set(metric.labels)


def test_values() -> None:
    """What was counted, and what the store said, is what stands there."""
    found = samples(render(meters(), FLEET, ""))

    def value(name: str, **labels: str) -> float:
        return found[name, tuple(sorted(labels.items()))]

    assert value("holdfast_store_up") == 1
    assert value("holdfast_runs", status="COMPLETED") == 40
    assert value("holdfast_timers_late_seconds") == 2.5
    assert [value(f"holdfast_pool_{each}", pool="default") for each in ("queued", "running", "slots")] == [7, 5, 64]
    assert value("holdfast_pool_backlog_seconds", pool="default") == 1.25
    assert [value("holdfast_pool_workers", pool=each) for each in ("default", "ocr")] == [2, 1]
    assert value("holdfast_members", kind="worker", state="blocked") == 1
    assert value("holdfast_refused_writes_total") == 2
    assert [value("holdfast_contract_changes", host=each) for each in ("bank", "task rate")] == [3, 0]
    assert [value("holdfast_drifts", state=each) for each in ("open", "resolved")] == [1, 1]
    assert value("holdfast_drift_runs") == 7
    assert value("holdfast_commit_seconds_bucket", le="0.0025") == 0
    assert value("holdfast_commit_seconds_bucket", le="0.005") == 1
    assert value("holdfast_commit_operations_sum") == 12
    assert value("holdfast_runs_closed_total", workflow="order", status="FAILED") == 1
    assert value("holdfast_run_seconds_sum", workflow="order") == 3.5
    for outcome in ("completed", "timed_out", "failed", "cancelled"):
        assert value("holdfast_task_attempts_total", task="charge", outcome=outcome) == 1
    assert value("holdfast_task_seconds_count", task="charge") == 4
    assert value("holdfast_task_seconds_bucket", task="charge", le="+Inf") == 4
    assert value("holdfast_runs_parked_total", reason="DIVERGED") == 1
    assert value("holdfast_runs_parked_total", reason="other") == 1
    assert value("holdfast_http_requests_total", method="GET", route="/v1/runs", status="403") == 1
    assert value("holdfast_http_request_seconds_count", method="GET", route="/v1/runs") == 2


def test_a_value_on_a_bound_belongs_to_it() -> None:
    """Buckets are "at most", as Prometheus has it."""
    found = Distribution(SHORT_SECONDS)
    for each in (0.0, 0.001, 0.0011, 10.0, 11.0):
        found.add(each)
    assert (found.counts[0], found.counts[1], found.counts[-2], found.counts[-1]) == (2, 1, 1, 1)


def test_labels_are_bounded() -> None:
    """Names beyond the limit are counted together, and of many pools the busiest are told apart."""
    made = Meters()
    for number in range(SERIES_MAX + 10):
        made.attempted(f"task-{number}", AttemptOutcome(0.0, 1.0, b""))
        made.closed(f"workflow-{number}", "COMPLETED", 1.0)
    assert made.attempts[OTHER, OTHER].count == made.runs[OTHER, OTHER] == 10
    assert len(made.attempts) == len(made.runs) == SERIES_MAX + 1
    pools = tuple(PoolRecord(f"pool-{number}", number, 0, 0.0, 0) for number in range(POOLS_MAX + 10))
    found = samples(render(made, Fleet(FLEET.totals, pools, ()), ""))
    shown = [labels for name, labels in found if name == "holdfast_pool_queued"]
    assert len(shown) == POOLS_MAX
    assert (("pool", "pool-0"),) not in shown


def test_hostile_names_stay_inside_their_label() -> None:
    """A name with quotes and line ends cannot forge a metric."""
    made = Meters()
    hostile = 'x"} 1\nholdfast_forged 1\n# '
    made.closed(hostile, "COMPLETED", 1.0)
    for accept in ("", OPENMETRICS):
        found = samples(render(made, None, accept))
        assert found["holdfast_runs_closed_total", (("status", "COMPLETED"), ("workflow", hostile))] == 1
        assert not [name for name, _ in found if "forged" in name]


def test_a_store_that_cannot_be_read_costs_only_what_is_about_it(tmp_path) -> None:
    """The process's own numbers are still there, and one number says what is the matter."""
    closed = SQLiteStore(tmp_path / "store.db", clock=SystemClock())
    found = samples(asyncio.run(Publisher(meters(), closed).page("")))
    assert found["holdfast_store_up", ()] == 0
    assert found["holdfast_commits_total", ()] == 1
    assert "holdfast_runs" not in {name for name, _ in found}


def test_a_process_without_the_api_speaks_for_itself_only() -> None:
    """Its page has what it counted; what is about the store, the controllers say."""
    body, _ = Publisher(meters()).own_page("")
    names = {each.name for each in read_prometheus(body.decode())}
    assert names == {each.name.removesuffix("_total") for each in OF_THE_PROCESS}


def test_a_large_store_is_not_counted_all_the_time(tmp_path) -> None:
    """Who asks often gets what was read last, so that counting takes a small part of the time."""
    times = iter((0.0, 1.0, 50.9, 51.0, 52.0))

    async def ask() -> None:
        async with serving(tmp_path) as api:
            reader = FleetReader(api.store, lambda: next(times))
            assert (await reader.read()).totals.runs == {}
            await api.service.starts.start("greet", b'"you"', "r-1")
            assert (await reader.read()).totals.runs == {}
            assert (await reader.read()).totals.runs == {"RUNNING": 1}

    assert READS_APART == 50
    asyncio.run(ask())
