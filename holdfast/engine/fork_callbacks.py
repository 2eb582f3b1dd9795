"""Callbacks that are open where a fork leaves its source.

Owns: which of them the fork makes anew, and what answers the others.
Must not know: tokens' keys, stores.

A callback's URL says whose it is, so the fork cannot wait for an answer to the source's. It makes its own, unless what
is kept of the history shows that the source's was given away by then: the outside system knows that one and no other.
Then the answer that the source got is the fork's too, however late it came, as with messages to other runs. Where none
came, somebody has to say what it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from holdfast.errors import ForkError
from holdfast.history import AnyEvent, CallbackOpened, FanOutStarted, SignalReceived
from holdfast.ports.callbacks import expiry_of, name_of, token_of

_encode: Final = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What becomes of the open callbacks of a source."""

    anew: frozenset[int]
    """Indexes of those that the fork makes anew."""
    answers: dict[str, SignalReceived]
    """What the source was answered after the cut, by step."""


def decide_callbacks(
    kept: Sequence[AnyEvent],
    later: Sequence[AnyEvent],
    opened: Mapping[str, int],
    left_out: Collection[int],
    execution: str,
) -> Callbacks:
    """Say what becomes of the callbacks that have no answer at the cut.

    Args:
        kept: the events up to the cut.
        later: those after it.
        opened: steps of the callbacks, with the index of the event that says so.
        left_out: indexes of kept events that the fork does again.
        execution: the source's.

    Raises:
        ForkError: one was given away, is good still, and has no answer.
    """
    anew: set[int] = set()
    answers: dict[str, SignalReceived] = {}
    for step, index in opened.items():
        callback = kept[index]
        assert isinstance(callback, CallbackOpened)
        token = token_of(callback.url)
        if not _is_given_away(kept, index, token, left_out):
            anew.add(index)
            continue
        answer = next(
            (each for each in later if isinstance(each, SignalReceived) and each.name == name_of(token)), None
        )
        if answer is not None:
            answers[step] = msgspec.structs.replace(answer, issued=-1)
        elif not 0 < expiry_of(token) <= kept[-1].time:
            raise ForkError(
                execution,
                f"the URL of {step} was given away before that, and nobody has answered",
                f"An answer posted there is the other run's. Say what it is, --override '{step}=JSON' "
                f"(override={{{step!r}: ...}}); or fork before the step that gives the URL away.",
            )
    return Callbacks(frozenset(anew), answers)


def _is_given_away(kept: Sequence[AnyEvent], index: int, token: str, left_out: Collection[int]) -> bool:
    """Say whether anything that stays has the token, or may have it: of a fan-out's items there is only a digest."""
    sought = token.encode()
    return any(
        isinstance(event, FanOutStarted) or sought in _encode(event)
        for place, event in enumerate(kept[index + 1 :], index + 1)
        if place not in left_out
    )
