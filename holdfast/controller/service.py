"""What the API can do, without HTTP.

Owns: one function for each verb: validate, hand over, describe what came of it.
Must not know: requests, responses, routes, who asks.

Payloads come in as JSON text from strangers. They are read strictly, decoded as the declared type and encoded again,
so that an input has one form whoever sent it: equal inputs give equal bytes, and the same run id with the same input is
the same run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, Literal, cast
from uuid import uuid4

import msgspec
from msgspec import UNSET

from holdfast.authoring import MessageHandler, Registry, WorkflowDefinition, parse_duration
from holdfast.client import audited, check_overrides, meant
from holdfast.controller import catalogue
from holdfast.controller.backlog import BACKLOG_MAX, Backlog
from holdfast.controller.documents import (
    STATUSES,
    Accepted,
    Answer,
    AuditPage,
    BrokenLock,
    Bulk,
    BulkAnswer,
    BulkFork,
    BulkForkAnswer,
    CapturePage,
    Explained,
    ForkAnswer,
    ForkBody,
    ForkedRun,
    HistoryPage,
    LockList,
    Notice,
    NoticePage,
    PoolList,
    Refused,
    Run,
    RunPage,
    Where,
    WorkerList,
    Workflow,
    WorkflowList,
    audit_document,
    begun_document,
    capture_document,
    cause_document,
    lock_document,
    notice_document,
    pool_document,
    run_document,
    worker_document,
)
from holdfast.controller.events import event_document
from holdfast.controller.inputs import RUN_ID, canonical, check_run_id, plain
from holdfast.controller.keyring import Keyring
from holdfast.controller.keys import LOCAL
from holdfast.controller.live import LiveChanges, Wanted, read_position
from holdfast.controller.once import KEEP_SECONDS, Once, OnceKey, fingerprint
from holdfast.controller.once import operation_id as once_id
from holdfast.controller.schedules.service import ScheduleService
from holdfast.controller.strict import read_json
from holdfast.controller.times import seconds_of
from holdfast.controller.webhooks import Desk, DeskOptions, Inbox
from holdfast.errors import (
    CallbackError,
    CallbackGoneError,
    DefinitionError,
    HistoryError,
    HoldfastError,
    InputError,
    LeaseError,
    PayloadError,
    RequestError,
    RunClosedError,
    RunConflictError,
    RunNotFoundError,
    UnknownNameError,
)
from holdfast.history import check_memo, encode_attributes, read_attribute
from holdfast.observe import Meters, Publisher
from holdfast.ports.callbacks import Callbacks, name_of
from holdfast.ports.captures import Captures
from holdfast.ports.clock import Clock
from holdfast.ports.engine import Begin, BulkRequest, Engine, ForkRequest, StartRequest
from holdfast.ports.names import numbered
from holdfast.ports.notices import check_urls
from holdfast.ports.operations import (
    CONTINUED_AS_NEW,
    TERMINAL,
    USE_EXISTING,
    AuditFilter,
    BreakLock,
    Deliver,
    DoneBefore,
    IdPolicy,
    Position,
    ResendNotice,
    RunFilter,
    Started,
    StartSignal,
)
from holdfast.ports.store import Store

EVENTS_MAX: Final = 1_000
"""How many events one page of a history holds at most."""

MATCHED_MAX: Final = 100_000
"""How far the runs that a filter means are counted."""

RUNS_MAX: Final = 500
"""How many runs one page of a list holds at most."""

AUDIT_MAX: Final = 500
"""How many entries of the audit log one page holds at most."""

NOTICES_MAX: Final = 500
"""How many notices one page of a list holds at most."""

CAPTURES_MAX: Final = 500
"""How many captures one page of a list holds at most."""

Kind = Literal["signal", "query", "update"]
NoticeStatus = Literal["WAITING", "DUE", "SENT", "UNSENT"]


class ControllerService:
    """Every verb of the API. Reads and writes through the engine and the store it was given."""

    def __init__(  # noqa: PLR0913 - one for each part and limit
        self,
        engine: Engine,
        registry: Registry,
        store: Store,
        clock: Clock,
        draw_id: Callable[[], str] = lambda: uuid4().hex,
        *,
        captures: Captures | None = None,
        backlog_max: int = BACKLOG_MAX,
        meters: Meters | None = None,
        webhooks: DeskOptions = DeskOptions(),  # noqa: B008 - frozen
        keep_seconds: float = KEEP_SECONDS,
    ) -> None:
        """Serve the system behind `engine` and `store`.

        Args:
            engine: starts, messages and reads runs.
            registry: the workflows whose inputs are validated here.
            store: holds keys, members, pools and locks.
            clock: tells when a key has expired.
            draw_id: makes an id for a run or a message that came without one.
            captures: what was captured of runs that went wrong; None for nothing.
            backlog_max: how many runs may wait for an orchestrator before no more are started.
            meters: what this process counts.
            webhooks: what settings say about webhooks; those declared in code are in the registry.

        Raises:
            DefinitionError, UnknownNameError: a webhook cannot work.
            keep_seconds: how long the answer to a request with a key stands after its run has ended.
        """
        self._engine = engine
        self._registry = registry
        self._store = store
        self._draw_id = draw_id
        self._captures = captures
        self._once = Once(store, keep_seconds)
        self._backlog = Backlog(store, clock, backlog_max)
        self.keys = Keyring(store, clock)
        self.webhooks = Desk(engine, registry, store, clock, webhooks, self._backlog.check)
        self.inbox = Inbox(store, self.webhooks)
        self.publisher = Publisher(meters if meters is not None else Meters(), store)
        """Says how the fleet and this process are doing."""
        self.schedules = ScheduleService(store, engine, registry, draw_id)
        self.callbacks: Callbacks | None = None
        """Reads the tokens of callbacks; without it nobody's is good."""

    @property
    def registry(self) -> Registry:
        """The workflows this controller knows."""
        return self._registry

    def _as(self, actor: str) -> Engine:
        return self._engine.acting_as(actor) if actor else self._engine

    # --- Runs ----------------------------------------------------------------------------------------------------

    async def start(  # noqa: PLR0913 - one for each thing a start may say
        self,
        workflow: str,
        text: bytes,
        run_id: str | None = None,
        *,
        timeout: str = "",
        execution_timeout: str = "",
        policy: IdPolicy | None = None,
        attributes: Mapping[str, str] | None = None,
        memo: Mapping[str, str] | None = None,
        only: Collection[str] = (),
        by: str = "",
        notify: Sequence[str] = (),
        key: str | None = None,
        signal: tuple[str, bytes] | None = None,
    ) -> tuple[Run, bool]:
        """Start a run; once this returns it cannot be lost.

        Args:
            workflow: its registered name.
            text: its input as JSON; empty stands for null.
            run_id: names the run and makes starting it again harmless; None draws one.
            timeout: how long the run may take, with all executions it goes on as, such as `1h`; empty is for ever.
            execution_timeout: how long each of its executions may take; empty is for ever.
            policy: what to do when there is a run with this id; None is that the same work is the same run.
            attributes: what the run is to be found by, as written: `12.5` is a number, `eu` a text.
            memo: what to note about it, by name.
            only: the workflows whose runs the caller has to do with; none is all of them.
            by: who does it, for the audit log; empty leaves it out.
            notify: URLs that are told how it has ended.
            key: names this request of theirs: sent again, it is answered as it was. Without a run id it is that, too.
            signal: name and arguments (as JSON) of a signal that is delivered in the same commit. An open run of this
                id takes it, whatever its input.

        Returns:
            The run, and whether this call made it.

        Raises:
            UnknownNameError: there is no such workflow.
            InputError: the input, the run id, the attributes, the memo or a URL do not fit.
            RunConflictError: the id is taken by another workflow or input, or by a run that the policy refuses.
            BacklogFullError: too many runs wait for an orchestrator.
            KeyReusedError, KeyInUseError: the key is another request's, or this one is under way.
            RunClosedError: the run that was found has ended, and cannot be signalled.
        """
        definition = self._registry.workflow(workflow)
        if run_id is None and key is not None and RUN_ID.fullmatch(key):
            run_id = key
        if run_id is not None:
            check_run_id(run_id)
            if only and (policy is not None or signal is not None):
                await self._check_business(run_id, only)
        await self._backlog.check()
        payload = canonical(definition, text, f"the input of {workflow}")
        request = StartRequest(
            workflow,
            run_id or self._draw_id(),
            payload,
            definition.code_version,
            pin=definition.code_version if definition.pinned else "",
            timeout=_seconds(timeout, "timeout"),
            execution_timeout=_seconds(execution_timeout, "execution_timeout"),
            attributes=encode_attributes({name: read_attribute(each) for name, each in (attributes or {}).items()}),
            memo=check_memo(memo or {}),
            notify=check_urls(notify),
        )
        sent: StartSignal | None = None
        if signal is not None:
            sent = _signal(definition, signal, self._draw_id() if key is None else once_id(by, key))
            policy = IdPolicy((policy or IdPolicy()).reuse, USE_EXISTING)
        if key is not None:
            once = OnceKey(by or LOCAL, key)
            return await self._start_once(Begin(request, policy or IdPolicy(), sent), once, run_id or "", by)
        if policy is None:
            (started,) = await self._as(by).start([request])
        else:
            started = await self._as(by).start_next(request, policy, sent)
        return await self.run(request.run_id), started.created

    async def _start_once(self, begin: Begin, key: OnceKey, run_id: str, by: str) -> tuple[Run, bool]:
        """Start a run under a key. What was made is described as it began, so that it is always answered alike."""
        request, policy, signal = begin.request, begin.policy, begin.signal
        options = request.timeout, request.execution_timeout, request.attributes, request.memo, request.notify
        told = (signal.name, signal.body) if signal is not None else ()
        parts = request.workflow, run_id, request.input, policy.reuse, policy.conflict
        asked = fingerprint("start", *parts, *options, *told)
        with self._once.doing(key):
            note = self._once.note(key, asked, request.run_id)
            result: Started | DoneBefore = await self._as(by).carry_out(begin, note)
        begun = result.run_id if isinstance(result, DoneBefore) else request.run_id
        if not result.created:
            return await self.run(begun), False
        record = await self._engine.describe(numbered(begun, result.execution))
        return begun_document(record, request.attributes, request.memo), True

    async def _check_business(self, run_id: str, only: Collection[str]) -> None:
        """Refuse a policy that would give somebody a run, or end one, of a workflow they have nothing to do with."""
        try:
            workflow = await self.workflow_of(run_id)
        except RunNotFoundError:
            return
        if workflow not in only:
            raise RunConflictError(run_id, "workflow")

    async def workflow_of(self, run_id: str) -> str:
        """Return which workflow a run is of. Raises RunNotFoundError."""
        return (await self._engine.describe(run_id)).workflow

    async def run(self, run_id: str, *, payloads: bool = True) -> Run:
        """Return a run, with its result or error when it has ended. Raises RunNotFoundError."""
        return run_document(await self._engine.describe(run_id), payloads=payloads)

    async def ended(self, run_id: str, seconds: float) -> Run:
        """Wait until a run has ended, but not longer than `seconds`; return it as it is then.

        Raises:
            RunNotFoundError: there is none.
        """
        if seconds > 0:
            await self._engine.outcome(run_id, seconds)
        return await self.run(run_id)

    async def runs(  # noqa: PLR0913 - one for each thing a run is found by
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        created_from: datetime | None = None,
        created_before: datetime | None = None,
        error: str = "",
        attributes: Mapping[str, str] | None = None,
        cursor: str | None = None,
        limit: int = 50,
        payloads: bool = False,
        only: Collection[str] = (),
    ) -> RunPage:
        """Return runs, newest first; with `only`, those of these workflows.

        Raises:
            InputError: the status or the cursor is none of ours.
        """
        statuses = [status] if status is not None else []
        where = _filter(
            Where(
                workflow=workflow,
                status=statuses,
                created_from=created_from,
                created_before=created_before,
                error=error,
                attributes=dict(attributes or {}),
            ),
            only,
        )
        try:
            records, following = await self._engine.runs(where=where, cursor=cursor, limit=min(limit, RUNS_MAX))
        except (ValueError, OverflowError):
            raise InputError("the filter", (("/cursor", "expected the `next` of a page"),)) from None
        return RunPage(runs=[run_document(each, payloads=payloads) for each in records], next=following)

    async def history(
        self, run_id: str, *, after: int = 0, limit: int = EVENTS_MAX, payloads: bool = False
    ) -> HistoryPage:
        """Return the events of a run after event id `after`. Raises RunNotFoundError."""
        record = await self._engine.describe(run_id)
        recorded = await self._engine.history(numbered(record.run_id, record.execution), after)
        page = recorded[: min(limit, EVENTS_MAX)]
        return HistoryPage(
            run_id=record.run_id,
            execution=record.execution,
            events=[event_document(each, payloads=payloads) for each in page],
            next=page[-1].id if len(page) < len(recorded) else None,
        )

    async def watch(
        self, run_id: str, *, after: int = 0, payloads: bool = False
    ) -> AsyncIterator[dict[str, Any]] | None:
        """Return the events of a run after event id `after` as they are recorded, until it has ended.

        None says that it has ended and there is none left to come. Raises RunNotFoundError.
        """
        record = await self._engine.describe(run_id)
        if record.status in TERMINAL and after >= record.last_event:
            return None
        return self._watch(numbered(record.run_id, record.execution), after, payloads)

    async def _watch(self, execution: str, after: int, payloads: bool) -> AsyncIterator[dict[str, Any]]:  # noqa: FBT001
        async for each in self._engine.watch(execution, after):
            yield event_document(each, payloads=payloads)

    async def changes(
        self,
        after: str | None,
        *,
        workflow: str | None = None,
        statuses: Collection[str] = (),
        only: Collection[str] = (),
    ) -> LiveChanges:
        """Return how runs change after a position, as it happens; None is from now on.

        With `only`, runs of these workflows. Raises InputError: a status or the position is none of ours.
        """
        _check_statuses(statuses)
        newest = await self._engine.newest_change()
        position = newest if after is None else read_position(after)
        # Further than everything: the store was put back to an earlier state, and nothing is known of what was lost.
        begin = Position(min(position.page, newest.page), min(position.change, newest.change))
        return LiveChanges(self._engine, Wanted(workflow, statuses, only), begin)

    # --- Messages ------------------------------------------------------------------------------------------------

    async def signal(
        self, run_id: str, name: str, text: bytes, operation_id: str | None = None, by: str = ""
    ) -> Accepted:
        """Deliver a signal durably; a workflow may wait for names it declares no handler for.

        Raises:
            RunNotFoundError, RunClosedError: there is no run to take it.
            InputError: the payload does not fit the handler.
        """
        payload = await self._message("signal", run_id, name, text)
        drawn = operation_id or self._draw_id()
        await self._tell(Deliver(run_id, "signal", name, payload, once_id(by, drawn)), operation_id, by)
        return Accepted(run_id=run_id, name=name, operation_id=drawn)

    async def _tell(self, message: Deliver, key: str | None, by: str) -> None:
        """Deliver a message, once under a key.

        Raises:
            RunNotFoundError, RunClosedError.
            KeyReusedError, KeyInUseError: the key is another request's, or this one is under way.
        """
        engine = self._as(by)
        if key is None:
            match message.kind:
                case "signal":
                    await engine.signal(message.run_id, message.name, message.body, message.operation_id)
                case "cancel":
                    await engine.cancel(message.run_id, message.body.decode(), message.operation_id)
                case _:
                    await engine.terminate(message.run_id, message.body.decode(), message.operation_id)
            return
        asked = fingerprint(message.kind, message.run_id, message.name, message.body)
        mine = OnceKey(by or LOCAL, key)
        with self._once.doing(mine):
            await engine.carry_out(message, self._once.note(mine, asked, message.run_id))

    async def answer_callback(self, token: str, text: bytes) -> None:
        """Hand the answer of an outside system to the run that waits for it, durably and once.

        Raises:
            CallbackError: there is no such callback.
            CallbackGoneError: nobody waits for it any more.
            InputError: the answer is no JSON.
        """
        if self.callbacks is None:
            raise CallbackError
        run_id, number = self.callbacks.read(token, await self._store.now())
        payload = msgspec.json.encode(read_json(text or b"null", "the answer"))
        name = name_of(token)
        (result,) = await self._store.write([Deliver(run_id, "signal", name, payload, name, once=True, number=number)])
        if isinstance(result, RunNotFoundError):
            raise CallbackError
        if isinstance(result, RunClosedError):
            raise CallbackGoneError(_ended(result.status))
        if isinstance(result, HoldfastError):
            raise result

    async def query(self, run_id: str, name: str, text: bytes, seconds: float) -> Answer:
        """Return a query's answer; runs that have ended answer too.

        Raises:
            RunNotFoundError, UnknownNameError, InputError, QueryError.
            NoOrchestratorError: nobody answered within `seconds`.
        """
        payload = await self._message("query", run_id, name, text)
        return Answer(result=msgspec.Raw(await self._engine.query(run_id, name, payload, seconds)))

    async def update(
        self, run_id: str, name: str, text: bytes, seconds: float, operation_id: str | None = None, by: str = ""
    ) -> Answer:
        """Return an update's answer, which is durable by then.

        Raises:
            KeyReusedError, KeyInUseError: the operation id is another request's, or this one is under way.
            RunNotFoundError, RunClosedError, UnknownNameError, InputError, UpdateRejectedError.
            UpdateFailedError: the handler raised.
            NoOrchestratorError: nobody answered within `seconds`; it may still be carried out.
        """
        payload = await self._message("update", run_id, name, text)
        drawn = once_id(by, operation_id or self._draw_id())
        if operation_id is None:
            return Answer(result=msgspec.Raw(await self._engine.update(run_id, name, payload, drawn, seconds)))
        key = OnceKey(by or LOCAL, operation_id)
        with self._once.doing(key):
            asked = fingerprint("update", run_id, name, payload)
            done = await self._once.claim(key, asked, run_id, seconds)
            if done is not None and done.answer:
                return Answer(result=msgspec.Raw(done.answer))
            try:
                answer = await self._engine.update(run_id, name, payload, drawn, seconds)
            except HoldfastError:
                await self._once.unclaim(key)
                raise
            await self._once.settle(key, answer)
        return Answer(result=msgspec.Raw(answer))

    async def _message(self, kind: Kind, run_id: str, name: str, text: bytes) -> bytes:
        record = await self._engine.describe(run_id)
        what = f"the input of {kind} {name}"
        try:
            definition = self._registry.workflow(record.workflow)
        except UnknownNameError:
            # Its code is known elsewhere, and its orchestrator validates too.
            return plain(text, what)
        handlers = {"signal": definition.signals, "query": definition.queries, "update": definition.updates}[kind]
        handler = cast("MessageHandler[Any, Any] | None", handlers.get(name))
        if handler is not None:
            return canonical(handler, text, what)
        if kind == "signal":
            return plain(text, what)
        raise UnknownNameError(kind, name, tuple(sorted(handlers)))

    # --- Operating -----------------------------------------------------------------------------------------------

    async def cancel(self, run_id: str, reason: str = "", operation_id: str | None = None, by: str = "") -> Run:
        """Ask a run to stop, durably. Raises RunNotFoundError, RunClosedError."""
        drawn = once_id(by, operation_id or self._draw_id())
        await self._tell(Deliver(run_id, "cancel", "", reason.encode(), drawn), operation_id, by)
        return await self.run(run_id)

    async def terminate(self, run_id: str, reason: str = "", operation_id: str | None = None, by: str = "") -> Run:
        """End a run without asking its code, durably. Raises RunNotFoundError, RunClosedError."""
        drawn = once_id(by, operation_id or self._draw_id())
        await self._tell(Deliver(run_id, "terminate", "", reason.encode(), drawn), operation_id, by)
        return await self.run(run_id)

    async def pause(self, run_id: str, by: str, reason: str = "", actor: str = "") -> Run:
        """Keep a run from moving. Raises RunNotFoundError, RunClosedError."""
        await self._as(actor).pause(run_id, by, reason)
        return await self.run(run_id)

    async def resume(self, run_id: str, by: str = "") -> Run:
        """Let a parked or paused run go on. Raises RunNotFoundError, RunClosedError, RunStateError."""
        await self._as(by).resume(run_id)
        return await self.run(run_id)

    async def explain(self, run_id: str) -> Explained:
        """Return why a run does not move. Raises RunNotFoundError."""
        found = await self._engine.explain(run_id)
        return Explained(
            run_id=found.run_id,
            execution=found.execution,
            status=found.status,
            causes=[cause_document(each) for each in found.causes],
        )

    async def bulk(
        self,
        wanted: Bulk,
        by: str,
        operation_id: str | None = None,
        only: Collection[str] = (),
        actor: str = "",
    ) -> BulkAnswer:
        """Do one thing to the next runs that a filter means, or say to how many it would be done.

        With `only`, those of these workflows are meant, and no others.

        Raises:
            InputError: a status or the cursor is none of ours.
        """
        where = meant(wanted.verb, _filter(wanted.where, only))
        try:
            matched = await self._engine.count(where, MATCHED_MAX)
            if wanted.preview:
                return BulkAnswer(matched=matched, done=[], refused=[], next=wanted.cursor)
            request = BulkRequest(wanted.verb, where, operation_id or self._draw_id(), wanted.reason, by)
            page = await self._as(actor).bulk(request, wanted.cursor, wanted.limit)
        except (ValueError, OverflowError):
            raise InputError("the request", (("/cursor", "expected the `next` of a part"),)) from None
        return BulkAnswer(
            matched=matched,
            done=list(page.done),
            refused=[Refused(run_id=run_id, why=why) for run_id, why in page.refused],
            next=page.next,
        )

    async def fork(self, run_id: str, wanted: ForkBody, by: str = "") -> tuple[ForkAnswer, bool]:
        """Start a run that begins with what another one recorded; say whether this call made it.

        Raises:
            RunNotFoundError, ForkError, RunConflictError, LeaseHeld: see `Engine.fork`.
            InputError: the new run's id, its input, or a result that is put in place does not fit.
        """
        if wanted.id is not None:
            check_run_id(wanted.id)
        request = ForkRequest(
            run_id,
            wanted.at,
            wanted.id or f"{run_id.replace('@', '-')}-fork-{self._draw_id()[:8]}",
            await self._fork_override(run_id, wanted.override),
            None if wanted.input is UNSET else await self._fork_input(run_id, wanted.input),
            wanted.code,
            wanted.new_keys,
        )
        forked = await self._as(by).fork(request)
        answer = ForkAnswer(
            run=await self.run(forked.run_id),
            not_run_again=list(forked.recorded),
            run_again=list(forked.again),
            idempotency_keys={step: key.partition(" ")[2] for step, key in forked.keys.items()},
        )
        return answer, forked.created

    async def fork_many(
        self, wanted: BulkFork, operation_id: str | None = None, only: Collection[str] = (), by: str = ""
    ) -> BulkForkAnswer:
        """Fork the next runs that a filter means, or say how many it means.

        Args:
            wanted: which runs, and where they are cut.
            operation_id: names all of it: again under the same name, the same forks are found.
            only: those of these workflows are meant, and no others; none is all of them.
            by: who does it, for the audit log.

        Raises:
            InputError: a status or the cursor is none of ours, or one id is given for all of them.
        """
        if wanted.fork.id is not None:
            raise InputError("the request", (("/fork/id", "one id cannot be that of many runs: leave it out"),))
        where = _filter(wanted.where, only)
        name = blake2b((operation_id or self._draw_id()).encode(), digest_size=4).hexdigest()
        forked: list[ForkedRun] = []
        refused: list[Refused] = []
        try:
            matched = await self._engine.count(where, MATCHED_MAX)
            if wanted.preview:
                return BulkForkAnswer(matched=matched, forked=[], refused=[], next=wanted.cursor)
            records, following = await self._engine.runs(where=where, cursor=wanted.cursor, limit=wanted.limit)
        except (ValueError, OverflowError):
            raise InputError("the request", (("/cursor", "expected the `next` of a part"),)) from None
        for each in records:
            fork = f"{each.run_id}-fork-{name}"
            try:
                await self.fork(each.run_id, msgspec.structs.replace(wanted.fork, id=fork), by)
            except (RequestError, LeaseError, PayloadError, HistoryError) as error:
                refused.append(Refused(run_id=each.run_id, why=error.message()))
            else:
                forked.append(ForkedRun(run_id=each.run_id, fork=fork))
        return BulkForkAnswer(matched=matched, forked=forked, refused=refused, next=following)

    async def _fork_override(self, run_id: str, override: Mapping[str, Any]) -> dict[str, bytes]:
        encoded = {step: msgspec.json.encode(value) for step, value in override.items()}
        if encoded:
            recorded = await self._engine.history(run_id)
            check_overrides(self._registry, (each.event for each in recorded), encoded)
        return encoded

    async def _fork_input(self, run_id: str, value: Any) -> bytes:
        workflow = (await self._engine.describe(run_id)).workflow
        text = msgspec.json.encode(value)
        try:
            definition = self._registry.workflow(workflow)
        except UnknownNameError:
            return text  # its code is known elsewhere
        return canonical(definition, text, f"the input of {workflow}")

    # --- Catalogue and fleet -------------------------------------------------------------------------------------

    def workflows(self) -> WorkflowList:
        """Return every workflow this controller knows."""
        return catalogue.list_workflows(self._registry)

    def workflow(self, name: str) -> Workflow:
        """Return a workflow with its schemas. Raises UnknownNameError."""
        return catalogue.describe_workflow(self._registry, name)

    async def workers(self) -> WorkerList:
        """Return all members that did not leave, newest first."""
        return WorkerList(workers=[worker_document(each) for each in await self._store.members()])

    async def pools(self) -> PoolList:
        """Return every pool that has work or somebody to do it."""
        return PoolList(pools=[pool_document(each) for each in await self._store.pools()])

    async def locks(self) -> LockList:
        """Return every place in every lock's queue."""
        return LockList(locks=[lock_document(each) for each in await self._store.locks()])

    async def break_lock(self, name: str, by: str = "") -> BrokenLock:
        """Take a lock from its holder by force."""
        store = audited(self._store, by) if by else self._store
        (holder,) = await store.write([BreakLock(name)])
        return BrokenLock(name=name, holder=holder or None)

    async def audit(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        target: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> AuditPage:
        """Return entries of the audit log, newest first.

        Raises:
            InputError: the cursor is none of ours.
        """
        where = AuditFilter(actor, action, target)
        try:
            entries, following = await self._store.audit(where, cursor, min(limit, AUDIT_MAX))
        except (ValueError, OverflowError):
            raise InputError("the filter", (("/cursor", "expected the `next` of a page"),)) from None
        return AuditPage(entries=[audit_document(each) for each in entries], next=following)

    async def notices(
        self, *, run_id: str = "", status: str = "", cursor: int | None = None, limit: int = 50
    ) -> NoticePage:
        """Return who is told that runs have ended, the newest first."""
        found = await self._store.notices(run_id=run_id, status=status, before=cursor, limit=limit + 1)
        more = found[limit - 1].notice_id if len(found) > limit else None
        return NoticePage(notices=[notice_document(each) for each in found[:limit]], next=more)

    async def resend_notice(self, notice_id: int, by: str = "") -> Notice:
        """Send a notice again that was heard or given up. Raises UnknownNameError."""
        store = audited(self._store, by) if by else self._store
        (found,) = await store.write([ResendNotice(notice_id)])
        if not found:
            raise UnknownNameError(
                "notice that was heard or given up", str(notice_id), remedy="See what there is: holdfast notices list"
            )
        (record,) = await self._store.notices(before=notice_id + 1, limit=1)
        return notice_document(record)

    async def captures(self, *, cursor: str | None = None, limit: int = 50) -> CapturePage:
        """Return captures, newest first.

        Raises:
            InputError: the cursor is none of ours, or the capture it names is gone.
        """
        entries = await asyncio.to_thread(self._captures.entries) if self._captures is not None else []
        start = 0
        if cursor is not None:
            names = [each.name for each in entries]
            if cursor not in names:
                raise InputError("the filter", (("/cursor", "expected the `next` of a page"),))
            start = names.index(cursor) + 1
        page = entries[start : start + min(limit, CAPTURES_MAX)]
        more = len(entries) > start + len(page)
        return CapturePage(captures=[capture_document(each) for each in page], next=page[-1].name if more else None)

    async def capture(self, wanted: str) -> tuple[str, bytes]:
        """Return a capture's name and its file; a run id stands for its newest capture.

        Raises:
            UnknownNameError: there is none.
        """
        if self._captures is None:
            raise UnknownNameError("capture", wanted, ())
        entry = await asyncio.to_thread(self._captures.find, wanted)
        try:
            return entry.name, await asyncio.to_thread(entry.path.read_bytes)
        except OSError:
            raise UnknownNameError("capture", wanted, ()) from None  # pruned meanwhile

    async def orchestrators(self) -> int:
        """Return how many living members run workflows; raises StoreError when the store cannot be reached."""
        now = await self._store.now()
        return sum(
            1
            for each in await self._store.members()
            if each.kind in {"orchestrator", "stack"} and each.expires_at > now
        )


def _ended(status: str) -> str:
    """Return why nobody waits for a callback of an execution that has ended."""
    if status == CONTINUED_AS_NEW:
        return "its run went on as a new execution, which does not wait for it"
    return f"its run has ended: {status}"


def _check_statuses(statuses: Collection[str]) -> None:
    if any(each not in STATUSES for each in statuses):
        raise InputError("the filter", (("/status", f"expected one of {', '.join(sorted(STATUSES))}"),))


def _filter(where: Where, only: Collection[str] = ()) -> RunFilter:
    _check_statuses(where.status)
    return RunFilter(
        where.workflow,
        tuple(where.status),
        seconds_of(where.created_from),
        seconds_of(where.created_before),
        where.error,
        tuple(where.attributes.items()),
        tuple(sorted(only)),
    )


def _signal(definition: WorkflowDefinition[Any, Any], signal: tuple[str, bytes], operation_id: str) -> StartSignal:
    """Return a signal that comes with a start, held against its handler's type if it has one. Raises InputError."""
    name, arguments = signal
    handler = cast("MessageHandler[Any, Any] | None", definition.signals.get(name))
    what = f"the input of signal {name}"
    message = plain(arguments, what) if handler is None else canonical(handler, arguments, what)
    return StartSignal(name, message, operation_id)


def _seconds(duration: str, name: str) -> float:
    if not duration:
        return 0.0
    try:
        return parse_duration(float(duration) if duration.replace(".", "", 1).isdigit() else duration, name)
    except DefinitionError as error:
        raise InputError(f"the {name}", (("", error.what),)) from None
