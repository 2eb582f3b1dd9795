"""What answers have been like so far, and what hosts give up.

Owns: contracts, and retirements.
Must not know: how a contract is learned.
"""

from __future__ import annotations

from typing import Any, Literal

from holdfast.controller.documents.base import Document
from holdfast.controller.times import iso_time, iso_time_or_none
from holdfast.ports.contracts import Difference, decode_learned
from holdfast.ports.operations import ContractRecord, RetirementRecord


class ContractChange(Document, frozen=True):
    """One way in which a contract differs from the version before."""

    kind: Literal["additive", "widened", "narrowed", "breaking"]
    path: str
    """Where in the answer: `data[].amount`; empty for all of it."""
    expected: str
    found: str


class LearnedContract(Document, frozen=True):
    """What the fleet has learned of answers."""

    host: str
    """A host; `task NAME` or `webhook NAME` for what is not called."""
    endpoint: str
    """What is called: `GET /rooms/{}/price`."""
    version: int
    state: Literal["learning", "learned"]
    answers: int
    """From how many it was learned."""
    statuses: list[int]
    types: list[str]
    """Content types."""
    json_schema: dict[str, Any] | None
    """Of the bodies; null where none is JSON."""
    changes: list[ContractChange]
    """How it differs from the version before."""
    since: str


class Retirement(Document, frozen=True):
    """What a host says it gives up."""

    host: str
    endpoint: str
    deprecated_at: str | None
    """Since when it is not to be used any more."""
    sunset_at: str | None
    """From when on it may be gone."""
    link: str | None
    first_seen: str
    first_run: str | None


class ContractList(Document, frozen=True):
    """What is known of answers, by host and endpoint."""

    contracts: list[LearnedContract]
    retirements: list[Retirement]


def contract_document(record: ContractRecord) -> LearnedContract:
    """Return one contract."""
    learned = decode_learned(record.body)
    contract = learned.contract
    return LearnedContract(
        host=record.host,
        endpoint=record.endpoint,
        version=record.version,
        state="learned" if record.is_learned else "learning",
        answers=record.answers,
        statuses=list(contract.statuses),
        types=list(contract.types),
        json_schema=contract.body,
        changes=[_change(each) for each in learned.changes],
        since=iso_time(record.since),
    )


def retirement_document(record: RetirementRecord) -> Retirement:
    """Return what a host gives up."""
    return Retirement(
        host=record.host,
        endpoint=record.endpoint,
        deprecated_at=iso_time_or_none(record.deprecated_at),
        sunset_at=iso_time_or_none(record.sunset_at),
        link=record.link or None,
        first_seen=iso_time(record.first_seen),
        first_run=record.first_run or None,
    )


def _change(difference: Difference) -> ContractChange:
    return ContractChange(
        kind=difference.kind.value, path=difference.path, expected=difference.expected, found=difference.found
    )
