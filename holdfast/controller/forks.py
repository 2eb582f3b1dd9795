"""Forks: runs that begin with what others recorded.

Owns: reading what a fork is to be, one or many.
Must not know: HTTP, how a history is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import UNSET

from holdfast.authoring import Registry
from holdfast.client import check_overrides
from holdfast.controller.actors import engine_of
from holdfast.controller.documents import BulkFork, BulkForkAnswer, ForkAnswer, ForkBody, ForkedRun, Refused
from holdfast.controller.filters import MATCHED_MAX, read_filter
from holdfast.controller.inputs import canonical, check_run_id
from holdfast.controller.once import operation_id as once_id
from holdfast.controller.runs import Runs
from holdfast.errors import HistoryError, InputError, LeaseError, PayloadError, RequestError, UnknownNameError
from holdfast.ports.engine import Engine, ForkRequest


class Forks:
    """Forks runs."""

    def __init__(self, engine: Engine, registry: Registry, runs: Runs, draw_id: Callable[[], str]) -> None:
        """Fork through `engine`.

        Args:
            engine: forks, and finds what is to be forked.
            registry: the workflows whose inputs and results are validated here.
            runs: reads what was made.
            draw_id: names what was not named by whoever asks.
        """
        self._engine = engine
        self._registry = registry
        self._runs = runs
        self._draw_id = draw_id

    async def fork(
        self, run_id: str, wanted: ForkBody, by: str = "", operation_id: str | None = None
    ) -> tuple[ForkAnswer, bool]:
        """Start a run that begins with what another one recorded; say whether this call made it.

        Args:
            run_id: what is forked, or one execution of it.
            wanted: where it is cut, and what is other in the new run.
            by: who does it, for the audit log.
            operation_id: names this request of theirs, and the new run where nothing else does.

        Raises:
            RunNotFoundError, ForkError, RunConflictError, LeaseHeld: see `Engine.fork`.
            InputError: the new run's id, its input, or a result that is put in place does not fit.
        """
        fork = wanted.id
        if fork is None and operation_id is not None:
            fork = once_id(by, operation_id)
        if fork is not None:
            check_run_id(fork)
        request = ForkRequest(
            run_id,
            wanted.at,
            fork or f"{run_id.replace('@', '-')}-fork-{self._draw_id()[:8]}",
            await self._override(run_id, wanted.override),
            None if wanted.input is UNSET else await self._input(run_id, wanted.input),
            wanted.code,
            wanted.new_keys,
        )
        forked = await engine_of(self._engine, by).fork(request)
        answer = ForkAnswer(
            run=await self._runs.read(forked.run_id),
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
        where = read_filter(wanted.where, only)
        name = blake2b(once_id(by, operation_id or self._draw_id()).encode(), digest_size=4).hexdigest()
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

    async def _override(self, run_id: str, override: Mapping[str, Any]) -> dict[str, bytes]:
        encoded = {step: msgspec.json.encode(value) for step, value in override.items()}
        if encoded:
            recorded = await self._engine.history(run_id)
            check_overrides(self._registry, (each.event for each in recorded), encoded)
        return encoded

    async def _input(self, run_id: str, value: Any) -> bytes:
        workflow = (await self._engine.describe(run_id)).workflow
        text = msgspec.json.encode(value)
        try:
            definition = self._registry.workflow(workflow)
        except UnknownNameError:
            return text  # its code is known elsewhere
        return canonical(definition, text, f"the input of {workflow}")
