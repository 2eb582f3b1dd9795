"""What workflow code of this worker comes to, for whoever wants to hear of it.

Owns: the interceptor that tells of ends.
Must not know: what is made of them.

It is told when the code has ended. Temporal may refuse that yet, because a message has come meanwhile: then the code is
called again, and told again is what it comes to. A replay tells nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.exceptions import CancelledError, FailureError
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from holdfast.ports.operations import COMPLETED, FAILED
from holdfast.temporal.ended import place_of


class EndInterceptor(Interceptor):
    """Tells of executions that complete or fail."""

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        """Tell by `tell`: an execution's place, and its status; from any thread."""
        self._tell = tell

    def workflow_interceptor_class(self, _: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """Return what stands around workflows."""
        tell = self._tell

        class Inbound(WorkflowInboundInterceptor):
            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
                try:
                    result = await super().execute_workflow(input)
                except CancelledError:
                    raise
                except FailureError:
                    _tell(tell, FAILED)
                    raise
                _tell(tell, COMPLETED)
                return result

        return Inbound


def _tell(tell: Callable[[str, str], None], status: str) -> None:
    if not workflow.unsafe.is_replaying():
        info = workflow.info()
        tell(place_of(WorkflowExecution(workflow_id=info.workflow_id, run_id=info.run_id)), status)
