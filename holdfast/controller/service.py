"""What the API can do, without HTTP.

Owns: one part for each noun, and how they are put together.
Must not know: requests, responses, routes, who asks; what a part does.

    start   -> starts      validate, hand over, describe what came of it
    gather  -> gatherings
    look    -> runs, streams, glance, fleet, drifts, spending, audit, notices, captures, inbox
    talk    -> messages
    operate -> operating, forks, schedules, keys
    log in  -> sessions
    webhook -> webhooks
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from holdfast.authoring import Registry
from holdfast.controller.audit import AuditLog
from holdfast.controller.backlog import BACKLOG_MAX, Backlog
from holdfast.controller.captures import CaptureShelf
from holdfast.controller.drifts import Drifts
from holdfast.controller.fleet import Fleet
from holdfast.controller.forks import Forks
from holdfast.controller.gatherings import GatheringService
from holdfast.controller.keyring import Keyring
from holdfast.controller.messages import Messages
from holdfast.controller.notices.outbox import Outbox
from holdfast.controller.once import KEEP_SECONDS, Once
from holdfast.controller.operating import Operating
from holdfast.controller.overview import Glance
from holdfast.controller.runs import Runs
from holdfast.controller.schedules.service import schedules_of
from holdfast.controller.sessions import Sessions
from holdfast.controller.spending import Spending
from holdfast.controller.starts import Starts
from holdfast.controller.streams import Streams
from holdfast.controller.webhooks import Desk, DeskOptions, Inbox
from holdfast.observe import Meters, Publisher
from holdfast.ports.callbacks import Callbacks
from holdfast.ports.captures import Captures
from holdfast.ports.clock import Clock
from holdfast.ports.engine import Cluster, Engine
from holdfast.ports.reach import Reach
from holdfast.ports.store import Store


class ControllerService:
    """Every verb of the API, by noun: `service.starts.start(...)`, `service.runs.read(...)`.

    Reads and writes through the engine and the store it was given.
    """

    def __init__(  # noqa: PLR0913 - one for each part and limit
        self,
        engine: Engine,
        registry: Registry,
        store: Store,
        clock: Clock,
        draw_id: Callable[[], str] = lambda: uuid4().hex,
        *,
        captures: Captures | None = None,
        callbacks: Callbacks | None = None,
        backlog_max: int = BACKLOG_MAX,
        meters: Meters | None = None,
        webhooks: DeskOptions = DeskOptions(),  # noqa: B008 - frozen
        keep_seconds: float = KEEP_SECONDS,
        reach: Reach | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        """Serve the system behind `engine` and `store`.

        Args:
            engine: starts, messages and reads runs.
            registry: the workflows whose inputs are validated here.
            store: holds keys, members, pools and locks.
            clock: tells when a key has expired.
            draw_id: makes an id for a run or a message that came without one.
            captures: what was captured of runs that went wrong; None for nothing.
            callbacks: reads the tokens of callbacks; without it nobody's is good.
            backlog_max: how many runs may wait for an orchestrator before no more are started.
            meters: what this process counts.
            webhooks: what settings say about webhooks; those declared in code are in the registry.
            keep_seconds: how long the answer to a request with a key stands after its run has ended.
            reach: where those who are told of a run's end may be; None leaves it to whoever tells them.
            cluster: where runs are when they are not in the store.

        Raises:
            DefinitionError, UnknownNameError: a webhook cannot work.
        """
        meters = meters if meters is not None else Meters()
        once = Once(store, keep_seconds)
        backlog = Backlog(store, clock, backlog_max)
        self.registry = registry
        """The workflows this controller knows."""
        self.runs = Runs(engine)
        self.starts = Starts(engine, registry, self.runs, once, backlog, draw_id, reach)
        self.messages = Messages(engine, registry, store, once, draw_id, callbacks)
        self.operating = Operating(engine, self.runs, self.messages, draw_id)
        self.forks = Forks(engine, registry, self.runs, draw_id)
        self.gatherings = GatheringService(engine, registry, store, backlog)
        self.cluster = cluster
        self.fleet = Fleet(store, cluster)
        self.drifts = Drifts(store)
        self.spending = Spending(store)
        self.streams = Streams(engine, store)
        self.audit = AuditLog(store)
        self.notices = Outbox(store)
        self.captures = CaptureShelf(captures)
        self.keys = Keyring(store, clock)
        self.sessions = Sessions(self.keys, store, clock)
        self.webhooks = Desk(engine, registry, store, clock, webhooks, backlog.check, meters)
        self.inbox = Inbox(store, self.webhooks)
        self.publisher = Publisher(meters, store)
        """Says how the fleet and this process are doing."""
        self.glance = Glance(self.publisher, clock)
        self.schedules = schedules_of(store, engine, registry, draw_id)
