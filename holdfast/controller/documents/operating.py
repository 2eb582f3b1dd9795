"""What is done to runs: one, or all that are meant.

Owns: what is asked for, and what came of it.
Must not know: how it is done.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET

from holdfast.controller.documents.base import Document
from holdfast.controller.documents.runs import Run


class Reason(Document, frozen=True, forbid_unknown_fields=True):
    """Why a run is cancelled, terminated or paused."""

    reason: str = ""


class Where(Document, frozen=True, forbid_unknown_fields=True):
    """Which runs are meant. All that is given has to hold."""

    workflow: str | None = None
    status: list[str] = msgspec.field(default_factory=list)
    """Any of these; none is those that the verb means something for."""
    created_from: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    created_before: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    error: str = ""
    """Text in what is said of its failure, or of why it is parked."""
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    """By name, the value an attribute has to have, as it is written: `eu`, `12.5`, `true`."""


class Bulk(Document, frozen=True, forbid_unknown_fields=True):
    """One thing to be done to many runs."""

    verb: Literal["cancel", "terminate", "pause", "resume"]
    where: Where
    reason: str = ""
    preview: bool = False
    """Only say how many runs are meant."""
    cursor: str | None = None
    """`next` of the part before."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 200


class Refused(Document, frozen=True):
    """A run to which nothing was done, and why."""

    run_id: str
    why: str


class BulkAnswer(Document, frozen=True):
    """What came of a part of it."""

    matched: int
    """How many runs were meant before this; no further than 100,000 is counted."""
    done: list[str]
    refused: list[Refused]
    next: str | None
    """Send the same request again with this as `cursor` for the next part; null at the end."""


class ForkBody(Document, frozen=True, forbid_unknown_fields=True):
    """A run that is to begin with what another one recorded."""

    at: str
    """`start`, a step such as `charge#1` (just before its outcome), or the id of the last event that is kept."""
    id: str | None = None
    override: dict[str, Any] = msgspec.field(default_factory=dict)
    """Results to be recorded, by step."""
    input: Any = UNSET
    """Another input; only at `start`."""
    code: str | None = None
    new_keys: bool = False


class ForkAnswer(Document, frozen=True):
    """A run that was forked."""

    run: Run
    not_run_again: list[str]
    """Steps whose recorded results count: they do not run in the new run."""
    run_again: list[str]
    """Steps that were under way at the cut: they run in the new run, from their beginning."""
    idempotency_keys: dict[str, str]
    """By step, under which key of the other run's it runs if it does and its input is unchanged: what went through
    there is not done twice. All other steps have keys of the new run's."""


class BulkFork(Document, frozen=True, forbid_unknown_fields=True):
    """Runs that are all to be forked at the same place."""

    where: Where
    fork: ForkBody
    """Without an id: each fork has one made from its run's."""
    preview: bool = False
    """Only say how many runs are meant."""
    cursor: str | None = None
    """`next` of the part before."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50


class ForkedRun(Document, frozen=True):
    """A run, and the run that was forked from it."""

    run_id: str
    fork: str


class BulkForkAnswer(Document, frozen=True):
    """What came of a part of it."""

    matched: int
    """How many runs were meant before this; no further than 100,000 is counted."""
    forked: list[ForkedRun]
    refused: list[Refused]
    next: str | None
    """Send the same request again with this as `cursor` for the next part; null at the end."""
