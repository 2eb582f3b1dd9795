"""What answers have been like so far, version by version; and what hosts say they give up.

Owns: the tables `contracts` and `retirements`.
Must not know: what is in a contract.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from holdfast.ports.bus import CONTRACTS
from holdfast.ports.operations import (
    ContractRecord,
    KeepContract,
    NoteRetirement,
    RelearnContract,
    RetirementRecord,
)

if TYPE_CHECKING:
    from holdfast.stores.sql.session import Handler, Reader, Session

CONTRACTS_MAX: Final = 10_000
"""How many are read, at most."""
VERSIONS_KEPT: Final = 20
"""How many versions of a contract are kept, the newest."""


def keep(session: Session, operation: KeepContract) -> bool:
    """Keep a version, unless somebody kept something since it was read."""
    record = operation.record
    newest = read_contract(session, record.host, record.endpoint)
    version, revision = (0, 0) if newest is None else (newest.version, newest.revision)
    if record.revision != revision + 1 or record.version not in {max(1, version), version + 1}:
        return False
    _put(session, record)
    return True


def relearn(session: Session, operation: RelearnContract) -> int:
    """Begin the next version."""
    return begin_anew(session, operation.host, operation.endpoint)


def begin_anew(session: Session, host: str, endpoint: str) -> int:
    """Have a contract learned anew; return the version, 0 where nothing was learned."""
    newest = read_contract(session, host, endpoint)
    if newest is None:
        return 0
    if not newest.answers:  # it is about to be
        return newest.version
    _put(session, ContractRecord(host, endpoint, newest.version + 1, newest.revision + 1, is_learned=False))
    return newest.version + 1


def note_retirement(session: Session, operation: NoteRetirement) -> bool:
    """Note what a host gives up."""
    said = (operation.deprecated_at, operation.sunset_at)
    if session.row("find_retirement", (operation.host, operation.endpoint)) == said:
        return False
    session.run(
        "put_retirement",
        (operation.host, operation.endpoint, *said, operation.link, session.now, operation.run_id),
    )
    return True


def _put(session: Session, record: ContractRecord) -> None:
    session.run(
        "put_contract",
        (
            record.host,
            record.endpoint,
            record.version,
            record.revision,
            int(record.is_learned),
            record.answers,
            record.body,
            session.now,
        ),
    )
    if record.version > VERSIONS_KEPT:
        session.run("drop_old_contracts", (record.host, record.endpoint, record.version - VERSIONS_KEPT))
    session.rings.add(CONTRACTS)


def read_contract(reader: Reader, host: str, endpoint: str) -> ContractRecord | None:
    """Return the newest version of an endpoint's contract."""
    found = reader.row("newest_contract", (host, endpoint))
    return None if found is None else _record((host, endpoint, *found))


def read_versions(reader: Reader, host: str, endpoint: str) -> list[ContractRecord]:
    """Return what is kept of an endpoint's contract, the newest version first."""
    return [_record((host, endpoint, *each)) for each in reader.rows("contract_versions", (host, endpoint))]


def read_contracts(reader: Reader) -> list[ContractRecord]:
    """Return the newest version of every contract, by host and endpoint."""
    return [_record(each) for each in reader.rows("read_contracts", (CONTRACTS_MAX,))]


def read_retirements(reader: Reader) -> list[RetirementRecord]:
    """Return what hosts say they give up, by host and endpoint."""
    return [RetirementRecord(*each) for each in reader.rows("read_retirements", (CONTRACTS_MAX,))]


def _record(row: tuple[Any, ...]) -> ContractRecord:
    host, endpoint, version, revision, is_learned, answers, body, since = row
    return ContractRecord(host, endpoint, version, revision, bool(is_learned), answers, bytes(body), since)


HANDLERS: Final[dict[type, Handler]] = {KeepContract: keep, RelearnContract: relearn, NoteRetirement: note_retirement}
