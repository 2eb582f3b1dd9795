"""Reports of answers that are not as code expects them, and the runs that are parked under them.

Owns: the table `drifts`.
Must not know: how a drift is found, what calls are.

A host's state names the reports that are open, so that whoever is about to call the same learns it without asking: it
parks before its next effect. Which runs are under a report is said by the reason for which they are parked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.ports.bus import HOSTS
from holdfast.ports.hosts import HostState
from holdfast.ports.operations import (
    DriftChange,
    DriftRecord,
    ProposedMapping,
    ProposeMappings,
    ReportDrift,
    SettleDrift,
)
from holdfast.stores.sql import contracts, executions, parking, parts
from holdfast.stores.sql.hosts import change_host

if TYPE_CHECKING:
    from holdfast.ports.mappings import Step
    from holdfast.stores.sql.session import Handler, Reader, Session

DRIFTS_MAX: Final = 1_000
"""How many reports are read, at most: the newest."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[DriftChange, ...]).decode
_proposed = msgspec.json.Decoder(tuple[ProposedMapping, ...]).decode


def report(session: Session, operation: ReportDrift) -> int:
    """Park a run under the report of its call, which is made where there is none."""
    standing = session.row("execution_standing", (operation.execution_id,))
    drift: int | None = session.value("open_drift", (operation.host, operation.endpoint))
    if drift is None:
        if not operation.changes:
            return 0
        drift = session.insert(
            "put_drift",
            (
                operation.host,
                operation.endpoint,
                operation.contract,
                _encode(operation.changes),
                session.now,
                "" if standing is None else standing[0],
            ),
        )
        assert drift is not None, "nothing stands in its way"
        _note(session, operation.host, operation.endpoint, drift)
    reason = (
        f"{_prefix(drift)} {operation.host} answers {operation.endpoint} otherwise than {operation.contract} expects"
    )
    if executions.park(session, operation.execution_id, reason):
        session.run("count_drift_run", (drift,))
    # Also what is queued of a run that was parked before: it would meet the same again.
    parts.set_aside(session, operation.execution_id)
    return drift


def settle(session: Session, operation: SettleDrift) -> int | None:
    """Let calls be made again, and some of the parked runs go on."""
    found = session.row("find_drift", (operation.drift,))
    if found is None:
        return None
    host, endpoint, settled_at = found
    if settled_at is None:
        session.run("settle_drift", (operation.drift, session.now, operation.by))
        if not operation.mapping:  # what was learned does not hold any more, and what does is to be seen
            contracts.begin_anew(session, host, endpoint)
        _note(session, host, endpoint, None, operation.mapping)
    parked = session.rows("parked_by_drift", (*_range(operation.drift), operation.limit))
    return sum(parking.go_on(session, execution_id) for (execution_id,) in parked)


def propose(session: Session, operation: ProposeMappings) -> bool:
    """Keep what is proposed for a report that is open."""
    return bool(session.run("propose_mappings", (operation.drift, _encode(operation.proposals))))


def _prefix(drift: int) -> str:
    return f"drift {drift}:"


def _range(drift: int) -> tuple[str, str]:
    """Return between which texts the reasons of a report's runs stand: from the first, and before the second."""
    return _prefix(drift), f"drift {drift};"


def _note(
    session: Session, host: str, endpoint: str, drift: int | None, mapping: tuple[Step, ...] | None = None
) -> None:
    """Note that an endpoint drifts, or does not any more; `mapping` is how its answers are read from now on."""

    def noted(state: HostState) -> HostState:
        drifting = {name: number for name, number in state.drifting.items() if name != endpoint}
        if drift is not None:
            drifting[endpoint] = drift
        mappings = state.mappings
        if mapping is not None:
            mappings = {name: steps for name, steps in mappings.items() if name != endpoint}
            if mapping:
                mappings[endpoint] = mapping
        return msgspec.structs.replace(state, drifting=drifting, mappings=mappings)

    change_host(session, host, noted)
    session.rings.add(HOSTS)


def read_drifted(reader: Reader, drift: int, limit: int) -> list[int]:
    """Return executions that are parked under a report and have recorded calls, oldest first."""
    return [execution_id for (execution_id,) in reader.rows("drifted", (*_range(drift), limit))]


def read_drifts(reader: Reader) -> list[DriftRecord]:
    """Return the newest reports, the newest first."""
    return [
        DriftRecord(drift, host, endpoint, contract, _decode(changes), seen, run, runs, parked, at, by, _proposed(body))
        for drift, host, endpoint, contract, changes, seen, run, runs, parked, at, by, body in reader.rows(
            "read_drifts", (DRIFTS_MAX,)
        )
    ]


HANDLERS: Final[dict[type, Handler]] = {ReportDrift: report, SettleDrift: settle, ProposeMappings: propose}
