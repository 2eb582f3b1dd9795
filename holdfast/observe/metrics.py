"""Metrics, as Prometheus and OpenMetrics read them. The one door to prometheus-client.

Owns: names, labels and meanings of all metrics, in one table; how numbers become text.
Must not know: who counts, how the text travels.

Two kinds of numbers are published. What is about the *store* is read from it when somebody asks, and every controller
says the same. What is about the *process* was counted by this process since it began.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from holdfast.observe.fleet import Fleet
from holdfast.observe.meters import Distribution, Meters

POOLS_MAX: Final = 200
"""Pools that are told apart; those with the most work come first."""
HOSTS_MAX: Final = 200
"""Hosts that are told apart; those whose answers changed most often come first."""
MEMBER_STATES: Final = ("alive", "blocked", "expired", "dead", "left")

COUNTER: Final = "counter"
GAUGE: Final = "gauge"
HISTOGRAM: Final = "histogram"

Source = TypeVar("Source")
Key = TypeVar("Key", bound=tuple[str, ...])
Labels: TypeAlias = tuple[str, ...]
Samples: TypeAlias = Iterable[tuple[Labels, float | Distribution]]


@dataclass(frozen=True, slots=True)
class Described(Generic[Source]):
    """One metric: what it is called, what it means, where it comes from."""

    name: str
    kind: str
    help: str
    labels: Labels
    read: Callable[[Source], Samples]


def _runs(fleet: Fleet) -> Samples:
    return [((status,), count) for status, count in sorted(fleet.totals.runs.items())]


def _by_pool(field: str) -> Callable[[Fleet], Samples]:
    def read(fleet: Fleet) -> Samples:
        busiest = sorted(fleet.pools, key=lambda pool: (-pool.backlog - pool.in_flight, pool.pool))[:POOLS_MAX]
        return [((pool.pool,), getattr(pool, field)) for pool in busiest]

    return read


def _workers(fleet: Fleet) -> Samples:
    serving = Counter(pool for member in fleet.members if _state(member.state) == "alive" for pool, _ in member.pools)
    return [((pool,), count) for pool, count in serving.most_common(POOLS_MAX)]


def _members(fleet: Fleet) -> Samples:
    return sorted(Counter((member.kind, _state(member.state)) for member in fleet.members).items())


def _contract_changes(fleet: Fleet) -> Samples:
    counts: Counter[str] = Counter()
    for each in fleet.contracts:
        counts[each.host] += each.version - 1
    return [((host,), count) for host, count in counts.most_common(HOSTS_MAX)]


def _drifts(fleet: Fleet) -> Samples:
    counts = Counter("open" if each.settled_at is None else "resolved" for each in fleet.drifts)
    return [((state,), counts[state]) for state in ("open", "resolved")]


def _state(state: str) -> str:
    word = state.partition(" ")[0]
    return word if word in MEMBER_STATES else "other"


def _attempts(meters: Meters) -> Samples:
    return [(key, cell.count) for key, cell in _copy(meters.attempts)]


def _task_seconds(meters: Meters) -> Samples:
    return _merged(((task,), cell) for (task, _), cell in _copy(meters.attempts))


def _requests(meters: Meters) -> Samples:
    return [(key, cell.count) for key, cell in _copy(meters.requests)]


def _request_seconds(meters: Meters) -> Samples:
    return _merged(((method, route), cell) for (method, route, _), cell in _copy(meters.requests))


def _merged(cells: Iterable[tuple[Labels, Distribution]]) -> Samples:
    """Return one distribution for all those with the same labels."""
    found: dict[Labels, Distribution] = {}
    for labels, cell in cells:
        whole = found.setdefault(labels, Distribution(cell.bounds))
        whole.counts = [a + b for a, b in zip(whole.counts, cell.counts, strict=True)]
        whole.sum += cell.sum
    return found.items()


def _copy(cells: Mapping[Key, Distribution]) -> list[tuple[Key, Distribution]]:
    return list(cells.items())  # at once: the event loop may add to them meanwhile


OF_THE_STORE: Final[tuple[Described[Fleet], ...]] = (
    Described("holdfast_runs", GAUGE, "Runs in the store.", ("status",), _runs),
    Described(
        "holdfast_runs_ready",
        GAUGE,
        "Runs that could go on and that no orchestrator has taken yet.",
        (),
        lambda fleet: [((), fleet.totals.ready)],
    ),
    Described(
        "holdfast_timers_late",
        GAUGE,
        "Runs out of memory whose timer is due and that no orchestrator has taken yet.",
        (),
        lambda fleet: [((), fleet.totals.late)],
    ),
    Described(
        "holdfast_timers_late_seconds",
        GAUGE,
        "How long the first of these timers has been due.",
        (),
        lambda fleet: [((), fleet.totals.late_seconds)],
    ),
    Described("holdfast_pool_queued", GAUGE, "Tasks that wait for a slot.", ("pool",), _by_pool("backlog")),
    Described("holdfast_pool_running", GAUGE, "Tasks that a worker has.", ("pool",), _by_pool("in_flight")),
    Described(
        "holdfast_pool_backlog_seconds",
        GAUGE,
        "How long the task has waited that has waited longest.",
        ("pool",),
        _by_pool("oldest_seconds"),
    ),
    Described("holdfast_pool_slots", GAUGE, "Slots of living workers.", ("pool",), _by_pool("slots")),
    Described("holdfast_pool_workers", GAUGE, "Living workers.", ("pool",), _workers),
    Described("holdfast_members", GAUGE, "Processes of the fleet.", ("kind", "state"), _members),
    Described(
        "holdfast_contract_changes",
        GAUGE,
        "How often what was learned of a host's answers, a task's results or a webhook's bodies has changed.",
        ("host",),
        _contract_changes,
    ),
    Described("holdfast_drifts", GAUGE, "Reports of answers that are not as code expects them.", ("state",), _drifts),
    Described(
        "holdfast_drift_runs",
        GAUGE,
        "Runs that are parked under these reports.",
        (),
        lambda fleet: [((), sum(each.parked for each in fleet.drifts))],
    ),
    Described(
        "holdfast_refused_writes_total",
        COUNTER,
        "Writes refused because their author had lost its lease, since the store was made.",
        (),
        lambda fleet: [((), fleet.totals.refused_writes)],
    ),
)
"""What every controller says the same about. Read from the store when asked."""

OF_THE_PROCESS: Final[tuple[Described[Meters], ...]] = (
    Described(
        "holdfast_commits_total",
        COUNTER,
        "Transactions of this process.",
        (),
        lambda meters: [((), meters.commit_seconds.count)],
    ),
    Described(
        "holdfast_commit_seconds",
        HISTOGRAM,
        "How long a transaction took, until it was durable.",
        (),
        lambda meters: [((), meters.commit_seconds)],
    ),
    Described(
        "holdfast_commit_operations",
        HISTOGRAM,
        "How many operations shared a transaction.",
        (),
        lambda meters: [((), meters.commit_operations)],
    ),
    Described(
        "holdfast_runs_closed_total",
        COUNTER,
        "Executions that this process has ended.",
        ("workflow", "status"),
        lambda meters: list(meters.runs.items()),
    ),
    Described(
        "holdfast_run_seconds",
        HISTOGRAM,
        "How long these executions took, from their start on.",
        ("workflow",),
        lambda meters: _copy(meters.run_seconds),
    ),
    Described(
        "holdfast_task_attempts_total",
        COUNTER,
        "Attempts that ended in this process: `completed`, `failed`, `timed_out` or `cancelled`.",
        ("task", "outcome"),
        _attempts,
    ),
    Described("holdfast_task_seconds", HISTOGRAM, "How long these attempts took.", ("task",), _task_seconds),
    Described(
        "holdfast_replays_total",
        COUNTER,
        "Histories replayed by this process, so that a run could go on or answer.",
        (),
        lambda meters: [((), meters.replays)],
    ),
    Described(
        "holdfast_runs_parked_total",
        COUNTER,
        "Runs that this process has parked, by the first word of the reason; `other` for one that code made up.",
        ("reason",),
        lambda meters: list(meters.parked.items()),
    ),
    Described(
        "holdfast_deliveries_total",
        COUNTER,
        "Deliveries to webhooks that this process has answered: `accepted`, `ignored`, `failed` or `refused`. The "
        "reason is `repeated`, or that of a refusal: `forged`, `stale`, `future`, `replayed`, `conflict`, `oversized`, "
        "`malformed`.",
        ("webhook", "state", "reason"),
        lambda meters: list(meters.deliveries.items()),
    ),
    Described(
        "holdfast_schedule_times_total",
        COUNTER,
        "Due times of schedules that this process has seen to: `started`, `found`, `skipped`, `missed` or `refused`.",
        ("schedule", "outcome"),
        lambda meters: list(meters.fires.items()),
    ),
    Described(
        "holdfast_schedule_late_seconds",
        HISTOGRAM,
        "How long after its due time, jitter included, a run was started.",
        ("schedule",),
        lambda meters: _copy(meters.late_seconds),
    ),
    Described(
        "holdfast_notices_total",
        COUNTER,
        "Tries of this process at telling that a run has ended: `heard`, `retried` later, or `given_up`.",
        ("outcome",),
        lambda meters: list(meters.notices.items()),
    ),
    Described(
        "holdfast_http_requests_total",
        COUNTER,
        "HTTP requests answered by this process, by route as the API declares it; `none` where there is none.",
        ("method", "route", "status"),
        _requests,
    ),
    Described(
        "holdfast_http_request_seconds",
        HISTOGRAM,
        "How long these requests took.",
        ("method", "route"),
        _request_seconds,
    ),
)
"""What this process has counted since it began."""

STORE_UP: Final[Described[Fleet | None]] = Described(
    "holdfast_store_up",
    GAUGE,
    "1 when the store could be read just now; when it could not, nothing else is said about it.",
    (),
    lambda fleet: [((), fleet is not None)],
)

METRICS: Final[tuple[Described[Any], ...]] = (STORE_UP, *OF_THE_STORE, *OF_THE_PROCESS)
"""All there are; the reference is made from this table."""


class _Once(Collector):
    """What is published in answer to one request."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def render(meters: Meters, fleet: Fleet | None, accept: str, *, has_store: bool = True) -> tuple[bytes, str]:
    """Return all metrics as text, and its content type.

    Args:
        meters: what this process counted.
        fleet: what its store said; None when it could not be read.
        accept: the Accept header of whoever asks: OpenMetrics if it says so, else Prometheus's own format.
        has_store: whether this process speaks for the store at all.
    """
    families: list[Metric] = []
    if has_store:
        families.append(_family(STORE_UP, fleet))
    if fleet is not None:
        families += [_family(each, fleet) for each in OF_THE_STORE]
    families += [_family(each, meters) for each in OF_THE_PROCESS]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(families))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _family(described: Described[Source], source: Source) -> Metric:
    name, words, labels = described.name, described.help, described.labels
    samples = described.read(source)
    match described.kind:
        case "counter":
            counter = CounterMetricFamily(name, words, labels=labels)
            for values, value in samples:
                assert not isinstance(value, Distribution)
                counter.add_metric(values, value)
            return counter
        case "gauge":
            gauge = GaugeMetricFamily(name, words, labels=labels)
            for values, value in samples:
                assert not isinstance(value, Distribution)
                gauge.add_metric(values, value)
            return gauge
        case _:
            histogram = HistogramMetricFamily(name, words, labels=labels)
            for values, value in samples:
                assert isinstance(value, Distribution)
                histogram.add_metric(values, _buckets(value), value.sum)
            return histogram


def _buckets(distribution: Distribution) -> list[tuple[str, float]]:
    total = 0.0
    found = []
    for bound, count in zip((*distribution.bounds, float("inf")), list(distribution.counts), strict=True):
        total += count
        found.append(("+Inf" if bound == float("inf") else repr(bound), total))
    return found
