"""The inbox of webhooks, for tools that stand beside the controller.

Owns: wiring it to a store.
Must not know: command lines, HTTP.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from holdfast.app.settings import Settings
from holdfast.app.stack import Stack
from holdfast.authoring import Registry
from holdfast.controller.webhooks import Desk, DeskOptions, Inbox, read_webhooks


@contextlib.asynccontextmanager
async def open_inbox(settings: Settings, registry: Registry | None = None) -> AsyncIterator[Inbox]:
    """Give the inbox of the store of `settings` while the block lasts.

    Args:
        settings: see Settings.
        registry: the workflows and webhooks by which deliveries are carried out again; None only reads.

    Raises:
        SettingsError, StoreError: the store cannot be opened.
        DefinitionError, UnknownNameError: a webhook cannot work.
    """
    known = Registry() if registry is None else registry
    stack = Stack(settings, known, roles=())
    await stack.open()
    try:
        options = desk_options(settings, declared=registry is not None)
        desk = Desk(stack.engine, known, stack.store, stack.clock, options)
        yield Inbox(stack.store, desk)
    finally:
        await stack.close()


def desk_options(settings: Settings, *, declared: bool = True) -> DeskOptions:
    """Return what settings say about webhooks and about what is secret in what they are sent.

    Args:
        settings: see Settings.
        declared: whether the webhooks that they declare are wanted.

    Raises:
        SettingsError: a table of a webhook says what cannot work.
    """
    return DeskOptions(
        read_webhooks(settings.webhooks) if declared else (),
        settings.redact_keys,
        settings.redact_patterns,
        settings.redact_emails,
    )
