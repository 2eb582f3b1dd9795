"""The time during which a server is away.

Owns: that an outage is told once when it lasts, and once when it is over, however many wait for its end.
Must not know: who waits, and how.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from holdfast.observe import logger

if TYPE_CHECKING:
    from holdfast.stores.postgres.address import Address

_log = logger("holdfast.store")


class Outage:
    """Whether the server of one store object is away, as far as anybody has noticed."""

    __slots__ = ("_address", "_since", "is_shared", "is_told")

    def __init__(self, address: Address, *, is_shared: bool = True) -> None:
        """Tell of the server at `address`."""
        self._address = address
        self.is_shared = is_shared
        """Whether several wait for its end, of whom each would tell of it."""
        self._since = 0.0
        self.is_told = False
        """Whether it is away, and that was told."""

    def tell(self, why: str, seconds: float) -> None:
        """Tell that it has been away for so many seconds, unless that is known."""
        if not self.is_told:
            self.is_told = True
            self._since = time.monotonic() - seconds
            _log.warning("waiting for the server", store=self._address.text, error=why)

    def end(self) -> None:
        """Note that it answers, and tell if its absence was told."""
        if self.is_told:
            self.is_told = False
            _log.info("the server is back", store=self._address.text, seconds=round(time.monotonic() - self._since, 1))
