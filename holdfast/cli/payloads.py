"""JSON on the command line.

Owns: reading an input argument, a file or standard input as one JSON value.
Must not know: what the value is for.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from holdfast.errors import InputError


def read_json(argument: str | None) -> Any:
    """Return the JSON value an argument stands for; None when there is no argument.

    Raises:
        InputError: it is not JSON, or the file cannot be read.
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
        raise InputError(f"input {argument}", (("", str(error)),)) from None
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = f"{error}. A text needs quotes of its own: '\"{argument}\"'" if argument.isidentifier() else str(error)
        raise InputError(f"input {argument!r}", (("", hint),)) from None
