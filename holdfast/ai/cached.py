"""The long text that many prompts begin with, and what it is known by.

Owns: `cached`, `Cached`, and that the same text is the same bytes whenever it is sent.
Must not know: models, what a cache of theirs is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from holdfast.errors import DefinitionError

Retention: TypeAlias = Literal["5m", "30m", "1h", "12h"]
"""For how long a prefix is wanted. A provider that has no such time takes the next shorter one it has."""

SECONDS: Final[dict[str, float]] = {"5m": 300.0, "30m": 1_800.0, "1h": 3_600.0, "12h": 43_200.0}
DIGEST_CHARACTERS: Final = 32
NAME_CHARACTERS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Cached:
    """A prefix of prompts that is to be kept by whoever computes with it.

    >>> cached("You know the manual by heart.", name="manual").digest
    'fec7dd56a7a7ed0d0e20ab6a2d4ee5a2'
    """

    text: str
    ttl: Retention = "5m"
    name: str = ""
    """What people call it; the first characters of its digest when empty."""
    digest: str = field(init=False, compare=False)
    """Known by its content alone: hexadecimal, 32 characters of SHA-256."""

    def __post_init__(self) -> None:
        """Check every field; raises DefinitionError."""
        what = f"cached(name={self.name!r})"
        text: Any = self.text
        if not isinstance(text, str) or not text.strip():
            raise DefinitionError(f"the text of {what} is empty", remedy="Give the text, or a pathlib.Path to it.")
        if self.ttl not in get_args(Retention):
            known = ", ".join(repr(each) for each in get_args(Retention))
            raise DefinitionError(f"ttl of {what} is {self.ttl!r}: it has to be one of {known}")
        name: Any = self.name
        if not isinstance(name, str) or len(name) > NAME_CHARACTERS_MAX:
            raise DefinitionError(f"the name of {what} has to be text of at most {NAME_CHARACTERS_MAX} characters")
        digest = hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_CHARACTERS]
        object.__setattr__(self, "digest", digest)
        object.__setattr__(self, "name", self.name or digest[:8])

    @property
    def seconds(self) -> float:
        """For how long it is wanted, in seconds."""
        return SECONDS[self.ttl]


def cached(source: str | Path, *, ttl: Retention = "5m", name: str = "") -> Cached:
    r"""Return the prefix of prompts that is `source`.

    Line ends of a file become `\n`, so that the bytes are the same wherever it is read.

    Args:
        source: the text itself, or the path of a file in UTF-8.
        ttl: for how long it is wanted after each use.
        name: what people call it; the file's name when empty.

    Raises:
        DefinitionError: there is no such file, it is no text, or it is empty.
    """
    if not isinstance(source, Path):
        return Cached(source, ttl, name)
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(
            f"cached({str(source)!r}) cannot be read: {error}", remedy="It has to be a text file in UTF-8."
        ) from error
    return Cached(text, ttl, name or source.name)
