"""`holdfast verify`, `prune` and `doctor`: keep a system in order."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.app import Client, load_settings, make_key, verify_store
from holdfast.authoring import read_duration
from holdfast.cli.output import Exit, Output
from holdfast.cli.verbs import JsonOption, StoreOption, run_verb, shown, with_client
from holdfast.errors import HoldfastError
from holdfast.ports.operations import Prune, PruneAudit, PruneDeliveries, PruneKeys

encryption = typer.Typer(help="Keys that payloads are encrypted with.", no_args_is_help=True)

FREE_BYTES_LOW = 1024**3


@encryption.command("new-key")
def new_encryption_key(as_json: JsonOption = False) -> None:
    """Make a key; it is shown this once, and nothing remembers it."""
    output = Output(as_json=as_json)
    output.fields({"key": make_key()})


def verify(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Check that what is stored is what was written; changes nothing."""
    output = Output(as_json=as_json)
    report = shown(output, lambda: verify_store(load_settings(store=store)))
    if output.as_json:
        output.value(report)
    else:
        for problem in report.problems:
            output.console.print(f"[red]damaged[/]  {problem}", markup=True)
        for note in report.notes:
            output.console.print(f"[yellow]not checked[/]  {note}", markup=True)
        output.fields(
            {
                "executions": report.executions,
                "events": report.events,
                "commits": report.commits,
                "problems": report.problem_count,
                "not covered": ", ".join(report.uncovered),
            }
        )
    if not report.ok:
        raise typer.Exit(Exit.FAILED)


def prune(
    older_than: Annotated[
        str,
        typer.Option(metavar="AGE", help="Runs that ended, and deliveries that came, longer ago than this: 30d, 12h."),
    ],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let go of histories of runs that ended long ago, old deliveries and audit entries; ids and results stay."""
    output = Output(as_json=as_json)

    async def body(client: Client) -> None:
        before = await client.store.now() - read_duration(older_than, "--older-than")
        uncaptured = not load_settings(store=store).capture_failures
        runs = payloads = 0
        after: int | None = 0
        while after is not None:
            (pruned,) = await client.store.write([Prune(before, after, uncaptured=uncaptured)])
            runs, payloads, after = runs + pruned.executions, payloads + pruned.payloads, pruned.next_after
        entries = went = await _prune_audit(client, before)
        while went:
            went = await _prune_audit(client, before)
            entries += went
        deliveries = 0
        while forgotten := (await client.store.write([PruneDeliveries(before)]))[0]:
            deliveries += forgotten
        output.fields(
            {
                "executions": runs,
                "payloads": payloads,
                "deliveries": deliveries,
                "audit entries": entries,
                "idempotency keys": await _prune_keys(client, before),
            }
        )

    with_client(output, store, body)


async def _prune_audit(client: Client, before: float) -> int:
    (went,) = await client.store.write([PruneAudit(before)])
    return int(went)


async def _prune_keys(client: Client, before: float) -> int:
    keys = 0
    after: int | None = 0
    while after is not None:
        (pruned,) = await client.store.write([PruneKeys(before, after)])
        keys, after = keys + pruned.keys, pruned.next_after
    return keys


def doctor(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Check versions, settings, the store and its disk."""
    output = Output(as_json=as_json)

    async def body() -> list[dict[str, Any]]:
        return await _examine(store)

    findings = run_verb(output, body)
    output.rows(("check", "ok", "found"), findings)
    if not all(each["ok"] for each in findings):
        raise typer.Exit(Exit.FAILED)


async def _examine(store: str | None) -> list[dict[str, Any]]:
    findings: list[dict[str, Any]] = []

    def found(check: str, what: object, *, ok: bool = True) -> None:
        findings.append({"check": check, "ok": ok, "found": str(what)})

    found("python", platform.python_version(), ok=(3, 11) <= sys.version_info[:2] <= (3, 13))
    try:
        settings = load_settings(store=store)
        path = settings.sqlite_path().absolute()
    except HoldfastError as error:
        found("settings", error.message(), ok=False)
        return findings
    found("settings", f"store {settings.store}, lease {settings.lease_seconds:g} s, durability {settings.synchronous}")
    folder = path.parent
    if not folder.is_dir():
        found("folder", f"{folder} is not there", ok=False)
        return findings
    found("folder", folder, ok=os.access(folder, os.W_OK))
    free = shutil.disk_usage(folder).free
    found("free space", f"{free / 1024**3:.1f} GiB", ok=free >= FREE_BYTES_LOW)
    found("commit to disk", f"{_sync_seconds(folder) * 1000:.2f} ms", ok=True)
    if not path.exists():
        found("store", "not made yet; the first start makes it")
        return findings
    try:
        async with await Client.connect(settings.store) as client:
            skew = abs(await client.store.now() - time.time())
            found("store", f"{path.stat().st_size / 1024**2:.1f} MiB", ok=True)
            found("clock", f"{skew:.1f} s from the store's", ok=skew < 1.0)
            alive = [each for each in await client.store.members() if each.expires_at > time.time()]
            found("members alive", ", ".join(f"{each.name} ({each.kind}, {each.state})" for each in alive) or "none")
            totals = await client.store.totals()
            found("runs", ", ".join(f"{count} {status}" for status, count in sorted(totals.runs.items())) or "none")
            found("parked runs", totals.runs.get("PARKED", 0), ok=not totals.runs.get("PARKED"))
    except HoldfastError as error:
        found("store", error.message(), ok=False)
    return findings


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
