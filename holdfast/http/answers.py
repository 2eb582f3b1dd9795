"""What an answer means to whoever made the call.

Owns: the table of statuses, and of what a client raises.
Must not know: retries, hosts, connections.

    2xx, 304                          it succeeded
    429, 503 with Retry-After,        come again later: the whole fleet waits, and the attempt does not count
      403 when nothing remains
    408 421 425 and all 5xx           it failed, and may succeed when it is tried again
      but 501 505 510
    every other 3xx and 4xx, the      it is refused, and trying again changes nothing
      rest of 5xx
"""

from __future__ import annotations

import enum
from typing import Final

from holdfast.http.announcements import Announcement


class Meaning(enum.Enum):
    """What an answer means."""

    SUCCEEDED = enum.auto()
    BUSY = enum.auto()
    """Come again later."""
    FAILED = enum.auto()
    """Trying again may help."""
    REFUSED = enum.auto()
    """Trying again does not help."""


FAILED_STATUSES: Final = frozenset({408, 421, 425})
"""4xx after which trying again may help: the request came too slowly, at the wrong connection, or too early."""
HOPELESS_STATUSES: Final = frozenset({501, 505, 510})
"""5xx after which it does not: the host does not know how."""
WAIT_SECONDS: Final = 5.0
"""How long a host is left alone that said 429 and nothing else."""


def meaning_of(status: int, announcement: Announcement) -> Meaning:
    """Return what an answer means."""
    if status < 300 or status == 304:
        return Meaning.SUCCEEDED
    if status == 429 or (status == 503 and announcement.retry_after is not None):
        return Meaning.BUSY
    if status == 403 and announcement.wait_seconds is not None:
        return Meaning.BUSY
    if status in FAILED_STATUSES or (status >= 500 and status not in HOPELESS_STATUSES):
        return Meaning.FAILED
    return Meaning.REFUSED
