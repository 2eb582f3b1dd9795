"""What an outside system signs and sends, and whoever checks that.

Owns: a delivery that was found to be genuine, and the port of those that find out.
Must not know: how anything is signed, what is done with a delivery, HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeAlias

HeaderPairs: TypeAlias = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
"""The headers of a request: a mapping, or (name, value) pairs, in which a name given twice can be seen."""

NOWHERE: Final = ""
"""Stands for an expression where there is none."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a sender signed, and nobody changed since."""

    body: bytes
    """Exactly what was signed."""
    id: str = ""
    """Names the delivery, as a header says it: sent again, it has the same one. Empty where only the body may say."""
    event: str = ""
    """What it is about, as a header says it; empty where only the body may say."""
    signed_at: datetime | None = None
    """When it was signed, where that is a part of what was signed."""
    is_bound: bool = True
    """Whether time or id are a part of what was signed; else the same body can be sent again under another id."""


class Verifier(Protocol):
    """Checks signatures. A pure value: all it knows is where the secrets are."""

    @property
    def id_in_body(self) -> str:
        """Expression that finds a delivery's id, where no header says it; NOWHERE for none."""

    @property
    def event_in_body(self) -> str:
        """Expression that finds what a delivery is about, where no header says it; NOWHERE for none."""

    @property
    def signature_headers(self) -> tuple[str, ...]:
        """Names of the headers that nobody may see later, in lower case."""

    def verify(self, headers: HeaderPairs, raw_body: bytes, *, now: datetime) -> Delivery:
        """Return what was signed.

        Args:
            headers: of the request.
            raw_body: its body as it came, before anything was read in it.
            now: the time, with a zone.

        Raises:
            SignatureError: it was not signed like this, with one of the secrets, and about now.
            SettingsError: a secret is not where it should be.
        """

    def check(self) -> None:
        """Make sure that every secret is where it should be. Raises SettingsError."""
