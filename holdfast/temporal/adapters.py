"""Holdfast's workflows as workflow classes of Temporal's SDK.

Owns: the class that is made for each workflow, and which of Temporal's handlers go where.
Must not know: what becomes of what is handed on.

The classes run outside the SDK's sandbox: the engine's own guard keeps workflow code from clocks, entropy and I/O, and
a sandbox would import users' modules a second time for each run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue

from holdfast.authoring import WorkflowDefinition
from holdfast.temporal.commands import Shared
from holdfast.temporal.driver import Driver
from holdfast.temporal.payloads import NOTHING


class Adapter:
    """What all adapters have: handlers that take whatever has no handler of its own, which is everything."""

    driver: Driver

    @workflow.signal(dynamic=True)
    def signal(self, name: str, values: Sequence[RawValue]) -> None:
        """Hand a signal on."""
        self.driver.on_signal(name, values)

    @workflow.query(dynamic=True)
    def query(self, name: str, values: Sequence[RawValue]) -> RawValue:
        """Hand a query on."""
        return self.driver.on_query(name, values)

    @workflow.update(dynamic=True)
    async def update(self, name: str, values: Sequence[RawValue]) -> RawValue:
        """Hand an update on."""
        return await self.driver.on_update(name, values)

    @update.validator
    def validate(self, name: str, values: Sequence[RawValue]) -> None:
        """Let an update's validator have its say."""
        self.driver.validate(name, values)


def make_adapter(definition: WorkflowDefinition[Any, Any], shared: Shared) -> type:
    """Return the class that is the workflow on Temporal.

    Args:
        definition: the workflow.
        shared: what all executions of the worker share.
    """

    # The SDK knows `self` by having no type, hands the input to both, and takes methods for a class's by their names.
    def __init__(self, value: RawValue = NOTHING) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001, N807
        self.driver = Driver(definition, [value], shared)

    async def run(self, value: RawValue = NOTHING) -> RawValue:  # type: ignore[no-untyped-def]  # noqa: ANN001, ARG001
        ended: RawValue = await self.driver.run()
        return ended

    name = definition.__name__
    __init__.__qualname__, run.__qualname__ = f"{name}.__init__", f"{name}.run"
    members = {"__init__": workflow.init(__init__), "run": workflow.run(run), "__doc__": definition.__doc__}
    made = type(name, (Adapter,), {**members, "__module__": __name__, "__qualname__": name})
    return workflow.defn(name=definition.name, sandboxed=False)(made)
