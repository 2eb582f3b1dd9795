"""JSON on the command line.

Owns: reading an input argument, a file or standard input as one JSON value.
Must not know: what the value is for.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from holdfast.errors import UsageError


def read_json(argument: str | None) -> Any:
    """Return the JSON value an argument stands for; None when there is no argument.

    Raises:
        UsageError: it is not JSON, or the file cannot be read.
    """
    if argument is None:
        return None
    try:
        if argument == "-":
            content = sys.stdin.buffer.read()
        elif argument.startswith("@"):
            content = Path(argument[1:]).read_bytes()
        else:
            content = argument.encode("utf-8", "surrogateescape")
    except OSError as error:
        raise UsageError(f"input {argument} cannot be read: {error}", "Name a file that is there: @FILE.") from None
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        remedy = "A text needs quotes of its own" + (f": '\"{argument}\"'" if argument.isidentifier() else ".")
        raise UsageError(f"input {argument!r} is no JSON: {error}", remedy) from None
