"""Notices: outside systems are told how a run has ended.

Owns: what they are told, the signature, and that they are told until they have heard.
Must not know: the HTTP API, how runs end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.controller.notices.notifier import CONNECTIONS_MAX, Notifier
from holdfast.controller.notices.signing import SECRET_BYTES, SECRET_NAME, read_secret, write_secret

if TYPE_CHECKING:
    from holdfast.controller.notices.sending import Sender as Sender
    from holdfast.ports.reach import Reach


def sender(secret: bytes, reach: Reach, agent: str) -> Sender:
    """Return what sends notices. Loads an HTTP client, which most processes never need."""
    from holdfast.controller.notices.sending import Sender

    return Sender(secret, reach, agent, CONNECTIONS_MAX)


__all__ = ["SECRET_BYTES", "SECRET_NAME", "Notifier", "read_secret", "sender", "write_secret"]
