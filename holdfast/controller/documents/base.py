"""What all documents have in common.

Owns: their base.
Must not know: any of them.
"""

from __future__ import annotations

import msgspec


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all documents."""
