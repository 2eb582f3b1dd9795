"""How the HTTP side is set up.

Owns: its settings, and where it may listen.
Must not know: how they were found, the server.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from holdfast.errors import SettingsError


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Settings of the HTTP side."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8765
    """Port to listen on; 0 takes a free one."""
    body_bytes_max: int = 8 * 1024 * 1024
    """Largest request body taken."""
    body_seconds_max: float = 30.0
    """How long a request body may take to arrive."""
    wait_seconds_max: float = 60.0
    """Longest wait of one request for a result or an answer."""
    keep_alive_seconds: float = 15.0
    """How often a stream of events says that it is still there."""
    streams_max: int = 100
    """How many streams of events are served at a time."""
    drain_seconds: float = 5.0
    """How long a server that stops waits for requests under way."""
    head_bytes_max: int = 32 * 1024
    """Largest head of a request taken: its address and its headers."""
    head_seconds_max: float = 10.0
    """How long the head of a request may take to arrive."""
    requests_max: int = 1_000
    """How many requests are served at a time, streams not counted."""
    rate_limit: str = ""
    """How many requests each key may make, such as `600/m`; empty for any number. A key's own limit goes before it."""
    allowed_hosts: tuple[str, ...] = ()
    """Further names, besides those of this machine, under which an API without keys may be addressed."""


def is_loopback(host: str) -> bool:
    """Say whether `host` can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False  # a name, which may mean anything


def check_bind(host: str, keys_exist: bool) -> None:  # noqa: FBT001 - one question, one answer
    """Refuse to listen where others can reach the API while nobody has to show a key.

    Raises:
        SettingsError: `host` is not a loopback address, and there are no keys.
    """
    if not keys_exist and not is_loopback(host):
        raise SettingsError(
            f"the controller would listen on {host!r}, where others reach it, and there are no API keys",
            "Make one first: holdfast keys create NAME --scope admin\nOr listen on this machine only: --host 127.0.0.1",
        )
