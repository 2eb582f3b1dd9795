"""Requests: queries and updates from other processes.

Owns: asking and answering.
Must not know: what is asked.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class Ask(Value, frozen=True):
    """Put a query or an update where an orchestrator finds it. Result: request id (int), or RunNotFoundError."""

    run_id: str
    kind: str
    """`query` or `update`."""
    name: str
    body: bytes
    operation_id: str
    expires_at: float


class TakeRequests(Value, frozen=True):
    """Claim unanswered requests for runs that the writing member owns or that nobody owns. Result: tuple[Request].

    A run that nobody owns becomes ready when an update for it is claimed: only an owner can answer that.
    """

    limit: int


class Request(Value, frozen=True):
    """A query or an update to be answered."""

    request_id: int
    run_id: str
    execution_id: int
    kind: str
    name: str
    body: bytes
    operation_id: str


class ReturnRequest(Value, frozen=True):
    """Give back a request that the writing member took and could not answer; it may be taken again. Result: True."""

    request_id: int


class Answer(Value, frozen=True):
    """Answer a request. Result: True."""

    request_id: int
    body: bytes
