"""Which runs somebody means.

Owns: reading a filter from outside, and how far what it means is counted.
Must not know: what is done with the runs.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from holdfast.controller.documents import STATUSES, Where
from holdfast.controller.times import seconds_of
from holdfast.errors import InputError
from holdfast.ports.operations import RunFilter

MATCHED_MAX: Final = 100_000
"""How far the runs that a filter means are counted."""


def check_statuses(statuses: Collection[str]) -> None:
    """Make sure that runs can have these statuses. Raises InputError."""
    if any(each not in STATUSES for each in statuses):
        raise InputError("the filter", (("/status", f"expected one of {', '.join(sorted(STATUSES))}"),))


def read_filter(where: Where, only: Collection[str] = ()) -> RunFilter:
    """Return the filter that `where` says; with `only`, runs of these workflows.

    Raises:
        InputError: a status is none of ours.
    """
    check_statuses(where.status)
    return RunFilter(
        where.workflow,
        tuple(where.status),
        seconds_of(where.created_from),
        seconds_of(where.created_before),
        where.error,
        tuple(where.attributes.items()),
        tuple(sorted(only)),
    )
