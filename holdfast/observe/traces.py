"""Traces, as OpenTelemetry has them. The one door to opentelemetry-api.

Owns: which spans there are, what they say, and how a trace is carried along with a run.
Must not know: where spans go: that is the business of the SDK that a program sets up, or does not.

Theory of operation
===================

A trace is carried as a `traceparent` (W3C Trace Context): a line of text that names a trace and a span in it. Whoever
starts a run leaves the one that is current in the run's first event, from where it goes to the run's tasks, through the
queue to whichever process does them, to its children, and to the executions it goes on as. That costs no library.

Spans are made only in a process that has set up an SDK, and that is looked up once: by whoever joins the fleet, and by
each start or request. A span is made where something is done for the first and only time - an attempt by the worker
that makes it, a run by the orchestrator whose commit has ended it. Replaying a history does nothing, so it makes none.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context as Variables
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from holdfast.observe.cleaning import Cleaner
from holdfast.ports.operations import FAILED, TERMINATED, TIMED_OUT
from holdfast.ports.task import AttemptOutcome, TaskCall

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanKind
    from opentelemetry.trace import Tracer as Maker

TRACEPARENT_HEADER: Final = b"traceparent"
_TRACEPARENT: Final = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?",
    re.ASCII,
)
Attributes: TypeAlias = Mapping[str, str | int]

TRACES_KEPT: Final = 1_000
"""How many traceparents are kept read: the tasks of a run all have the same."""
_LOADED: Final = "opentelemetry.trace"
"""Whoever sets up an SDK, or has a current span, has imported this; who has not is spared it."""

_given: ContextVar[str] = ContextVar("holdfast_traceparent", default="")
"""The traceparent of the request that is being served."""


def read_traceparent(values: Sequence[str]) -> str:
    """Return the traceparent of a request's headers, in the form of version 00; empty when there is no good one.

    What a later version adds behind is left out, as the standard has it.
    """
    match = _TRACEPARENT.fullmatch(values[0]) if len(values) == 1 else None
    if match is None or (match["version"] == "00" and match["more"]):
        return ""
    return f"00-{match['trace']}-{match['span']}-{int(match['flags'], 16) & 1:02x}"


def current_traceparent() -> str:
    """Return where in which trace we are: the current span, else the request's; empty for nowhere."""
    if _LOADED in sys.modules:
        from opentelemetry.trace import get_current_span

        here = get_current_span().get_span_context()
        if here.is_valid:
            return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags & 1:02x}"
    return _given.get()


@contextmanager
def within(traceparent: str) -> Iterator[None]:
    """Be in a trace while the block lasts, although this process makes no spans."""
    token = _given.set(traceparent)
    try:
        yield
    finally:
        _given.reset(token)


def tracer() -> Tracer | None:
    """Return what makes spans; None in a process that has set up no SDK."""
    # Asked by every start and request, mostly for nothing: an import is a look-up of its own each time.
    trace: Any = sys.modules.get(_LOADED)
    if trace is None:
        return None
    provider = trace.get_tracer_provider()
    if type(provider) is trace.ProxyTracerProvider or isinstance(provider, trace.NoOpTracerProvider):
        return None
    return Tracer(provider.get_tracer("holdfast"))


