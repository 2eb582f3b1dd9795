"""Durations on the command line: `30s`, `5m`, plain numbers of seconds.

Owns: how an option takes one.
Must not know: any verb, the notation.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from holdfast.authoring import read_duration
from holdfast.errors import DefinitionError


def duration(given: str | float) -> float:
    """Return an option's duration in seconds; a default comes as the number it is."""
    try:
        return read_duration(given, "it", zero=True)
    except DefinitionError as error:
        raise typer.BadParameter(f"{error.what}. {error.remedy}") from None


WaitTimeOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--timeout", parser=duration, metavar="DURATION", help="How long to wait at most: 30s, 5m.", show_default=False
    ),
]
AnswerTimeOption: TypeAlias = Annotated[
    float,
    typer.Option("--timeout", parser=duration, metavar="DURATION", help="How long to wait for the answer: 30s, 5m."),
]
