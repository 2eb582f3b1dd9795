"""The dashboard: what a person sees who opens the controller's address in a browser.

Owns: pages, forms, log-ins, live updates.
Must not know: how runs are carried out, where anything is kept. What it shows and does goes through the nouns of the
controller's service, as what programs do over HTTP; it can do nothing that a program with the same key could not.

    ask     -> doors       who may: a session's cookie, stamps of forms, refusals as pages
    show    -> pages       templates, words, what a browser may load
    move    -> live        one look for all who watch the same thing; browsers fetch the page again
    nouns   -> overview, runs, run, ...   one module each, with its templates
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from holdfast.dashboard import (
    ai,
    assets,
    deliveries,
    drifts,
    fleet,
    keys,
    login,
    messages,
    overview,
    replaying,
    run,
    runs,
    schedules,
    starting,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    assets.router,
    login.router,
    overview.router,
    runs.router,
    run.router,
    messages.router,
    starting.router,
    fleet.router,
    ai.router,
    drifts.router,
    schedules.router,
    deliveries.router,
    replaying.router,
    keys.router,
)
"""Every page, to be handed to `create_app`."""

__all__ = ["ROUTERS"]
