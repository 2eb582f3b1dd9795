"""Which runs a person means: `--where NAME=VALUE`, as often as it takes.

Owns: the option, and its reading.
Must not know: what is done with the runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Any, Final, TypeAlias

import typer

from holdfast.errors import UsageError
from holdfast.ports.operations import PARKED, PAUSED, RUNNING, TERMINAL, RunFilter

NAMES: Final = ("workflow", "status", "error", "created_from", "created_before")

STATUSES: Final = (RUNNING, PARKED, PAUSED, *sorted(TERMINAL))

WhereOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="NAME=VALUE",
        help="Only runs for which this holds: workflow, status, error (text in it), created_from, created_before "
        "(such as 2026-11-29 or 2026-11-29T08:00Z), or an attribute by any other name, such as region=eu. All that is "
        "given has to hold.",
        show_default=False,
    ),
]


def read_filter(where: Sequence[str]) -> RunFilter:
    """Return what `--where` says. A name that is not one of NAMES is an attribute's.

    Raises:
        UsageError: it is no NAME=VALUE, or a status or a time is none.
    """
    values: dict[str, Any] = {}
    for each in where:
        name, separator, value = each.partition("=")
        if not separator or not name.isidentifier():
            expected = f"Write NAME=VALUE with one of {', '.join(NAMES)}, or the name of an attribute."
            raise UsageError(f"--where {each!r} says nothing about runs", expected)
        if name not in NAMES:
            values["attributes"] = (*values.get("attributes", ()), (name, value))
        elif name == "status":
            values["statuses"] = (*values.get("statuses", ()), _status(value))
        elif name in {"created_from", "created_before"}:
            values[name] = read_time(each, value)
        else:
            values[name] = value
    return RunFilter(**values)


def read_pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    """Return what an option NAME=VALUE says, given as often as it takes. Raises UsageError."""
    pairs: dict[str, str] = {}
    for each in given:
        name, separator, value = each.partition("=")
        if not separator or not name:
            raise UsageError(f"{option} {each!r} gives no value", f"Write {option} NAME=VALUE.")
        pairs[name] = value
    return pairs


def _status(value: str) -> str:
    status = value.upper()
    if status not in STATUSES:
        meant = get_close_matches(status, STATUSES, 1)
        asked = f" Did you mean {meant[0]}?" if meant else ""
        raise UsageError(f"no run has status {value!r}", f"There are {', '.join(STATUSES)}.{asked}")
    return status


def read_time(given: str, value: str) -> float:
    """Return a time in seconds since the epoch; one without a zone is in UTC. Raises UsageError about `given`."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise UsageError(f"{given!r} names no time", "Write one such as 2026-11-29 or 2026-11-29T08:00Z.") from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
