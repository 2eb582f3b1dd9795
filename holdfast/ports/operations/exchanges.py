"""What attempts that came to nothing asked of outside systems, and were answered.

Owns: keeping it for captures and replays.
Must not know: how calls are made.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class RecordExchanges(Value, frozen=True):
    """Keep the calls of a step's last attempt, in the place of those of an earlier one. Result: None."""

    execution_id: int
    step: str
    body: bytes
    """See `holdfast.history.encode_exchanges`."""


class RecordedExchanges(Value, frozen=True):
    """The calls of a step's last attempt that came to nothing."""

    step: str
    body: bytes
