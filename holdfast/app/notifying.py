"""Notices of this process: what the settings ask for, wired.

Owns: which secret notices are signed with, and where they may go.
Must not know: how a notice is sent.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from holdfast.app.capturing import holdfast_version
from holdfast.app.settings import Settings
from holdfast.controller.notices import (
    SECRET_BYTES,
    SECRET_NAME,
    Notifier,
    read_secret,
    sender,
    write_secret,
)
from holdfast.observe import Meters, read_reference
from holdfast.ports.bus import Bus
from holdfast.ports.operations import KeepSecret
from holdfast.ports.reach import Reach
from holdfast.ports.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.controller.notices import Sender


def make_notifier(settings: Settings, store: Store, bus: Bus, jitter: Callable[[], float], meters: Meters) -> Notifier:
    """Return what sends notices, and counts in `meters` what came of it.

    Raises:
        SettingsError: the secret cannot be read, or what is allowed is no address.
    """
    given = _given_secret(settings)
    reach = Reach.allowing(settings.notify_allow)

    async def make_sender() -> Sender:
        secret = given if given is not None else await _kept_secret(store)
        return sender(secret, reach, f"Holdfast/{holdfast_version() or 'dev'}")

    return Notifier(store, bus, make_sender, jitter, meters)


def new_notice_secret() -> str:
    """Return a new secret, as it is written down."""
    return write_secret(secrets.token_bytes(SECRET_BYTES))


async def notice_secret(settings: Settings, store: Store) -> str:
    """Return what notices are signed with, as receivers are given it. Raises SettingsError."""
    given = _given_secret(settings)
    return write_secret(given if given is not None else await _kept_secret(store))


def _given_secret(settings: Settings) -> bytes | None:
    reference = settings.notify_secret
    if not reference:
        return None
    return read_secret(
        read_reference(reference, "notify_secret", "secret of notices"), f"notify_secret = {reference!r}"
    )


async def _kept_secret(store: Store) -> bytes:
    kept: bytes
    (kept,) = await store.write([KeepSecret(SECRET_NAME, secrets.token_bytes(SECRET_BYTES))])
    return kept