class Tracer:
    """Makes the spans of this process."""

    def __init__(self, maker: Maker) -> None:
        """Make spans with an SDK's tracer."""
        from opentelemetry.trace import SpanKind, StatusCode

        self._maker = maker
        self._kinds = SpanKind
        self._codes = StatusCode
        self._cleaner = Cleaner()
        self._attempts: dict[tuple[str, str, int, int], Span] = {}
        """Of the attempts under way."""

    @contextmanager
    def serving(self, method: str, traceparent: str) -> Iterator[Serving]:
        """Make a span of an HTTP request, in the trace that its headers name."""
        with self._current(method, _context(traceparent), self._kinds.SERVER, {}) as span:
            serving = Serving()
            try:
                yield serving
            finally:
                span.update_name(f"{method} {serving.route}")
                span.set_attributes(
                    {
                        "http.request.method": method,
                        "http.route": serving.route,
                        "http.response.status_code": serving.status,
                    }
                )
                if serving.status >= 500:
                    span.set_status(self._codes.ERROR)

    @contextmanager
    def starting(self, workflow: str, run_id: str, runs: int) -> Iterator[None]:
        """Make a span of a start, in the current trace: of one run, or of the first of several."""
        attributes: Attributes = {"holdfast.workflow": workflow, "holdfast.run_id": run_id, "holdfast.runs": runs}
        with self._current(f"start {workflow}", None, self._kinds.PRODUCER, attributes):
            yield

    @contextmanager
    def telling(self, kind: str, run_id: str, name: str) -> Iterator[None]:
        """Make a span of a message to a run that is there, in its sender's trace."""
        attributes: Attributes = {"holdfast.run_id": run_id} | ({"holdfast.name": name} if name else {})
        with self._current(kind, None, self._kinds.PRODUCER, attributes):
            yield

    @contextmanager
    def _current(self, name: str, parent: Context | None, kind: SpanKind, attributes: Attributes) -> Iterator[Span]:
        # An error's words are not for a trace: they may quote what the caller sent.
        with self._maker.start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(self._codes.ERROR)
                raise

    def begin_attempt(self, call: TaskCall) -> Span:
        """Begin the span of an attempt, in its run's trace."""
        attributes: Attributes = {
            "holdfast.run_id": call.run_id,
            "holdfast.execution": call.execution,
            "holdfast.step": call.step,
            "holdfast.task": call.task,
            "holdfast.attempt": call.attempt,
            "holdfast.pool": call.options.pool,
        }
        parent = _context(call.traceparent)
        span = self._maker.start_span(f"task {call.task}", parent, self._kinds.CONSUMER, attributes)
        self._attempts[_name_of(call)] = span
        return span

    def enter_attempt(self, call: TaskCall, variables: Variables) -> None:
        """Make the span of an attempt the current one in the contextvars that its code is to run in."""
        span = self._attempts.get(_name_of(call))
        if span is not None:
            from opentelemetry.context import attach
            from opentelemetry.trace import set_span_in_context

            variables.run(attach, set_span_in_context(span, _context("")))

    def end_attempt(self, span: Span, call: TaskCall, outcome: AttemptOutcome | None) -> None:
        """End the span of an attempt, and say how it went; None for one that could not begin."""
        if self._attempts.get(_name_of(call)) is span:
            del self._attempts[_name_of(call)]
        if outcome is None:
            span.set_status(self._codes.ERROR)
        elif outcome.cancelled:
            span.set_attribute("holdfast.outcome", "cancelled")
        elif outcome.result is not None:
            span.set_attribute("holdfast.outcome", "completed")
        else:
            span.set_attribute("holdfast.outcome", "timed_out" if outcome.timeout else "failed")
            failure = outcome.failure
            if failure is not None:
                span.set_attribute("error.type", failure.type)
            words = "" if failure is None else self._cleaner.text(f"{failure.type}: {failure.message}")
            span.set_status(self._codes.ERROR, words)
        span.end()

    def end_run(self, run: EndedRun) -> None:
        """Make the span of an execution that has ended, from its real beginning on, in its trace."""
        attributes = {
            "holdfast.run_id": run.run_id,
            "holdfast.execution": run.execution,
            "holdfast.workflow": run.workflow,
            "holdfast.status": run.status,
        }
        span = self._maker.start_span(
            f"run {run.workflow}",
            _context(run.traceparent),
            attributes=attributes,
            start_time=round(run.began * 1e9),
        )
        if run.status in _UNWANTED:
            span.set_status(self._codes.ERROR, run.status)
        span.end(round(run.ended * 1e9))


def _name_of(call: TaskCall) -> tuple[str, str, int, int]:
    return (call.execution, call.step, call.attempt, call.token)


@dataclass(slots=True)
class Serving:
    """A request under way. What becomes of it is written here."""

    route: str = ""
    status: int = 0


@dataclass(frozen=True, slots=True)
class EndedRun:
    """An execution that has ended. Times in seconds since the epoch."""

    run_id: str
    execution: str
    workflow: str
    status: str
    traceparent: str
    began: float
    ended: float


_UNWANTED: Final = frozenset({FAILED, TERMINATED, TIMED_OUT})


@lru_cache(TRACES_KEPT)
def _context(traceparent: str) -> Context:
    """Return a context in which the span that `traceparent` names is the current one; none is for an empty one."""
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    if not traceparent:
        return Context()  # not None, which would be whatever is current where this happens to be called
    _, trace, span, flags = traceparent.split("-")
    parent = SpanContext(int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return set_span_in_context(NonRecordingSpan(parent), Context())
