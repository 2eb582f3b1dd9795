"""Answers of language models that are given again to whoever asks the very same.

Owns: keeping an answer.
Must not know: models, what was asked.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class KeepModelAnswer(Value, frozen=True):
    """Keep the answer to a request for whoever asks the very same. Result: None."""

    digest: str
    """Of whom was asked, and of all that was."""
    body: bytes
    """JSON text."""
    seconds: float


class ModelAnswer(Value, frozen=True):
    """An answer that was kept."""

    body: bytes
    until: float
    """A time; afterwards it does not count."""
