"""What a loop says when the store fails it, and it goes on by itself.

Owns: that an outage, which the store tells once, is not told again by everybody who has to do with the store.
Must not know: stores, loops.
"""

from __future__ import annotations

from typing import Any

from holdfast.errors import HoldfastError, StoreError


def warn_of(log: Any, event: str, error: Exception, **fields: Any) -> None:
    """Warn that something failed and is tried again; where the store has told why, that is for the debug log.

    Args:
        log: whose words these are.
        event: what failed.
        error: why. One that was not raised on purpose is shown with its trace.
        fields: see `FIELDS`.
    """
    if isinstance(error, HoldfastError):
        is_told = isinstance(error, StoreError) and error.is_told
        (log.debug if is_told else log.warning)(event, **fields, error=str(error))
    else:
        log.warning(event, **fields, exc_info=error)
