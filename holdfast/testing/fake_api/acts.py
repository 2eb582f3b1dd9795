"""What a fake API does with one request instead of answering it properly.

Owns: the acts, as values.
Must not know: connections, what is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer this, and have no effect."""

    status: int = 200
    body: Any = None
    """Text as it is, anything else as JSON."""
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class Behave:
    """Answer properly: what stands between others, so that they do not all come at once."""


@dataclass(frozen=True, slots=True)
class TooMany:
    """Answer 429, and have no effect."""

    retry_after: str | None = "1"
    """Seconds or a date, as they stand in the header; None leaves it out."""
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class ResetBefore:
    """Reset the connection, and have no effect."""


@dataclass(frozen=True, slots=True)
class ResetAfter:
    """Do what was asked for, and reset the connection instead of answering."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Do what was asked for, and say nothing until the caller goes."""


@dataclass(frozen=True, slots=True)
class SlowBody:
    """Do what was asked for, answer one half, and keep the other until the caller goes."""


@dataclass(frozen=True, slots=True)
class Truncate:
    """Do what was asked for, announce the whole answer, and close the connection after one half of it."""


@dataclass(frozen=True, slots=True)
class WrongType:
    """Do what was asked for, and answer 200 with something else than JSON, as proxies and login pages do."""

    content_type: str = "text/html"
    body: str = "<html><body>Please sign in.</body></html>"


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the caller elsewhere, and have no effect."""

    to: str
    status: int = 302


Act: TypeAlias = (
    Answer | Behave | TooMany | ResetBefore | ResetAfter | Hang | SlowBody | Truncate | WrongType | Redirect
)
