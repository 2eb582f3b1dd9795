"""What a run on Temporal begins with that was forked: what another run recorded, as far as the fork keeps it.

Owns: the form of it, how it travels in the start of a run, and the note that the run makes when it has repeated it.
Must not know: who makes a past, who repeats it.

In histories:

    header of the start   `holdfast:past`: events of ours, msgpack in zlib
    asking for a lock     an activity as `locks` has it, for each lock that the code holds where its past ends
    memo                  `holdfast:past`, changed once, in the workflow task in which the code has repeated its past.
                          It says what the code asks for then, which Temporal's own events do not say: in which drain of
                          the past each command was issued. What follows in the same task is asked for by messages.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from functools import cache
from typing import Any, Final

import msgspec

from holdfast.errors import HistoryError
from holdfast.history.events import AnyEvent, Decision, DecisionEvent, WorkflowStarted
from holdfast.history.failures import Failure
from holdfast.history.temporal.members import Members

PAST: Final = "holdfast:past"
"""Of the header, and of the memo field."""
ENCODING: Final = "binary/zlib"
PAST_BYTES_MAX: Final = 1 << 26
"""How many bytes a past may have when it is unpacked."""
PACKED_BYTES_MAX: Final = 3 << 19
"""How many bytes a past may have as it travels: a request has 4 MiB, and an event of Temporal's 2 MiB."""
LEVEL: Final = 6


class PastLock(msgspec.Struct, frozen=True, array_like=True):
    """A lock that the code holds where its past ends; `place` is where its grant stands among the events, from 0."""

    place: int
    step: str
    name: str
    slots: int


class Past(msgspec.Struct, frozen=True, array_like=True):
    """What a run begins with."""

    events: list[AnyEvent]
    singly: int
    """How many of the first were recorded by the embedded engine: see `History.singly`."""
    drains: tuple[int, ...]
    """Ids of the inputs behind those that end a drain."""
    locks: tuple[PastLock, ...]
    outcomes: dict[str, list[bytes | Failure]]
    """What came of the items of each fan-out that is over, by step."""

    @property
    def started(self) -> WorkflowStarted:
        """Return event 1."""
        first = self.events[0]
        assert isinstance(first, WorkflowStarted)
        return first


class CaughtUp(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the memo says of a run that has repeated its past."""

    timers: tuple[str, ...] = ()
    """Steps of the timers that begin now, in the order in which they do."""
    decided: str = ""
    """What the code asked for and the past does not have, as decisions, without the payloads that Temporal's own events
    have: msgpack in base64."""
    issued: int = 0
    """How many commands the code has issued by then."""

    @property
    def decisions(self) -> list[DecisionEvent]:
        """Return the decisions. Raises HistoryError."""
        try:
            decoded = _events().decode(base64.b64decode(self.decided, validate=True))
        except (msgspec.MsgspecError, binascii.Error) as error:
            raise HistoryError(f"what a run has asked for at the end of its past: {error}") from None
        return [each for each in decoded if isinstance(each, Decision)]


def pack(past: Past) -> bytes:
    """Return a past as it travels."""
    return zlib.compress(_encode(past), LEVEL)


def unpack(content: bytes) -> Past:
    """Return a past that has travelled. Raises HistoryError."""
    unpacking = zlib.decompressobj()
    try:
        plain = unpacking.decompress(content, PAST_BYTES_MAX)
        if unpacking.unconsumed_tail:
            raise HistoryError(f"the past of a run has more than {PAST_BYTES_MAX:,} bytes (PAST_BYTES_MAX)")
        past = _pasts().decode(plain)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise HistoryError(f"the past of a run cannot be read: {error}") from None
    if not past.events or not isinstance(past.events[0], WorkflowStarted):
        raise HistoryError("the past of a run does not begin with WorkflowStarted")
    return past


def read_past(fields: Members) -> Past | None:
    """Return the past that stands in the header of a start in a file; None where none does."""
    payload: Any = fields.get(PAST)
    if payload is None:
        return None
    try:
        return unpack(base64.b64decode(payload["data"], validate=True))
    except HistoryError as error:
        raise HistoryError(error.what, fields.where) from None
    except (TypeError, KeyError, ValueError):
        raise HistoryError("the past of a run is not as Temporal has payloads", fields.where) from None


def decided(decisions: list[DecisionEvent]) -> str:
    """Return decisions as the memo has them."""
    return base64.b64encode(_encode(decisions)).decode("ascii")


_encode: Final = msgspec.msgpack.Encoder().encode


@cache
def _pasts() -> msgspec.msgpack.Decoder[Past]:
    return msgspec.msgpack.Decoder(Past)


@cache
def _events() -> msgspec.msgpack.Decoder[list[AnyEvent]]:
    return msgspec.msgpack.Decoder(list[AnyEvent])
