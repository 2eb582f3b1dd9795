"""Calls to outside systems: `http`, and what makes its calls safe.

Owns: calls, connections that reach what they may, and what a process knows of the hosts that it calls.
Must not know: what is called, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from holdfast.http.front import CallOptions, Http, SyncHttp, http

if TYPE_CHECKING:
    from holdfast.http.boards import FleetBoard, Outbound, outbound
    from holdfast.http.connecting import ForbiddenAddressError, GuardedBackend
    from holdfast.http.contracts import endpoint_of_url
    from holdfast.http.proposals import propose_mappings
    from holdfast.http.recordings import Recording, recording_here

_HOMES: Final = {
    "FleetBoard": "boards",
    "ForbiddenAddressError": "connecting",
    "GuardedBackend": "connecting",
    "Outbound": "boards",
    "Recording": "recordings",
    "endpoint_of_url": "contracts",
    "propose_mappings": "proposals",
    "recording_here": "recordings",
    "outbound": "boards",
}
"""What is loaded when it is first used: most code wants `http` alone, and a client only when it calls."""

__all__ = [
    "CallOptions",
    "FleetBoard",
    "ForbiddenAddressError",
    "GuardedBackend",
    "Http",
    "Outbound",
    "Recording",
    "SyncHttp",
    "endpoint_of_url",
    "http",
    "outbound",
    "propose_mappings",
    "recording_here",
]


def __getattr__(name: str) -> Any:
    """Load a name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'holdfast.http' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"holdfast.http.{_HOMES[name]}"), name)
