"""What code says about the hosts that it calls.

Owns: the rules of a host, and finding them.
Must not know: calls.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from holdfast.authoring import check_matches
from holdfast.errors import DefinitionError

IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
FENCING_HEADER: Final = "Fencing-Token"
CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 30.0
TOTAL_SECONDS: Final = 120.0
"""For one call with everything that belongs to it, redirects too. All are less where the attempt has less left."""
HOST_CHARACTERS_MAX: Final = 300
HOSTS_MAX: Final = 10_000

LEARNED_FROM: Final = 20
"""From how many answers a contract is learned where nobody says otherwise."""
LEARNED_FROM_MAX: Final = 10_000

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Terms:
    """How a contract is learned, and what code makes of what it speaks of."""

    answers: int = LEARNED_FROM
    """From how many answers."""
    matches: frozenset[str] = frozenset()
    """Paths of fields on which code matches: a text that was never seen there breaks it."""


@dataclass(frozen=True, slots=True)
class HostRules:
    """What holds for all calls of one host."""

    host: str = ""
    """Its name, with a port that is not its scheme's own."""
    idempotency_header: str | None = IDEMPOTENCY_HEADER
    """Which header carries the idempotency key; None for none."""
    fencing_header: str | None = FENCING_HEADER
    """Which header carries the fencing token; None for none."""
    connect_seconds: float = CONNECT_SECONDS
    read_seconds: float = READ_SECONDS
    total_seconds: float = TOTAL_SECONDS
    private: bool = False
    """Whether it may be on this machine, or one of its neighbours."""
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    """Sent with every call of this host, and to no other one."""
    terms: Terms | None = None
    """On which contracts of its answers are learned; None for not at all."""


DEFAULT: Final = HostRules()


class RuleBook:
    """The rules of all hosts that code said something about."""

    def __init__(self) -> None:
        """Begin without any."""
        self._rules: dict[str, HostRules] = {}

    def put(self, rules: HostRules) -> None:
        """Say what holds for a host from now on. Raises DefinitionError."""
        if len(self._rules) >= HOSTS_MAX and rules.host not in self._rules:
            raise DefinitionError(f"more than {HOSTS_MAX:,} hosts have rules of their own (HOSTS_MAX)")
        self._rules[rules.host] = rules

    def of(self, host: str) -> HostRules:
        """Return what holds for a host."""
        return self._rules.get(host, DEFAULT)


def check_terms(contract: object, learn_from: int, matches: Collection[str]) -> Terms | None:
    """Return how a contract is learned; None where none is. Raises DefinitionError."""
    if contract is None:
        return None
    if contract != "learn":
        raise DefinitionError(
            f"contract={contract!r} says nothing",
            remedy='Write contract="learn"; a type is said with each call: expect=',
        )
    if not 1 <= learn_from <= LEARNED_FROM_MAX:
        raise DefinitionError(f"a contract is learned from 1 to {LEARNED_FROM_MAX:,} answers, not from {learn_from}")
    return Terms(learn_from, check_matches(matches))


def check_host(name: str) -> str:
    """Return a host's name as calls know it: `api.example.com`, `localhost:8080`. Raises DefinitionError."""
    host = name.strip().lower().rstrip(".")
    if not host or len(host) > HOST_CHARACTERS_MAX or any(each in host for each in "/@?# "):
        raise DefinitionError(
            f"{name!r} is no name of a host",
            remedy='Write http.host("api.example.com"), with a port where it has one of its own: "localhost:8080".',
        )
    return host
