"""What comes from outside about schedules: inputs of their runs, and spans of time.

Owns: reading both.
Must not know: where schedules are kept.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from holdfast.authoring import Registry
from holdfast.authoring.schedules import Times, read_moment
from holdfast.controller.schedules.documents import BackfillRequest
from holdfast.controller.strict import read_json
from holdfast.errors import InputError, UnknownNameError

BACKFILL_MAX: Final = 1_000
"""How many times one backfill may ask for."""


def encode_input(registry: Registry, workflow: str, text: bytes) -> bytes:
    """Return the input of a workflow as it is handed over.

    Raises:
        InputError: the workflow does not take it.
        UnknownNameError: code is here, and this workflow is not in it.
    """
    read_json(text, "the input")
    try:
        signature = registry.workflow(workflow).signature
    except UnknownNameError:
        if any(not each.startswith("task:") for each in registry.workflows):
            raise  # a misspelt name would start runs that nobody claims
        return text  # nobody's code is here
    return signature.encode_call(*signature.decode_call(text))


def read_range(wanted: BackfillRequest, zone: ZoneInfo, now: float) -> tuple[int, int]:
    """Return first and last moment of a backfill. Raises InputError."""
    start, end = _moment("/start", wanted.start, zone), _moment("/end", wanted.end, zone)
    if end > now:
        raise InputError("the backfill", (("/end", "is yet to come"),))
    return start, end


def count_times(times: Times, start: int, end: int) -> int:
    """Return how many due times there are; both ends count. Raises InputError: more than BACKFILL_MAX."""
    count = 0
    for due in times.following(start - 1):
        if due > end:
            break
        count += 1
        if count > BACKFILL_MAX:
            words = f"has more than {BACKFILL_MAX:,} times (BACKFILL_MAX): ask for it in parts"
            raise InputError("the backfill", (("", words),))
    return count


def _moment(pointer: str, text: str, zone: ZoneInfo) -> int:
    try:
        return read_moment(datetime.fromisoformat(text), zone)
    except ValueError as error:
        raise InputError("the backfill", ((pointer, str(error)),)) from None
