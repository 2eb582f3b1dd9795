"""Hosts that tasks call.

Owns: the table `hosts`.
Must not know: what is in a state; `holdfast.ports.hosts` decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.ports.bus import HOSTS
from holdfast.ports.hosts import HostReply, HostState, Turn, learn
from holdfast.ports.operations import HostRecord, LimitRecord, TellHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.stores.sql.session import Handler, Reader, Session

HOSTS_MAX: Final = 10_000
"""How many hosts are read, at most."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(HostState).decode


def tell(session: Session, operation: TellHost) -> HostReply:
    """Change a host's state by what was learned."""
    found = session.value("read_host", (operation.host,))
    before = HostState() if found is None else _decode(found)
    reply = learn(before, operation.fact, session.now)
    if reply.state != before:
        session.run("put_host", (operation.host, _encode(reply.state)))
        if not isinstance(operation.fact, Turn):  # turns are taken here, and nobody else has to know
            session.rings.add(HOSTS)
    return reply


def change_host(session: Session, host: str, change: Callable[[HostState], HostState]) -> None:
    """Change a host's state otherwise than by what is told of it."""
    found = session.value("read_host", (host,))
    before = HostState() if found is None else _decode(found)
    session.run("put_host", (host, _encode(change(before))))


def read_hosts(reader: Reader) -> list[HostRecord]:
    """Return every host of which anything is known, by name."""
    return [HostRecord(host, _decode(state)) for host, state in reader.rows("read_hosts", (HOSTS_MAX,))]


def read_limits(reader: Reader, now: float) -> list[LimitRecord]:
    """Return how hosts limit whoever calls them, by name."""
    return [_limit(each, now) for each in read_hosts(reader)]


def _limit(record: HostRecord, now: float) -> LimitRecord:
    state = record.state
    is_frozen, is_paced, circuit = state.frozen_until > now, state.is_paced(now), state.circuit(now)
    return LimitRecord(
        "host",
        record.host,
        state.amount if is_paced else 0.0,
        state.per if is_paced else 0.0,
        frozen_until=state.frozen_until if is_frozen else None,
        frozen_by=state.frozen_by if is_frozen else "",
        circuit=circuit,
        circuit_until=state.open_until if circuit == "open" else None,
        reason=state.reason,
    )


HANDLERS: Final[dict[type, Handler]] = {TellHost: tell}
