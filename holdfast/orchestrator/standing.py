"""Whether this process may write, and as whom.

Owns: the membership, and that its loss is told once.
Must not know: what is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from holdfast.observe import logger
from holdfast.ports.operations import Membership

RETRY_WRITE_SECONDS: Final = 0.5
"""How long to wait after a commit that failed as a whole."""

log = logger("holdfast.orchestrator")


class Standing:
    """The membership of this process, as long as it has one."""

    def __init__(self, lost: Callable[[], None]) -> None:
        """Belong to nobody yet; call `lost()` once the membership turns out to be lost."""
        self.membership: Membership | None = None
        """Who this process writes as; None before it opened, and once its lease is lost."""
        self.draining = False
        """It finishes what it has, and takes nothing new."""
        self._lost = lost

    def lose(self) -> None:
        """Note that the lease is lost: what this process owned is others' now."""
        if self.membership is not None:
            log.error("this member has lost its lease; its work belongs to others now")
            self.membership = None
            self._lost()
