"""Headers of calls: what tasks and executions are told besides their input.

Owns: the interceptors that send and read them, and what is to be sent.
Must not know: what a header says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from temporalio.api.common.v1 import Payload
from temporalio.worker import (
    ActivityInboundInterceptor,
    ContinueAsNewInput,
    ExecuteActivityInput,
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ActivityHandle

from holdfast.temporal.own import Call, Carried, write_header

outgoing_header: Final[ContextVar[dict[str, Payload] | None]] = ContextVar("holdfast_temporal_header", default=None)
"""Headers of the call that is being made."""
incoming_header: Final[ContextVar[Mapping[str, Payload]]] = ContextVar("holdfast_temporal_incoming", default={})  # noqa: B039 - nobody changes it
"""Headers of the activity that runs."""


@contextmanager
def sending(value: Call | Carried) -> Iterator[None]:
    """Send headers along with what workflow code's engine calls in the block."""
    token = outgoing_header.set(write_header(value))
    try:
        yield
    finally:
        outgoing_header.reset(token)


class HeaderInterceptor(Interceptor):
    """Sends headers with tasks and continuations, and lets tasks read theirs."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Read the headers of activities."""
        return _Reading(next)

    def workflow_interceptor_class(self, _: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """Send headers from workflows."""
        return _Inbound


class _Reading(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        incoming_header.set(input.headers)
        return await super().execute_activity(input)


class _Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_Sending(outbound))


class _Sending(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:
        input.headers = {**input.headers, **(outgoing_header.get() or {})}
        return super().start_activity(input)

    def continue_as_new(self, input: ContinueAsNewInput) -> Any:
        input.headers = {**input.headers, **(outgoing_header.get() or {})}
        return super().continue_as_new(input)
