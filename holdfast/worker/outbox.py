"""What has to be written, and who wants to hear what became of it.

Owns: operations between the moment they are decided and the moment the store has answered.
Must not know: the store, what operations mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from holdfast.errors import HoldfastError
from holdfast.observe import logger
from holdfast.ports.operations import Operation

Answer: TypeAlias = Callable[[Any], None]
"""Called with an operation's result, which may be a HoldfastError."""

log = logger("holdfast.worker")


class Outbox:
    """Operations in order. Those taken for a write that failed are taken again."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Operation, Answer | None]] = []
        self._taken: list[tuple[Operation, Answer | None]] = []

    def __bool__(self) -> bool:
        return bool(self._waiting or self._taken)

    def put(self, operation: Operation, answer: Answer | None = None) -> None:
        """Have an operation written; without `answer` a refusal is only logged."""
        self._waiting.append((operation, answer))

    def take(self) -> list[Operation]:
        """Return what is to be written now."""
        self._taken += self._waiting
        self._waiting.clear()
        return [operation for operation, _ in self._taken]

    def settle(self, results: Sequence[Any]) -> None:
        """Tell everybody what became of what was taken."""
        taken, self._taken = self._taken, []
        for (operation, answer), result in zip(taken, results, strict=True):
            if answer is not None:
                answer(result)
            elif isinstance(result, HoldfastError):
                log.info("an outcome came too late", operation=type(operation).__name__, reason=str(result))

    def clear(self) -> None:
        """Forget everything."""
        self._waiting.clear()
        self._taken.clear()
