"""Starts: how work that somebody sends becomes a run.

Owns: what a start may say, how it is validated, and that one with a key is carried out once.
Must not know: HTTP, how runs are carried out.

Payloads come in as JSON text from strangers. They are read strictly, decoded as the declared type and encoded again,
so that an input has one form whoever sent it: equal inputs give equal bytes, and the same run id with the same input is
the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import msgspec
from msgspec import UNSET

from holdfast.authoring import MessageHandler, Registry, WorkflowDefinition, read_duration
from holdfast.controller.actors import engine_of
from holdfast.controller.backlog import Backlog
from holdfast.controller.documents import Run, begun_document
from holdfast.controller.inputs import canonical, check_run_id, plain
from holdfast.controller.keys import LOCAL
from holdfast.controller.once import Once, OnceKey, fingerprint, operation_id, run_id_of
from holdfast.controller.runs import Runs
from holdfast.controller.signals import unheard
from holdfast.controller.times import seconds_of
from holdfast.errors import DefinitionError, InputError
from holdfast.history import check_memo, encode_attributes, read_attribute
from holdfast.ports.engine import Begin, Engine, StartRequest
from holdfast.ports.names import numbered
from holdfast.ports.notices import check_urls
from holdfast.ports.operations import USE_EXISTING, DoneBefore, IdPolicy, Started, StartSignal
from holdfast.ports.reach import Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """What a start may say besides the workflow and its input."""

    timeout: str = ""
    """How long the run may take, with all executions it goes on as, such as `1h`; empty is for ever."""
    execution_timeout: str = ""
    """How long each of its executions may take; empty is for ever."""
    delay: str = ""
    """How long after it is started it is to begin, such as `10m`; empty is at once."""
    start_at: datetime | None = None
    """When it is to begin, instead of `delay`; without a zone it is in UTC."""
    policy: IdPolicy | None = None
    """What to do when there is a run with this id; None is that the same work is the same run."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What the run is to be found by, as written: `12.5` is a number, `eu` a text."""
    memo: Mapping[str, str] = field(default_factory=dict)
    """What to note about it, by name."""
    notify: Sequence[str] = ()
    """URLs that are told how it has ended."""
    signal: tuple[str, bytes] | None = None
    """Name and arguments (as JSON) of a signal that is delivered in the same commit.

    An open run of this id takes it, whatever its input.
    """


