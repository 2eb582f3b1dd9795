"""Which store code means that names none.

Owns: the order - the store that this process serves, else the settings - and that the answer stays the same; telling
processes that are started from here, such as those in which tasks run.
Must not know: what the store is for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from holdfast.app.settings import Settings, load_settings

STORE_VARIABLE: Final = "HOLDFAST_STORE"
BUS_VARIABLE: Final = "HOLDFAST_BUS"
KEYS_VARIABLE: Final = "HOLDFAST_ENCRYPTION_KEYS"
ALLOW_VARIABLE: Final = "HOLDFAST_OUTBOUND_ALLOW"

_served: Final[list[Settings]] = []
"""Settings of the stacks that run in this process, newest last. Task code finds its own stack's store by it."""
_found: Final[list[Settings]] = []
"""What the settings said when they were first asked, if they were."""


def serve(settings: Settings) -> Callable[[], None]:
    """Have code in this process, and in processes it starts, mean the store of `settings`; return what ends that."""
    fixed = in_place(settings)
    said = {STORE_VARIABLE: fixed.store, BUS_VARIABLE: fixed.bus}
    if fixed.encryption_keys:
        said[KEYS_VARIABLE] = json.dumps(fixed.encryption_keys)
    if fixed.outbound_allow:
        said[ALLOW_VARIABLE] = json.dumps(fixed.outbound_allow)
    before = {name: os.environ.get(name) for name in said}
    os.environ.update(said)
    _served.append(fixed)

    def end() -> None:
        if not any(each is fixed for each in _served):
            return
        _served[:] = [each for each in _served if each is not fixed]
        if os.environ.get(STORE_VARIABLE) != fixed.store:
            return  # it is somebody else's by now
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    return end


def default_settings() -> Settings:
    """Return the settings of code that names no store. Raises SettingsError."""
    if _served:
        return _served[-1]
    if not _found:
        # Once: a script that changes its folder, or its environment, does not mean another store from there on.
        _found.append(in_place(load_settings()))
    return _found[0]


def forget_default() -> None:
    """Ask the settings again next time."""
    _found.clear()


def in_place(settings: Settings) -> Settings:
    """Return `settings` with the paths of the store and of keys as they are from any other folder."""
    here = Path.cwd()
    address = settings.address().in_place(here)
    keys = tuple(
        f"file:{here / name}" if kind == "file" else f"{kind}{colon}{name}"
        for kind, colon, name in (each.partition(":") for each in settings.encryption_keys)
    )
    return settings.model_copy(update={"store": address.text, "encryption_keys": keys})
