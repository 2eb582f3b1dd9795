"""Which side of a changed piece of code an execution is on.

Owns: the answer of `patched(...)`, which stays what it was for the life of an execution.
Must not know: commands, the loop, who asks.

Theory of operation
===================

An answer of True is recorded as a *mark*; False leaves nothing behind, so that a history from before the change fits
code from after it. Three cases:

- History has the mark: True.
- History has no mark, and goes on after the drain that asks: False. Whoever wrote it took the old way.
- The drain that asks is the last thing that happened, or is new: True. If it was drained before, by an owner that
  crashed before its next write, nobody knows of it.

"Goes on" is read off two things. A decision that a drain issued, or a later drain, proves that the drain ran. So does
an input after it that begins a page: all inputs of the pages before are drained by then. An input further back in the
same page proves nothing, because a page is written before it is applied. Marks stand first in their page, so wherever
a history ends, the proof that a drain ran is never there without its mark.
"""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.history import AnyEvent, Decision, Input, PatchMarked


class Patches:
    """The answers one execution gives, and what they are drawn from."""

    __slots__ = ("_answers", "_history", "_marked", "_settled")

    def __init__(self) -> None:
        """Remember no history: every answer is True."""
        self._answers: dict[str, bool] = {}
        self._history: Sequence[AnyEvent] | None = None
        self._marked: frozenset[str] = frozenset()
        self._settled = 0

    def remember(self, history: Sequence[AnyEvent]) -> None:
        """Let the answers follow from a history. It is read when somebody asks, which few executions do."""
        self._history = history
        self._marked, self._settled = frozenset(), 0

    def known(self, patch_id: str) -> bool | None:
        """Return the answer that was given before, None when there was none."""
        return self._answers.get(patch_id)

    def keep(self, patch_id: str, answer: bool) -> None:  # noqa: FBT001 - what is kept
        """Keep an answer that somebody else has given."""
        self._answers[patch_id] = answer

    def decide(self, patch_id: str, cause: int) -> bool:
        """Return the answer to a first question, asked in the drain of input `cause`, and keep it."""
        if self._history is not None:
            self._marked, self._settled = _marks_of(self._history), _settled_in(self._history)
            self._history = None
        answer = self._answers[patch_id] = patch_id in self._marked or cause > self._settled
        return answer


def _marks_of(history: Sequence[AnyEvent]) -> frozenset[str]:
    return frozenset(each.patch_id for each in history if isinstance(each, PatchMarked))


def _settled_in(history: Sequence[AnyEvent]) -> int:
    """Return the id of the last input that certainly was drained by whoever wrote the history."""
    settled = 0
    for event_id, event in enumerate(history, 1):
        if isinstance(event, Decision):
            settled = max(settled, event.cause)
        elif isinstance(event, Input) and event.issued >= 0:
            settled = max(settled, event_id - 1)
    return settled
