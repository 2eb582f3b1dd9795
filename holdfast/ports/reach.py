"""Which addresses a call may reach whose target somebody else has chosen.

Owns: what is public, and what is allowed besides.
Must not know: names of hosts and how they become addresses, connections.

A URL from outside may name this machine, its neighbours, or the place where a cloud keeps the machine's credentials. So
only public addresses are reached, whatever name led to them, and what the settings allow besides. Addresses that wrap
another one (IPv4 in IPv6, 6to4, Teredo, NAT64) are what they wrap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from holdfast.errors import SettingsError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]+", re.ASCII)
NAT64: Final = IPv6Network("64:ff9b::/96")
COMPATIBLE: Final = IPv6Network("::/96")
"""IPv4 in IPv6 as it was written long ago; `::` and `::1` are in it, too."""
NEVER: Final[tuple[Network, ...]] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("198.18.0.0/15"),
    IPv4Network("240.0.0.0/4"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("100::/64"),
    IPv6Network("2001:db8::/32"),
    IPv6Network("3fff::/20"),
    IPv6Network("5f00::/16"),
    IPv6Network("fec0::/10"),
)
"""Networks that are not public, and of which some Pythons say that they are."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where calls may go: every public address, and what is allowed besides."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()
    """Names whose addresses are not looked at."""

    @classmethod
    def allowing(cls, allowed: Iterable[str]) -> Reach:
        """Return the reach with these besides: addresses, networks such as `10.0.0.0/8`, or names of hosts.

        Raises:
            SettingsError: one of them is none of these.
        """
        networks: list[Network] = []
        hosts: set[str] = set()
        for each in allowed:
            try:
                networks.append(ip_network(each))
            except ValueError as error:
                name = each.lower().rstrip(".")
                if "/" in name or ":" in name or not name.strip(".") or name.replace(".", "").isdigit():
                    raise SettingsError(
                        f"{each!r} is no address, network or name of a host: {error}",
                        "Write 10.1.2.3, 10.0.0.0/8 or hooks.internal",
                    ) from None
                hosts.add(name)
        return cls(tuple(networks), frozenset(hosts))

    def and_also(self, other: Reach) -> Reach:
        """Return the reach of both."""
        if not (other.networks or other.hosts):
            return self
        return Reach(self.networks + other.networks, self.hosts | other.hosts)

    def allows(self, host: str, address: Address) -> bool:
        """Say whether `address` may be reached, to which the name `host` led."""
        return (
            is_public(address)
            or host.lower().rstrip(".") in self.hosts
            or any(address in each for each in self.networks if each.version == address.version)
        )


def read_address(text: str) -> Address:
    """Return an address as the system writes it, with or without its zone. Raises ValueError."""
    return ip_address(text.partition("%")[0])


def literal_address(host: str) -> Address | None:
    """Return the address that a URL's host is without being looked up; None when it is a name."""
    if host.lower().rstrip(".") == "localhost":
        return IPv4Address("127.0.0.1")
    try:
        return read_address(host)
    except ValueError:
        return _loose_address(host)


def _loose_address(host: str) -> IPv4Address | None:
    """Return the address that `127.1`, `2130706433` or `0x7f.1` is to the system; None when it is a name."""
    parts = host.split(".")
    if len(parts) > 4 or not all(map(_NUMBER.fullmatch, parts)):
        return None
    try:
        *head, last = (int(each, 8 if each[0] == "0" and each.isdigit() else 0) for each in parts)
        # The last number fills all bytes that are left.
        return IPv4Address(bytes(head) + last.to_bytes(4 - len(head), "big"))
    except (ValueError, OverflowError):
        return None


def is_public(address: Address) -> bool:
    """Say whether an address is one that anybody may be asked to call."""
    if isinstance(address, IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return is_public(inner)
    if any(address in each for each in NEVER if each.version == address.version):
        return False
    return address.is_global and not address.is_multicast


def _inner(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to, None when it is one of its own."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in NAT64 or address in COMPATIBLE:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None
