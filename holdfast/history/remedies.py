"""What is done about a task that failed, instead of raising that in its workflow.

Owns: the shape in which that is decided where a task fails, and recorded with its outcome.
Must not know: rules, who decides, how it is carried out.

It says all that carrying it out needs. So a replay does what was decided then, whatever the rules have become.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from holdfast.errors import HistoryError
from holdfast.history.commands import TaskOptions

FALLBACK: Final = "fallback"
"""Another task is given the same input, and its result stands for the one that failed."""
AGENT: Final = "agent"
"""A task is told of the trouble, and its result is the verdict."""
PERSON: Final = "person"
"""A task tells a person of the trouble, and what is posted to a one-time URL is the verdict."""


class Remedy(msgspec.Struct, frozen=True):
    """What to do about a failure."""

    kind: str
    """FALLBACK, AGENT or PERSON."""
    task: str
    """What is called for it."""
    options: TaskOptions
    """How that is to be run."""
    again: TaskOptions
    """How the failed one is run again, where a verdict says so: with its idempotency key."""
    within: float = 0.0
    """How long a verdict may take, in seconds; 0 is as long as it takes."""

    def encode(self) -> str:
        """Return it as it is recorded: JSON text, options without what they say by default."""
        said: dict[str, Any] = {"kind": self.kind, "task": self.task}
        for name, options in (("options", self.options), ("again", self.again)):
            said[name] = {each: value for each, value in msgspec.to_builtins(options).items() if value != _usual[each]}
        if self.within:
            said["within"] = self.within
        return _encode(said).decode()


_usual: Final[dict[str, Any]] = msgspec.to_builtins(TaskOptions())
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Remedy).decode


def decode_remedy(text: str) -> Remedy:
    """Return a remedy as it was recorded. Raises HistoryError."""
    try:
        return _decode(text)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise HistoryError(f"what was to be done about a failure cannot be read: {error}") from None
