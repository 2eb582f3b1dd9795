"""Operations that carry out another one.

Owns: what they have in common.
Must not know: which there are.
"""

from __future__ import annotations

from holdfast.ports.operations.base import Value


class Carrying(Value, frozen=True, kw_only=True):
    """Base of operations that carry out another one in the same transaction, and note what came of it.

    Its handler has `act` carried out and gets its result, or the HoldfastError that is its result. What it notes beside
    it commits with it or not at all. An `Overtaken` it passes on, and notes nothing: the act is made anew.
    """

    act: Value | None = None
    """The operation to be carried out; None where there is only something to be noted."""
