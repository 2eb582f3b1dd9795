"""Agents of Pydantic AI that survive what stops their process.

Owns: `HoldfastDurability`: how requests to models and calls of tools become steps of a run.
Must not know: prompts, providers, how steps are recorded.

Theory of operation
===================

The agent's own loop runs in workflow code: it decides what is asked next, and asks nobody itself. What it wants done
becomes a side effect of the run, which happens outside and is recorded before the loop hears of it. After a crash the
loop runs again from its beginning, and is given what was recorded; only what had no value yet is done again. A failed
attempt is a value too, so that the time until the next one is a durable timer, and what was tried is remembered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from holdfast.ai.budgets import Budget
from holdfast.ai.extra import installed
from holdfast.ai.paying import Payer
from holdfast.ai.refusals import is_final, seconds_refused
from holdfast.authoring import Retry, now, random, side_effect, uuid4
from holdfast.engine import decide_retry
from holdfast.errors import ApiDrift, BudgetUsedUp, DefinitionError, ModelError
from holdfast.history import describe_failure
from holdfast.ports.books import current_asker
from holdfast.ports.runtime import current_runtime

with installed():
    from pydantic_ai.durable_exec import (
        JSON_CODEC,
        BaseDurabilityCapability,
        BoundDurableOperation,
        DurabilityEngineSpec,
        DurableOperation,
        DurableOperationId,
        JournalCallableOperationBackend,
        ModelRequestId,
        RoleBasedOperationConfig,
        conversation_id_from_run_id,
    )
    from pydantic_ai.tools import AgentDepsT

if TYPE_CHECKING:
    from pydantic_ai.models import Model

RETRY: Final = Retry()
REFUSALS_MAX: Final = 1_000
"""So often a step is told to come again later before that counts as a failure."""


class HoldfastDurability(BaseDurabilityCapability[AgentDepsT]):
    """Make a Pydantic AI agent durable: in a workflow, each request to a model and each call of a tool is a step.

    ```python
    desk = Agent("anthropic:claude-sonnet-5-5", name="desk", capabilities=[HoldfastDurability()])

    @workflow
    async def answer(question: str) -> str:
        return (await desk.run(question)).output
    ```

    A run whose process dies goes on in another one with what was recorded: no request that was answered is paid again.
    A step that was under way is made again. Outside a workflow the agent is what it was.
    """

    engine_spec: ClassVar[DurabilityEngineSpec] = DurabilityEngineSpec(
        engine_name="Holdfast",
        durable_unit_noun="step",
        durable_container_noun="workflow",
        codec=JSON_CODEC,
        toolset_lifecycles={
            "function": "enter-always",
            "mcp": "enter-in-durable-unit",  # workflow code opens no connections
            "dynamic": "enter-never",
        },
    )

    def __init__(
        self,
        *,
        retry: Retry = RETRY,
        models: Mapping[str, Model] | None = None,
        name: str | None = None,
        budget: Budget | Sequence[Budget] = (),
        rate: str | None = None,
    ) -> None:
        """Describe how steps are tried, and what they may cost.

        Args:
            retry: when a request or a call that failed is made again. What a provider refuses for good is not; what
                it wants asked later is, then, and does not count.
            models: others than the agent's own that a run may name.
            name: of the agent, in errors; its own when None.
            budget: what its runs may spend on models: one budget, or several that all have to allow it.
            rate: name of the tasks' rate that is frozen when a provider says to come later; while it is frozen, no
                request is made.

        Raises:
            DefinitionError: `retry` is no Retry.
        """
        given: Any = retry
        if not isinstance(given, Retry):
            raise DefinitionError(f"HoldfastDurability(retry={retry!r}): it has to be a Retry")
        super().__init__(models=models, name=name)
        self._retry = retry
        self._payer = Payer((budget,) if isinstance(budget, Budget) else tuple(budget), rate)

    @property
    def in_durable_context(self) -> bool:
        """Whether workflow code runs here."""
        return current_runtime.get(None) is not None

    def get_default_run_id(self) -> str | None:
        """Return an id for a run of the agent that is the same in every replay; None outside workflows."""
        return str(uuid4()) if self.in_durable_context else None

    def get_default_conversation_id(self, run_id: str) -> str | None:
        """Return the same for its conversation."""
        return conversation_id_from_run_id(run_id) if self.in_durable_context else None

    async def get_run_start_time(self, run_id: str) -> datetime | None:  # noqa: ARG002 - of the interface
        """Return when a run of the agent began, in UTC; None outside workflows."""
        return now() if self.in_durable_context else None

    def get_durable_operation_backend(self) -> Steps:
        """Return what carries steps out."""
        return Steps(self.name, self._retry, self._payer)


class Steps(JournalCallableOperationBackend[None]):
    """Carries out what an agent wants done, as steps of the run that it is in."""

    def __init__(self, agent: str, retry: Retry, payer: Payer) -> None:
        """Try steps of `agent` as `retry` says; `payer` pays for its requests."""
        nothing: RoleBasedOperationConfig[None] = RoleBasedOperationConfig(
            model=None, event=None, capability=None, tool=None
        )
        super().__init__(agent_name=agent, config=nothing)
        self._payer = payer
        self._policy = retry.policy()
        self._never_again = tuple(each for each in retry.non_retryable if isinstance(each, type))

    def bind(self, operation: DurableOperation[Any, Any, Any]) -> BoundDurableOperation[Any, Any, Any]:
        """Return what carries an operation out; a request to a model is paid for."""
        if isinstance(operation.operation_id, ModelRequestId):
            operation = replace(operation, handler=self._payer.paid(operation.handler))
        return super().bind(operation)

    async def execute(
        self,
        *,
        operation_id: DurableOperationId,
        name: str,  # noqa: ARG002 - steps are told apart by their order
        body: Callable[[], Awaitable[object]],
        cache_key: tuple[object, ...],  # noqa: ARG002 - as the name
        config: None,  # noqa: ARG002 - all steps are tried alike
    ) -> object:
        """Return what `body` gives, or gave before.

        Raises:
            TaskError: it failed for good.
        """
        asked = body if not isinstance(operation_id, ModelRequestId) else _whole(operation_id.model_name, body)
        attempt, refusals = 1, 0
        while True:
            tried = await side_effect(self._attempt(asked, attempt, refusals, random().random()))
            if "value" in tried:
                return tried["value"]
            attempt += not tried["refused"]
            refusals += tried["refused"]
            await asyncio.sleep(tried["seconds"])

    def _attempt(
        self, body: Callable[[], Awaitable[object]], attempt: int, refusals: int, jitter: float
    ) -> Callable[[], Awaitable[Any]]:
        async def made() -> Any:
            asker = current_asker.get(None)
            if asker is not None:
                current_asker.set(replace(asker, attempt=attempt))
            try:
                return {"value": await body()}
            except (ApiDrift, BudgetUsedUp):  # the run is parked, and nothing was tried
                raise
            except Exception as error:
                seconds = seconds_refused(error)
                if seconds is not None and refusals < REFUSALS_MAX:
                    return {"refused": True, "seconds": seconds}
                delay = self._delay(error, attempt, jitter)
                if delay is None:
                    raise
                return {"refused": False, "seconds": delay}

        return made

    def _delay(self, error: Exception, attempt: int, jitter: float) -> float | None:
        if is_final(error) or isinstance(error, self._never_again):
            return None
        return decide_retry(self._policy, attempt, describe_failure(error), jitter)


def _whole(model: str, body: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    """Return `body`, raising ModelError where a provider's answer broke off: a stream may end anywhere."""

    async def asked() -> object:
        answer: Any = await body()
        if answer.get("provider_url") and answer.get("finish_reason") is None:
            raise ModelError(model, "its answer broke off before its end")
        return answer

    return asked
