"""What operations and records have in common.

Owns: their base.
Must not know: any of them.
"""

from __future__ import annotations

import msgspec


class Value(msgspec.Struct, frozen=True, gc=False):
    """Base of operations and records."""
