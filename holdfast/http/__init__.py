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
    from holdfast.http.contracts import LEARNED, endpoint_of_url
    from holdfast.http.learned import Learner, as_changes, seen_of_exchange
    from holdfast.http.proposals import propose_mappings
    from holdfast.http.recordings import Recording, recording_here
    from holdfast.http.results import LearnedResults
    from holdfast.http.rules import Terms

_HOMES: Final = {
    "FleetBoard": "boards",
    "ForbiddenAddressError": "connecting",
    "GuardedBackend": "connecting",
    "LEARNED": "contracts",
    "LearnedResults": "results",
    "Learner": "learned",
    "Outbound": "boards",
    "Recording": "recordings",
    "Terms": "rules",
    "as_changes": "learned",
    "endpoint_of_url": "contracts",
    "propose_mappings": "proposals",
    "recording_here": "recordings",
    "outbound": "boards",
    "seen_of_exchange": "learned",
}
"""What is loaded when it is first used: most code wants `http` alone, and a client only when it calls."""

__all__ = [
    "LEARNED",
    "CallOptions",
    "FleetBoard",
    "ForbiddenAddressError",
    "GuardedBackend",
    "Http",
    "LearnedResults",
    "Learner",
    "Outbound",
    "Recording",
    "SyncHttp",
    "Terms",
    "as_changes",
    "endpoint_of_url",
    "http",
    "outbound",
    "propose_mappings",
    "recording_here",
    "seen_of_exchange",
]


def __getattr__(name: str) -> Any:
    """Load a name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'holdfast.http' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"holdfast.http.{_HOMES[name]}"), name)
