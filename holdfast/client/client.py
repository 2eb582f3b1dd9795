"""What an application imports to start runs and talk to them.

Owns: the typed door: definitions in, handles out.
Must not know: how requests travel, or that there is a store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import uuid4

import msgspec
from msgspec import UNSET

from holdfast.authoring import (
    Batch,
    Debounce,
    Duration,
    Startable,
    encode_message,
    encode_untyped,
    event_of,
    parse_duration,
    read_gathering,
    startable,
)
from holdfast.client.bulk import BULK_RUNS
from holdfast.client.handle import RunHandle
from holdfast.errors import DefinitionError, HoldfastError, InputError, LeaseError, RequestError
from holdfast.history import AttributeValue, check_memo, encode_attributes
from holdfast.ports.engine import BulkPage, BulkRequest, Engine, Forked, ForkRequest, StartRequest
from holdfast.ports.notices import check_urls
from holdfast.ports.operations import (
    ID_CONFLICT_POLICIES,
    ID_REUSE_POLICIES,
    USE_EXISTING,
    Gather,
    Gathered,
    IdPolicy,
    RunFilter,
    RunRecord,
    StartSignal,
)

IdReusePolicy: TypeAlias = Literal["same_input", "allow_duplicate", "allow_duplicate_failed_only", "reject_duplicate"]
"""What a start does when the run of its id has ended."""
IdConflictPolicy: TypeAlias = Literal["same_input", "fail", "use_existing", "terminate_existing"]
"""What a start does when the run of its id is open."""


@dataclass(frozen=True, slots=True)
class Fork:
    """A run that was forked, and what it began with."""

    handle: RunHandle[Any]
    begun: Forked


class WorkflowClient:
    """Starts runs and finds them again, on any engine."""

    def __init__(self, engine: Engine) -> None:
        """Speak to `engine`."""
        self.engine = engine

    async def start(  # noqa: PLR0913 - one for each thing that a run may begin with
        self,
        workflow: Any,
        *args: Any,
        id: str | None = None,
        timeout: Duration | None = None,
        execution_timeout: Duration | None = None,
        id_reuse_policy: IdReusePolicy = "same_input",
        id_conflict_policy: IdConflictPolicy = "same_input",
        delay: Duration | None = None,
        start_at: datetime | None = None,
        attributes: Mapping[str, AttributeValue | None] | None = None,
        memo: Mapping[str, str] | None = None,
        notify: str | Iterable[str] = (),
        **kwargs: Any,
    ) -> RunHandle[Any]:
        """Start a run; once this returns it cannot be lost.

        Args:
            workflow: a workflow, or its registered name.
            args: its input.
            id: the run id, which is also its idempotency key; a new UUID when None.
            timeout: how long the run may take, with all executions it goes on as; then it ends as TIMED_OUT, and its
                code is not asked. None is for ever. An argument of the workflow with this name goes by position.
            execution_timeout: how long each of its executions may take.
            id_reuse_policy: what to do when the run of this id has ended: give that run when workflow and input are the
                same and refuse other work (`same_input`), start another execution of it (`allow_duplicate`), do so only
                when it did not complete (`allow_duplicate_failed_only`), or refuse all (`reject_duplicate`).
            id_conflict_policy: what to do when the run of this id is open: as above (`same_input`), refuse all
                (`fail`), give that run whatever its work is (`use_existing`), or terminate it and start its next
                execution in one commit (`terminate_existing`).
            delay: how long after this its code begins, such as `"10m"`. Until then the run is there: it can be found,
                signalled, cancelled and terminated, and its id is taken. Its times count from when it begins.
            start_at: when its code begins, instead of `delay`: an aware time. One that has come is at once.
            attributes: what the run is to be found by, such as `{"region": "eu", "total": 12.5}`: text, booleans,
                numbers and aware times; None leaves one out. They are not encrypted.
            memo: what to note about it, as text by name; lists and descriptions show it.
            notify: a URL, or up to five, that is told by a signed POST how the run has ended. When the same run is
                started again, what was asked for first counts.
            kwargs: its input.

        Returns:
            A handle. The same id with the same input again gives the same run, unless a policy says otherwise.

        Raises:
            RunConflictError: the id is taken by another workflow or input, or by a run that a policy refuses.
            InputError, EncodeError: the input, the attributes, the memo or a URL do not fit.
        """
        target = startable(workflow)
        request = msgspec.structs.replace(
            _request(target, id, args, kwargs, attributes, memo),
            timeout=_seconds(timeout, "timeout"),
            execution_timeout=_seconds(execution_timeout, "execution_timeout"),
            notify=check_urls([notify] if isinstance(notify, str) else notify),
            **_beginning(delay, start_at),
        )
        policy = _policy(id_reuse_policy, id_conflict_policy)
        if policy == IdPolicy():
            (started,) = await self.engine.start([request])
        else:
            started = await self.engine.start_next(request, policy)
        return RunHandle(self.engine, request.run_id, target.decode_result, created=started.created)

    async def signal_with_start(  # noqa: PLR0913 - one for each thing a start says
        self,
        workflow: Any,
        *args: Any,
        id: str,
        signal: Any,
        signal_args: Sequence[Any] | Mapping[str, Any] = (),
        operation_id: str | None = None,
        timeout: Duration | None = None,
        execution_timeout: Duration | None = None,
        id_reuse_policy: IdReusePolicy = "same_input",
        delay: Duration | None = None,
        start_at: datetime | None = None,
        attributes: Mapping[str, AttributeValue | None] | None = None,
        memo: Mapping[str, str] | None = None,
        notify: str | Iterable[str] = (),
        **kwargs: Any,
    ) -> RunHandle[Any]:
        """Signal a run, and start it in the same commit when there is none: once this returns neither can be lost.

        Args:
            workflow: a workflow, or its registered name.
            args: its input, which an open run is not asked about.
            id: the run id.
            signal: a handler such as `ReviewBatch.approve`, or its name.
            signal_args: the handler's arguments: by position, or a mapping by name.
            operation_id: names this message; sent again with the same one while the run is open, it is delivered once.
            timeout: as of `start`; a run that is found keeps its own.
            execution_timeout: as of `start`; a run that is found keeps its own.
            id_reuse_policy: as of `start`, when the run has ended. One that is found and not started again refuses the
                signal.
            delay: as of `start`; a run that is found keeps its time. The signal waits for it.
            start_at: as of `start`.
            attributes: as of `start`; a run that is found keeps its own.
            memo: as of `start`; a run that is found keeps its own.
            notify: as of `start`; a run that is found keeps its own.
            kwargs: its input.

        Raises:
            RunClosedError: the run has ended, and the policy does not start it again.
            RunConflictError: it has ended, and the policy refuses it or had other work.
            InputError, EncodeError: the input, the signal's arguments, the attributes or the memo do not fit.
        """
        target = startable(workflow)
        request = msgspec.structs.replace(
            _request(target, id, args, kwargs, attributes, memo),
            timeout=_seconds(timeout, "timeout"),
            execution_timeout=_seconds(execution_timeout, "execution_timeout"),
            notify=check_urls([notify] if isinstance(notify, str) else notify),
            **_beginning(delay, start_at),
        )
        if isinstance(signal_args, Mapping):
            name, payload = encode_message(signal, (), dict(signal_args))
        else:
            name, payload = encode_message(signal, tuple(signal_args), {})
        policy = _policy(id_reuse_policy, USE_EXISTING)
        message = StartSignal(name, payload, operation_id or uuid4().hex)
        started = await self.engine.start_next(request, policy, message)
        return RunHandle(self.engine, id, target.decode_result, created=started.created)

    async def gather(
        self,
        workflow: Any,
        event: Any,
        *,
        key: str = "",
        debounce: Debounce | Duration | None = None,
        batch: Batch | None = None,
        event_id: str | None = None,
    ) -> Gathered:
        """Add an event to those that are to become one run; once this returns it cannot be lost.

        Args:
            workflow: a workflow or task of one argument, or a workflow's registered name. With `batch` its argument is
                a list of events.
            event: what happened.
            key: events of the same workflow and key become one run.
            debounce: begin the run once no event came for so long, with the last one: `"30s"`, or
                `Debounce("30s", at_most="5m")`.
            batch: begin the run when there are enough events, or some time after the first one, with all of them:
                `Batch(100, within="10s")`.
            event_id: names the event; added again under the same id, it is added once.

        Returns:
            The id of the run that is to begin, when that is, and how many events there are. Until then there is no
            such run.

        Raises:
            DefinitionError: neither `debounce` nor `batch` is given, or both.
            InputError, EncodeError: the event does not fit the workflow.
        """
        gathering = read_gathering(debounce, batch, "an event")
        if gathering is None:
            raise DefinitionError("an event has neither debounce nor batch", remedy="To begin a run at once: start.")
        target = startable(workflow)
        payload = target.encode_call(([event] if gathering.size else event,), {})
        return await self.engine.gather(
            Gather(
                target.name,
                key,
                event_of(gathering, payload, target.name),
                gathering.within_seconds,
                gathering.quiet_seconds,
                gathering.size,
                event_id or "",
            )
        )

    async def start_many(
        self,
        workflow: Any,
        inputs: Iterable[tuple[str | None, Any]],
        *,
        delay: Duration | None = None,
        start_at: datetime | None = None,
        attributes: Mapping[str, AttributeValue | None] | None = None,
        memo: Mapping[str, str] | None = None,
    ) -> list[RunHandle[Any]]:
        """Start many runs of a one-input workflow in one commit.

        Args:
            workflow: a workflow, or its registered name.
            inputs: (run id or None, input) pairs.
            delay: as of `start`, of each of them.
            start_at: as of `start`, of each of them.
            attributes: as of `start`, of each of them.
            memo: as of `start`, of each of them.

        Raises:
            RunConflictError: an id is taken; the other runs were started.
            InputError, EncodeError: an input, the attributes or the memo do not fit; none was started.
        """
        target, beginning = startable(workflow), _beginning(delay, start_at)
        requests = [_request(target, run_id, (value,), {}, attributes, memo) for run_id, value in inputs]
        if beginning:
            requests = [msgspec.structs.replace(each, **beginning) for each in requests]
        if not requests:
            return []
        started = await self.engine.start(requests)
        return [
            RunHandle(self.engine, request.run_id, target.decode_result, created=each.created)
            for request, each in zip(requests, started, strict=True)
        ]

    async def submit(
        self,
        task: Any,
        *args: Any,
        id: str | None = None,
        attributes: Mapping[str, AttributeValue | None] | None = None,
        memo: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> RunHandle[Any]:
        """Run one task durably, without writing a workflow.

        Args:
            task: a task, or a plain function at module level.
            args: its arguments; one that is called like an option here goes by position.
            id: the run id; a new UUID when None.
            attributes: as of `start`.
            memo: as of `start`.
            kwargs: its arguments.

        Raises:
            As `start`.
        """
        target = startable(task, as_task=True)
        request = _request(target, id, args, kwargs, attributes, memo)
        (started,) = await self.engine.start([request])
        return RunHandle(self.engine, request.run_id, target.decode_result, created=started.created)

    def handle(self, run_id: str, workflow: Any = None) -> RunHandle[Any]:
        """Refer to a run by its id; with its workflow, results are decoded to its types."""
        target = startable(workflow) if workflow is not None else None
        return RunHandle(self.engine, run_id, target.decode_result if target is not None else None)

    async def runs(
        self,
        *,
        workflow: str | None = None,
        status: str | None = None,
        where: RunFilter | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[list[RunRecord], str | None]:
        """Return runs, newest first, and the cursor of the next page; `where` is instead of `workflow` and `status`."""
        return await self.engine.runs(workflow=workflow, status=status, where=where, cursor=cursor, limit=limit)

    async def bulk(
        self,
        verb: str,
        where: RunFilter,
        *,
        reason: str = "",
        by: str = "",
        operation_id: str | None = None,
        batch: int = BULK_RUNS,
    ) -> AsyncIterator[BulkPage]:
        """Do one thing to all runs that `where` means, newest first, a batch in each write; yield what came of each.

        Args:
            verb: `cancel`, `terminate`, `pause` or `resume`.
            where: which runs; without a status, those that the verb means something for.
            reason: why; it is recorded.
            by: who wants it, for `pause`.
            operation_id: names all of it: after a failure in the middle, begin again under the same name.
            batch: how many runs at once, at most 1,000.

        Raises:
            UnknownNameError: there is no such verb.
        """
        request = BulkRequest(verb, where, operation_id or uuid4().hex, reason, by)
        cursor: str | None = None
        while True:
            page = await self.engine.bulk(request, cursor, batch)
            yield page
            cursor = page.next
            if cursor is None:
                return

    async def fork(
        self,
        run: str | RunHandle[Any],
        at: str | int,
        *,
        override: Mapping[str, Any] | None = None,
        input: Any = UNSET,
        code: str | None = None,
        id: str | None = None,
        new_keys: bool = False,
        lock_seconds: float = 30.0,
    ) -> Fork:
        """Start a run whose history begins with what another one recorded.

        Steps before the cut are not run again: their recorded outcomes count. Tasks under way at the cut are issued
        again. The other run is left as it is.

        Args:
            run: the run, its id, or one execution of it, such as `ord-1@2`.
            at: `"start"`, a step such as `"charge#1"` (the cut is just before its outcome), or the id of the last event
                that is kept.
            override: results to be recorded, by step: for tasks and children before the cut or under way at it.
            input: the new run's input; only with `at="start"`.
            code: the code version that the new run is recorded with; None keeps the other's.
            id: the new run's id; made from the other's when None.
            new_keys: give every step a new idempotency key. Otherwise a step that the other run recorded, and that runs
                again with an unchanged input, keeps its key: a charge that went through is not made twice.
            lock_seconds: how long to wait for locks that the run held at the cut.

        Raises:
            RunNotFoundError: there is no such run.
            ForkError: it has no such place or step.
            RunConflictError: the new run's id is taken.
            LeaseHeld: one of the locks is held by somebody else.
        """
        run_id = run if isinstance(run, str) else run.run_id
        request = ForkRequest(
            run_id,
            str(at),
            id if id is not None else f"{run_id.replace('@', '-')}-fork-{uuid4().hex[:8]}",
            {step: encode_untyped((value,), {}) for step, value in (override or {}).items()},
            None if input is UNSET else encode_untyped((input,), {}),
            code,
            new_keys,
            lock_seconds,
        )
        forked = await self.engine.fork(request)
        return Fork(RunHandle(self.engine, forked.run_id, created=forked.created), forked)

    async def fork_many(self, where: RunFilter, at: str | int, **options: Any) -> AsyncIterator[Fork | HoldfastError]:
        """Fork all runs that `where` means at the same place, newest first; yield each fork, or why there is none.

        Args:
            where: which runs.
            at: see `fork`.
            options: of `fork`; not `id`.
        """
        cursor: str | None = None
        while True:
            records, cursor = await self.engine.runs(where=where, cursor=cursor, limit=BULK_RUNS)
            for each in records:
                try:
                    yield await self.fork(each.run_id, at, **options)
                except (RequestError, LeaseError) as refusal:
                    yield refusal
            if cursor is None:
                return


def _request(
    target: Startable,
    run_id: str | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    attributes: Mapping[str, AttributeValue | None] | None,
    memo: Mapping[str, str] | None,
) -> StartRequest:
    return StartRequest(
        target.name,
        run_id if run_id is not None else uuid4().hex,
        target.encode_call(args, kwargs),
        target.code_version,
        pin=target.pin,
        attributes=encode_attributes(attributes) if attributes else {},
        memo=check_memo(memo) if memo else {},
    )


def _seconds(duration: Duration | None, what: str) -> float:
    return 0.0 if duration is None else parse_duration(duration, f"{what} of a run")


def _beginning(delay: Duration | None, start_at: datetime | None) -> dict[str, float]:
    """Return when a run is to begin, as a request says it; nothing for at once."""
    if start_at is None:
        return {} if delay is None else {"delay": parse_duration(delay, "delay of a run", zero=True)}
    if delay is not None:
        raise InputError("when a run starts", (("", "delay and start_at are both given; give one of them"),))
    if start_at.tzinfo is None:
        raise InputError("the start_at of a run", (("", f"{start_at} has no time zone, so it is no time"),))
    return {"start_at": start_at.timestamp()}


def _policy(reuse: str, conflict: str) -> IdPolicy:
    for name, value, known in (
        ("id_reuse_policy", reuse, ID_REUSE_POLICIES),
        ("id_conflict_policy", conflict, ID_CONFLICT_POLICIES),
    ):
        if value not in known:
            raise InputError(f"the {name} of a start", (("", f"{value!r} is none of {', '.join(known)}"),))
    return IdPolicy(reuse, conflict)
