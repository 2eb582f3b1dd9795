"""Holding what comes in against what was learned of what came before.

Owns: when a contract is learned, when something is held against it, and when it becomes wider; compiled copies.
Must not know: what differs from a contract, which `holdfast.ports.contracts` says; where contracts are kept; calls.

Theory of operation
===================

    begun ── enough answers ──► learned ── one that has more, or is wider ──► the next version, learned at once
    learned ── a drift that is settled without a mapping, or somebody says so ──► the next version, begun

What is being learned is held against nothing. A process learns one answer of an endpoint at a time, and keeps it under
the next revision: of two processes that do so at once one is refused, and its answer teaches nothing. So neither many
calls at once nor many processes write more than a store takes, and no answer is waited for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from holdfast.authoring import compile_schema
from holdfast.errors import EncryptionError, StoreError
from holdfast.http.learning import closed, end_learning, learn_answer, widen
from holdfast.http.rules import Terms
from holdfast.observe import logger
from holdfast.ports.contracts import (
    Contract,
    Difference,
    Kind,
    Learned,
    Seen,
    breaks,
    changes,
    decode_learned,
    differences,
    encode_learned,
)
from holdfast.ports.mappings import apply_mapping
from holdfast.ports.operations import ContractRecord

if TYPE_CHECKING:
    import httpx

    from holdfast.history import Exchange
    from holdfast.ports.mappings import Step

COMPILED_MAX: Final = 1_000
"""How many contracts a process keeps compiled; of more, the ones compiled first are compiled again."""
NO_JSON: Final = ", but no JSON"
"""Ends the content type of what says that it is JSON and is none."""

log = logger("holdfast.http")


class Shelf(Protocol):
    """Where contracts stand."""

    async def contract(self, host: str, endpoint: str) -> ContractRecord | None:
        """Return the newest version of a contract."""

    async def contract_versions(self, host: str, endpoint: str) -> list[ContractRecord]:
        """Return what is kept of a contract, the newest version first."""

    async def keep_contract(self, record: ContractRecord) -> bool:
        """Keep what was learned; say whether it is kept."""


@dataclass(frozen=True, slots=True)
class Held:
    """What came of holding something against a contract."""

    version: int = 0
    """Of the contract; 0 while it is learned."""
    breaking: tuple[Difference, ...] = ()
    """What breaks code that reads it."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    revision: int
    contract: Contract
    check: Callable[[Any], Collection[object]] | None

    def fits(self, seen: Seen) -> bool:
        """Say whether there is nothing new about an answer."""
        if seen.status not in self.contract.statuses or seen.type not in self.contract.types:
            return False
        return not seen.is_json or self.check is None or not self.check(seen.value)


