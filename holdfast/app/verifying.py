"""Checking a store that nobody has to run for it.

Owns: finding the check that fits the store, and the one of a store on a server.
Must not know: how a file is checked.

A database on a server has checksums, backups and replicas of its own, and nobody but its operators can look beneath it.
What can be known from outside is whether each history is the one that was written: its pages are chained by hashes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, assert_never

from holdfast.app.address import FileAddress, ServerAddress
from holdfast.app.encryption import load_codec
from holdfast.app.opening import open_at
from holdfast.errors import HistoryError
from holdfast.history import verify_chain
from holdfast.stores import VerifyReport, verify

if TYPE_CHECKING:
    from holdfast.app.settings import Settings

SERVER_UNCOVERED: Final = ("everything but histories",)


def verify_store(settings: Settings) -> VerifyReport:
    """Check that the store holds what was written; change nothing.

    Raises:
        SettingsError: the settings name no store that can be checked.
        StoreError: there is no store there.
        MissingExtraError: the extra `encryption` is not installed.
    """
    address = settings.address()
    match address:
        case FileAddress():
            return verify(address.path, codec=load_codec(settings.encryption_keys))
        case ServerAddress():
            return asyncio.run(_verify_histories(address))
        case _:
            assert_never(address)


async def _verify_histories(address: ServerAddress) -> VerifyReport:
    """Follow each execution's chain of pages, newest execution first."""
    report = VerifyReport(uncovered=SERVER_UNCOVERED)
    store = open_at(address)
    await store.open()
    try:
        newest, _ = await store.runs(limit=1)
        for execution in range(newest[0].execution_id if newest else 0, 0, -1):
            if await store.execution(execution) is None:
                continue  # a number that was drawn and not used
            report.executions += 1
            pages = await store.pages(execution)
            report.pages += len(pages)
            if any(not page.body for page in pages):
                continue  # pruned: hashes without what they were made of
            try:
                last, _ = verify_chain(pages)
                report.events += last
            except HistoryError as error:
                report.add(f"execution {execution}: {error.message()}")
    finally:
        await store.close()
    return report
