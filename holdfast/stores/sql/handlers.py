"""Which handler carries out which operation.

Owns: the table.
Must not know: what handlers do.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from holdfast.stores.sql import (
    audit,
    captures,
    contracts,
    deliveries,
    delivery,
    drifts,
    exchanges,
    executions,
    fan_outs,
    gatherings,
    hosts,
    idempotency,
    keys,
    ledger,
    lines,
    locks,
    members,
    model_answers,
    model_calls,
    notices,
    parking,
    pools,
    prefixes,
    pruning,
    rates,
    requests,
    schedules,
    secrets,
    streams,
    tasks,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.stores.sql.session import Handler


def handlers() -> Mapping[type, Handler]:
    """Return the handler of every operation but those that begin or continue a history, which `log` carries out."""
    found: dict[type, Handler] = {}
    for module in (
        audit,
        captures,
        contracts,
        deliveries,
        delivery,
        drifts,
        exchanges,
        executions,
        fan_outs,
        gatherings,
        hosts,
        idempotency,
        keys,
        ledger,
        lines,
        locks,
        members,
        model_answers,
        model_calls,
        notices,
        parking,
        pools,
        prefixes,
        pruning,
        rates,
        requests,
        schedules,
        secrets,
        streams,
        tasks,
    ):
        found.update(module.HANDLERS)
    return MappingProxyType(found)
