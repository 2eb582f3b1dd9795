"""What is told of a task that failed, and what is answered: questions to agents and to persons.

Owns: the shapes of both.
Must not know: rules, who is asked, how an answer travels.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from holdfast.errors import InputError

RETRY: Final = "retry"
USE: Final = "use"
GIVE_UP: Final = "give_up"


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """A task that failed, as an agent or a person is told of it."""

    run_id: str
    execution: str
    step: str
    """The call that failed: `charge#1`."""
    task: str
    input: Any
    """What it was called with, as JSON values."""
    error: str
    """Name of the exception class, such as `CardDeclined`."""
    message: str
    attempts: int
    url: str = ""
    """Where the verdict is to be posted, once; empty for an agent, which returns it."""
    form: dict[str, Any] = {}
    """JSON Schema (draft 2020-12) of the verdict."""
    problem: str = ""
    """What was wrong with the verdict before; empty when this is the first question."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done about a task that failed.

    >>> Verdict(do="use", result={"receipt": "r-17"}).do
    'use'
    """

    do: Literal["retry", "use", "give_up"]
    """`retry` runs it again, `use` goes on with `result` as if it had returned that, `give_up` lets it fail."""
    input: Any = None
    """For `retry`: what it is called with instead, as JSON values. None is what it was called with before, under the
    same idempotency key."""
    result: Any = None
    """For `use`: what stands for its result, as JSON values."""


FORM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["do"],
    "additionalProperties": False,
    "properties": {
        "do": {"enum": [RETRY, USE, GIVE_UP]},
        "input": {"description": "For retry: what to call it with instead; absent for the same."},
        "result": {"description": "For use: what stands for its result."},
    },
}
"""JSON Schema of a verdict."""


class GivenVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A verdict as it came: values stay the text they came as."""

    do: Literal["retry", "use", "give_up"]
    input: msgspec.Raw = msgspec.Raw()
    result: msgspec.Raw = msgspec.Raw()


_decode: Final = msgspec.json.Decoder(GivenVerdict).decode


def read_verdict(answer: bytes) -> GivenVerdict:
    """Return a verdict as it was posted or returned. Raises InputError."""
    try:
        return _decode(answer)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise InputError("the verdict", (("", str(error)),)) from None