class Learner:
    """Learns contracts, and holds against them what comes in."""

    def __init__(self) -> None:
        """Begin with nothing compiled."""
        self._compiled: dict[tuple[str, str], _Compiled] = {}
        self._learning: set[tuple[str, str]] = set()

    async def hold(
        self, shelf: Shelf, where: tuple[str, str], seen: Seen, terms: Terms, *, only_notes: bool = False
    ) -> Held:
        """Hold something against its contract, or learn from it.

        Args:
            shelf: where contracts stand.
            where: whose it is, and what was called.
            seen: the answer.
            terms: how the contract is learned.
            only_notes: whether what breaks is taken into the contract instead: something else says what may be.

        Raises:
            StoreError: the contract cannot be read.
            EncryptionError: as above, without the key.
        """
        record = await shelf.contract(*where)
        if record is None or not record.is_learned:
            await self._alone(where, self._learn(shelf, where, record, seen, terms))
            return Held()
        compiled = self._compile(where, record)
        if compiled.fits(seen):
            return Held(record.version)
        found = differences(compiled.contract, seen, terms.matches)
        if not found:
            return Held(record.version)
        if breaks(found) and not only_notes:
            return Held(record.version, tuple(each for each in found if each.kind is Kind.BREAKING))
        await self._alone(where, self._widen(shelf, record, seen, compiled.contract, found))
        return Held(record.version)

    # -----------------------------------------------------------------------------------------------------------------

    async def _alone(self, where: tuple[str, str], learning: Any) -> None:
        """Learn, unless this process is about it; what cannot be kept was not learned."""
        if where in self._learning:
            learning.close()
            return
        self._learning.add(where)
        try:
            await learning
        except (StoreError, EncryptionError) as error:  # what the call came to matters more
            log.warning("what answers are like could not be kept", host=where[0], error=str(error))
        finally:
            self._learning.discard(where)

    async def _learn(
        self, shelf: Shelf, where: tuple[str, str], record: ContractRecord | None, seen: Seen, terms: Terms
    ) -> None:
        if seen.type.endswith(NO_JSON):
            return
        before = ContractRecord(*where, 1, 0, is_learned=False) if record is None else record
        contract = learn_answer(decode_learned(before.body).contract, seen)
        found: tuple[Difference, ...] = ()
        is_learned = contract.answers >= terms.answers
        if is_learned:
            contract = end_learning(contract, terms.matches)
            older = [each for each in await shelf.contract_versions(*where) if each.version < before.version]
            if older:
                found = changes(decode_learned(older[0].body).contract, contract, terms.matches)
        if await shelf.keep_contract(_next(before, contract, found, is_learned=is_learned)) and found:
            _say(where, found)

    async def _widen(
        self, shelf: Shelf, record: ContractRecord, seen: Seen, contract: Contract, found: tuple[Difference, ...]
    ) -> None:
        wider = _next(record, widen(contract, seen), found, is_learned=True)
        wider = msgspec.structs.replace(wider, version=record.version + 1)
        if await shelf.keep_contract(wider):
            _say((record.host, record.endpoint), found)

    def _compile(self, where: tuple[str, str], record: ContractRecord) -> _Compiled:
        found = self._compiled.get(where)
        if found is None or found.revision != record.revision:
            contract = decode_learned(record.body).contract
            check = None
            if contract.body is not None:
                check = compile_schema(closed(contract.body), f"what was learned of {' '.join(where)}")
            found = _Compiled(record.revision, contract, check)
            if len(self._compiled) >= COMPILED_MAX:
                self._compiled.pop(next(iter(self._compiled)), None)
            self._compiled[where] = found
        return found


def seen_of(answer: httpx.Response) -> Seen:
    """Return an answer as far as a contract speaks of it."""
    return _seen(answer.status_code, answer.headers.get("content-type", ""), answer.content)


def seen_of_exchange(exchange: Exchange, steps: Sequence[Step] = ()) -> tuple[Seen, Exchange]:
    """Return a recorded answer as far as a contract speaks of it, after a mapping; and it with that answer."""
    seen = _seen(exchange.status, exchange.headers.get("content-type", ""), exchange.body)
    if not seen.is_json or not steps:
        return seen, exchange
    value = apply_mapping(steps, seen.value)
    as_before = msgspec.structs.replace(exchange, body=msgspec.json.encode(value))
    return msgspec.structs.replace(seen, value=value), as_before


def _seen(status: int, content_type: str, content: bytes) -> Seen:
    kind = content_type.partition(";")[0].strip().lower()
    if not (kind == "application/json" or kind.endswith("+json")) or not content:
        return Seen(status, kind)
    try:
        return Seen(status, kind, is_json=True, value=msgspec.json.decode(content))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return Seen(status, kind + NO_JSON)


def as_changes(found: Collection[Difference]) -> tuple[tuple[str, str, str], ...]:
    """Return differences as an ApiDrift has them."""
    return tuple((each.path, each.expected, each.found) for each in found)


def _next(
    record: ContractRecord, contract: Contract, found: tuple[Difference, ...], *, is_learned: bool
) -> ContractRecord:
    return msgspec.structs.replace(
        record,
        revision=record.revision + 1,
        is_learned=is_learned,
        answers=contract.answers,
        body=encode_learned(Learned(contract, found)),
    )


def _say(where: tuple[str, str], found: tuple[Difference, ...]) -> None:
    words = "; ".join(f"{each.path or 'answer'}: {each.found} instead of {each.expected}" for each in found[:3])
    level = logging.INFO if all(each.kind is Kind.ADDITIVE for each in found) else logging.WARNING
    kind = str(found[0].kind)
    log.log(level, "answers are not as before", host=where[0], endpoint=where[1], kind=kind, reason=words)
