"""Whether everything that a process needs is there and in order.

Owns: what is looked at, and when it is good.
Must not know: how findings are shown.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, assert_never

from holdfast.app.address import FileAddress, ServerAddress
from holdfast.app.beside import count_enqueued
from holdfast.app.encryption import load_codec
from holdfast.app.migrating import pending_migrations
from holdfast.app.opening import open_at
from holdfast.app.ringing import exchange_of
from holdfast.app.settings import Settings, load_settings
from holdfast.bus import CutOffError, RefusedError, ring_through
from holdfast.errors import HoldfastError
from holdfast.stores import EncryptedStore, examine, parse_address

FREE_BYTES_LOW: Final = 1024**3
APART_SECONDS_MAX: Final = 2.0
"""How far this machine's clock may be from the store's."""
CONNECTIONS_SHARE_HIGH: Final = 0.8
"""Above this, a server's connections run out soon."""

Found = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    ok: bool
    found: str


async def examine_system(**arguments: Any) -> list[Finding]:
    """Look at versions, settings, the store, the bus and the fleet; `arguments` are settings."""
    findings: list[Finding] = []

    def found(check: str, what: object, *, ok: bool = True) -> None:
        findings.append(Finding(check, ok, str(what)))

    found("python", platform.python_version(), ok=(3, 11) <= sys.version_info[:2] <= (3, 13))
    try:
        settings = load_settings(**arguments)
        address = settings.address()
    except HoldfastError as error:
        found("settings", error.message(), ok=False)
        return findings
    try:
        match address:
            case FileAddress():
                there = _examine_file(address.path.absolute(), settings, found)
            case ServerAddress():
                there = await _examine_server(address, settings, found)
            case _:
                assert_never(address)
        if there:
            await _examine_fleet(settings, found)
            await _examine_outboxes(settings, found)
    except HoldfastError as error:
        found("store", error.message(), ok=False)
    return findings


def _examine_file(path: Path, settings: Settings, found: Found) -> bool:
    found(
        "settings",
        f"store {settings.address().name}, lease {settings.lease_seconds:g} s, durability {settings.synchronous}",
    )
    folder = path.parent
    if not folder.is_dir():
        found("folder", f"{folder} is not there", ok=False)
        return False
    found("folder", folder, ok=os.access(folder, os.W_OK))
    free = shutil.disk_usage(folder).free
    found("free space", f"{free / 1024**3:.1f} GiB", ok=free >= FREE_BYTES_LOW)
    found("commit to disk", f"{_sync_seconds(folder) * 1000:.2f} ms")
    if not path.exists():
        found("store", "not made yet; the first start makes it")
        return False
    found("store", f"{path.stat().st_size / 1024**2:.1f} MiB")
    return True


async def _examine_server(address: ServerAddress, settings: Settings, found: Found) -> bool:
    found("settings", f"store {address.name}, lease {settings.lease_seconds:g} s")
    health = await examine(parse_address(address.text))
    found("server", f"PostgreSQL {health.version}, answers in {health.answer_seconds * 1000:.1f} ms")
    found("writable", "it follows another server" if health.is_replica else "yes", ok=not health.is_replica)
    found(
        "durability",
        f"synchronous_commit {health.synchronous_commit}, fsync {'on' if health.fsync else 'off'}",
        ok=health.is_durable,
    )
    used = f"{health.connections} of {health.connections_max}"
    found("connections", used, ok=health.connections < health.connections_max * CONNECTIONS_SHARE_HIGH)
    needed = await pending_migrations(settings)
    found("schema", f"{len(needed)} migrations to apply: holdfast migrate" if needed else "up to date", ok=not needed)
    if health.forbidden:
        found("permissions", f"not allowed to read and write: {', '.join(health.forbidden)}", ok=False)
    elif not needed:
        found("permissions", "all tables")
    return not needed


async def _examine_fleet(settings: Settings, found: Found) -> None:
    codec = load_codec(settings.encryption_keys)
    plain = open_at(settings.address(), synchronous=settings.synchronous)
    store: Any = plain if codec is None else EncryptedStore(plain, codec)
    await store.open()
    try:
        apart = await store.now() - time.time()
        found("clock", f"{abs(apart):.1f} s from the store's", ok=abs(apart) <= APART_SECONDS_MAX)
        await _examine_bus(settings, store, found)
        alive = [each for each in await store.members() if each.expires_at > time.time() + apart]
        found("members alive", ", ".join(f"{each.name} ({each.kind}, {each.state})" for each in alive) or "none")
        totals = await store.totals()
        found("runs", ", ".join(f"{count} {status}" for status, count in sorted(totals.runs.items())) or "none")
        found("parked runs", totals.runs.get("PARKED", 0), ok=not totals.runs.get("PARKED"))
    finally:
        await store.close()


async def _examine_outboxes(settings: Settings, found: Found) -> None:
    for each in settings.outboxes:
        try:
            there = await count_enqueued(each)
        except HoldfastError as error:
            found("outbox", error.message(), ok=False)
        else:
            counts = f"{there.waiting} runs to be moved, {there.refused} refused"
            found("outbox", f"{there.database}: {counts}", ok=not there.refused)


async def _examine_bus(settings: Settings, store: Any, found: Found) -> None:
    exchange = exchange_of(settings, lambda: store)
    if exchange is None:
        found("bus", "inside this machine" if settings.bus == "auto" else "none: work is found by looking for it")
        return
    try:
        seconds = await ring_through(exchange)
    except RefusedError as error:
        found("bus", f"{exchange.name}: {error.what}. {error.remedy}", ok=False)
    except CutOffError as error:
        found("bus", f"{exchange.name}: {error.why}", ok=False)
    else:
        found("bus", f"{exchange.name}, a ring takes {seconds * 1000:.1f} ms")


def _sync_seconds(folder: Path) -> float:
    """Return the median time of making a small write durable in `folder`."""
    probe = folder / f".holdfast-doctor-{os.getpid()}"
    times = []
    descriptor = os.open(probe, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        for _ in range(9):
            started = time.perf_counter()
            os.write(descriptor, b"x" * 4096)
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - started)
    finally:
        os.close(descriptor)
        probe.unlink()
    return sorted(times)[len(times) // 2]
