"""Captures: which runs one is still to be made of.

Owns: the mark.
Must not know: what a capture is.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class MarkCaptured(Value, frozen=True):
    """Note of which executions a capture was made, or is not wanted. Result: True.

    A run that is resumed after it was parked, or that ends otherwise than it was marked for, wants another one.
    """

    captured: tuple[tuple[int, str], ...] = ()
    """(execution id, the status it had) pairs."""
    older_than: int = 0
    """No captures are wanted of executions with a smaller id than this either."""
