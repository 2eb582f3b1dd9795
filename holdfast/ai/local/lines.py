"""The two lines that are exchanged between a process that serves a model and whoever started it.

Owns: `Wanted`, `Began`.
Must not know: what is done with them.
"""

from __future__ import annotations

from typing import Final

import msgspec

NOT_INSTALLED: Final = "not installed"
REFUSED: Final = "refused"


class Wanted(msgspec.Struct, frozen=True):
    """What is to be served."""

    path: str
    ctx: int
    slots: int
    threads: int
    kv_dir: str
    key: str
    exact: bool = False
    port: int = 0
    """Where to listen; anywhere when 0."""


class Began(msgspec.Struct, frozen=True):
    """Where it is served, or why it is not."""

    url: str = ""
    version: str = ""
    """Of the library: what it wrote to disk is read by the same version alone."""
    problem: str = ""
    detail: str = ""