class Starts:
    """Starts runs."""

    def __init__(
        self,
        engine: Engine,
        registry: Registry,
        runs: Runs,
        once: Once,
        backlog: Backlog,
        draw_id: Callable[[], str],
        reach: Reach | None = None,
    ) -> None:
        """Start through `engine`.

        Args:
            engine: starts runs.
            registry: the workflows whose inputs are validated here.
            runs: reads what was started.
            once: sees to it that a start with a key is carried out once.
            backlog: says when no more are started.
            draw_id: makes an id for a run or a message that came without one.
            reach: where those who are told of a run's end may be; None leaves it to whoever tells them.
        """
        self._engine = engine
        self._registry = registry
        self._runs = runs
        self._once = once
        self._backlog = backlog
        self._draw_id = draw_id
        self._reach = reach

    async def start(
        self,
        workflow: str,
        text: bytes,
        run_id: str | None = None,
        options: StartOptions = StartOptions(),
        *,
        key: str | None = None,
        by: str = "",
        only: Collection[str] = (),
    ) -> tuple[Run, bool]:
        """Start a run; once this returns it cannot be lost.

        Args:
            workflow: its registered name.
            text: its input as JSON; empty stands for null.
            run_id: names the run and makes starting it again harmless; None draws one.
            options: what else is said of it.
            key: names this request of theirs: sent again, it is answered as it was. Without a run id it is that, too.
            by: who does it, for the audit log; empty leaves it out.
            only: the workflows whose runs the caller has to do with; none is all of them.

        Returns:
            The run, and whether this call made it. It says where nobody may ever look at the signal.

        Raises:
            UnknownNameError: there is no such workflow.
            InputError: the input, the run id, the attributes, the memo or a URL do not fit.
            RunConflictError: the id is taken by another workflow or input, or by a run that the policy refuses.
            BacklogFullError: too many runs wait for an orchestrator.
            KeyReusedError, KeyInUseError: the key is another request's, or this one is under way.
            RunClosedError: the run that was found has ended, and cannot be signalled.
        """
        definition = self._registry.workflow(workflow)
        policy = options.policy
        if run_id is None and key is not None:
            run_id = run_id_of(by, key)
        if run_id is not None:
            check_run_id(run_id)
        await self._backlog.check()
        request = StartRequest(
            workflow,
            run_id or self._draw_id(),
            canonical(definition, text, f"the input of {workflow}"),
            definition.code_version,
            pin=definition.code_version if definition.pinned else "",
            timeout=_seconds(options.timeout, "timeout"),
            execution_timeout=_seconds(options.execution_timeout, "execution_timeout"),
            attributes=encode_attributes({name: read_attribute(each) for name, each in options.attributes.items()}),
            memo=check_memo(options.memo),
            notify=check_urls(options.notify, self._reach),
            delay=_seconds(options.delay, "delay"),
            start_at=seconds_of(options.start_at) or 0.0,
        )
        if request.delay and request.start_at:
            raise InputError("when a run starts", (("", "delay and start_at are both given; give one of them"),))
        signal: StartSignal | None = None
        if options.signal is not None:
            signal = _signal(definition, options.signal, self._draw_id() if key is None else operation_id(by, key))
            policy = IdPolicy((policy or IdPolicy()).reuse, USE_EXISTING)
        if policy is not None:
            policy = IdPolicy(policy.reuse, policy.conflict, tuple(only))
        warning = UNSET if signal is None else unheard(definition, signal.name)
        if key is not None:
            begin = Begin(request, policy or IdPolicy(), signal)
            run, created = await self._start_once(begin, OnceKey(by or LOCAL, key), run_id or "", by)
            return msgspec.structs.replace(run, warning=warning), created
        engine = engine_of(self._engine, by)
        if policy is None:
            (started,) = await engine.start([request])
        else:
            started = await engine.start_next(request, policy, signal)
        return msgspec.structs.replace(await self._runs.read(request.run_id), warning=warning), started.created

    async def _start_once(self, begin: Begin, key: OnceKey, run_id: str, by: str) -> tuple[Run, bool]:
        """Start a run under a key. What was made is described as it began, so that it is always answered alike."""
        request, policy, signal = begin.request, begin.policy, begin.signal
        options = request.timeout, request.execution_timeout, request.attributes, request.memo, request.notify
        when = (request.delay, request.start_at) if request.delay or request.start_at else ()
        told = (signal.name, signal.body) if signal is not None else ()
        parts = request.workflow, run_id, request.input, policy.reuse, policy.conflict
        asked = fingerprint("start", *parts, *options, *when, *told)
        with self._once.doing(key):
            note = self._once.note(key, asked, request.run_id)
            result: Started | DoneBefore = await engine_of(self._engine, by).carry_out(begin, note)
        begun = result.run_id if isinstance(result, DoneBefore) else request.run_id
        if not result.created:
            return await self._runs.read(begun), False
        record = await self._engine.describe(numbered(begun, result.execution))
        return begun_document(record, request.attributes, request.memo), True


def _signal(definition: WorkflowDefinition[Any, Any], signal: tuple[str, bytes], named: str) -> StartSignal:
    """Return a signal that comes with a start, held against its handler's type if it has one. Raises InputError."""
    name, arguments = signal
    handler = cast("MessageHandler[Any, Any] | None", definition.signals.get(name))
    what = f"the input of signal {name}"
    message = plain(arguments, what) if handler is None else canonical(handler, arguments, what)
    return StartSignal(name, message, named)


def _seconds(duration: str, name: str) -> float:
    if not duration:
        return 0.0
    try:
        return read_duration(duration, name)
    except DefinitionError as error:
        raise InputError(f"the {name}", (("", error.what),)) from None
