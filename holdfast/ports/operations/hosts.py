"""Hosts that tasks call, as the fleet knows them together.

Owns: telling the store something about a host; how a host is shown.
Must not know: what it means, which `holdfast.ports.hosts` says.
"""

from __future__ import annotations

from holdfast.ports.hosts import HostFact, HostState
from holdfast.ports.operations.base import Value


class TellHost(Value, frozen=True):
    """Tell what was learned of a host, or ask for a turn. Result: a HostReply."""

    host: str
    fact: HostFact


class HostRecord(Value, frozen=True):
    """A host of which anything is known."""

    host: str
    state: HostState
