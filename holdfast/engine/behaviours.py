"""What this engine does that an older or newer one might do differently.

Owns: one bit per behaviour. WorkflowStarted records the bits an execution began with, and it keeps them.
Must not know: what the behaviours do; the code that does it asks here.

A change of the engine that would let an old history replay differently gets a
bit, and the old way stays for executions without it. Bits are never reused.
"""

from __future__ import annotations

from enum import IntFlag


class Behaviour(IntFlag):
    """A way of doing things that an execution keeps for its life."""

    ONE_EVENT_DRAINS = 1
    """Each input is drained on its own, in history order (the turn rule)."""
    PORTABLE_WAITS = 2
    """`wait_for` and `as_completed` are Holdfast's own, alike on every Python."""


CURRENT = Behaviour.ONE_EVENT_DRAINS | Behaviour.PORTABLE_WAITS
"""What new executions begin with."""

KNOWN = CURRENT
"""What this engine can replay."""
