"""The application: settings, and the one place that wires everything.

Owns: the names of its parts, and importing each of them only when it is first used: a script that wants a ledger, or a
module of workflows that wants a lock, does not load an orchestrator.
Must not know: how any of them works.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from holdfast.app.beside import TablesMade, make_tables
    from holdfast.app.capturing import capture_folder, capture_run, captured, ended_in, redaction_rules
    from holdfast.app.connection import close_connections
    from holdfast.app.encryption import load_codec, make_key
    from holdfast.app.engine_address import EMBEDDED
    from holdfast.app.examining import Finding, examine_system
    from holdfast.app.holdfast import Client, Holdfast, run
    from holdfast.app.inbox import open_inbox
    from holdfast.app.leaving import Leaving, Moved, leaving
    from holdfast.app.ledger import Ledger, heartbeat_monitor
    from holdfast.app.locks import lock, semaphore
    from holdfast.app.migrating import migrate_store, pending_migrations
    from holdfast.app.moving import export_to, import_from, take_back_export
    from holdfast.app.notifying import new_notice_secret, notice_secret
    from holdfast.app.on_temporal import ended_elsewhere, misfits, recorded_elsewhere
    from holdfast.app.opening import open_at
    from holdfast.app.reading import check_store, reading
    from holdfast.app.serving import Serving, serve, serving
    from holdfast.app.settings import Settings, load_settings
    from holdfast.app.stack import CONTROLLER, ROLES, Stack, process_name
    from holdfast.app.verifying import verify_store

_HOMES: Final[dict[str, str]] = {
    "recorded_elsewhere": "holdfast.app.on_temporal",
    "redaction_rules": "holdfast.app.capturing",
    "CONTROLLER": "holdfast.app.stack",
    "EMBEDDED": "holdfast.app.engine_address",
    "Finding": "holdfast.app.examining",
    "Client": "holdfast.app.holdfast",
    "Holdfast": "holdfast.app.holdfast",
    "Leaving": "holdfast.app.leaving",
    "Ledger": "holdfast.app.ledger",
    "Moved": "holdfast.app.leaving",
    "ROLES": "holdfast.app.stack",
    "Serving": "holdfast.app.serving",
    "Settings": "holdfast.app.settings",
    "Stack": "holdfast.app.stack",
    "TablesMade": "holdfast.app.beside",
    "capture_folder": "holdfast.app.capturing",
    "capture_run": "holdfast.app.capturing",
    "captured": "holdfast.app.capturing",
    "ended_elsewhere": "holdfast.app.on_temporal",
    "ended_in": "holdfast.app.capturing",
    "check_store": "holdfast.app.reading",
    "close_connections": "holdfast.app.connection",
    "export_to": "holdfast.app.moving",
    "examine_system": "holdfast.app.examining",
    "leaving": "holdfast.app.leaving",
    "migrate_store": "holdfast.app.migrating",
    "misfits": "holdfast.app.on_temporal",
    "pending_migrations": "holdfast.app.migrating",
    "heartbeat_monitor": "holdfast.app.ledger",
    "import_from": "holdfast.app.moving",
    "load_codec": "holdfast.app.encryption",
    "load_settings": "holdfast.app.settings",
    "lock": "holdfast.app.locks",
    "make_tables": "holdfast.app.beside",
    "make_key": "holdfast.app.encryption",
    "open_at": "holdfast.app.opening",
    "open_inbox": "holdfast.app.inbox",
    "process_name": "holdfast.app.stack",
    "new_notice_secret": "holdfast.app.notifying",
    "notice_secret": "holdfast.app.notifying",
    "reading": "holdfast.app.reading",
    "run": "holdfast.app.holdfast",
    "semaphore": "holdfast.app.locks",
    "serve": "holdfast.app.serving",
    "serving": "holdfast.app.serving",
    "take_back_export": "holdfast.app.moving",
    "verify_store": "holdfast.app.verifying",
}

__all__ = [
    "CONTROLLER",
    "EMBEDDED",
    "ROLES",
    "Client",
    "Finding",
    "Holdfast",
    "Leaving",
    "Ledger",
    "Moved",
    "Serving",
    "Settings",
    "Stack",
    "TablesMade",
    "capture_folder",
    "capture_run",
    "captured",
    "check_store",
    "close_connections",
    "ended_elsewhere",
    "ended_in",
    "examine_system",
    "export_to",
    "heartbeat_monitor",
    "import_from",
    "leaving",
    "load_codec",
    "load_settings",
    "lock",
    "make_key",
    "make_tables",
    "migrate_store",
    "misfits",
    "new_notice_secret",
    "notice_secret",
    "open_at",
    "open_inbox",
    "pending_migrations",
    "process_name",
    "reading",
    "recorded_elsewhere",
    "redaction_rules",
    "run",
    "semaphore",
    "serve",
    "serving",
    "take_back_export",
    "verify_store",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'holdfast.app' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    # All that live there at once: a module may be called like a function in it, and importing it has set that name.
    globals().update({each: getattr(home, each) for each, place in _HOMES.items() if place == _HOMES[name]})
    return globals()[name]


def __dir__() -> list[str]:
    return sorted(__all__)
