"""Paths whose parts hold a slash, as ids of runs may: it is written `%2F`, and separates nothing.

Owns: how such a path is matched.
Must not know: what any part names.

Servers decode a path before anybody matches it, and then `/v1/runs/order%2F17` looks like three parts. So what was sent
is matched here, with a stand-in for each slash that was written so: a lone surrogate, which no decoded path can hold.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

_SLASH: Final = re.compile(rb"%2f", re.IGNORECASE)
_HELD: Final = "\udc2f"


class SegmentRoute(APIRoute):
    """A route whose parameters may hold slashes."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Say whether a request is for this route, and with which parameters."""
        raw = scope.get("raw_path") or b""
        if scope["type"] != "http" or _SLASH.search(raw) is None:
            return super().matches(scope)
        sent = _HELD.join(unquote(part.decode("latin-1")) for part in _SLASH.split(raw))
        match, found = super().matches({**scope, "path": sent})
        if "path_params" in found:
            found["path_params"] = {name: _whole(value) for name, value in found["path_params"].items()}
        return match, found


def _whole(value: object) -> object:
    return value.replace(_HELD, "/") if isinstance(value, str) else value
