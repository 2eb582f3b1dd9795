"""Modules named on the command line.

Owns: importing them, and showing only the user's own lines when that fails.
Must not know: what is done with what they define.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from holdfast.authoring import Registry
from holdfast.errors import DefinitionError, HoldfastError, SettingsError

ModulesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="MODULE...", help="Modules with workflows and tasks.", show_default=False)
]


def load_registry(names: list[str]) -> Registry:
    """Return what the named modules define.

    Raises:
        SettingsError: none was named.
        DefinitionError: one cannot be found or imported; the user's own line is named.
    """
    if not names:
        raise SettingsError(
            "no module was named",
            "Name the modules with your workflows as arguments, by --module where that is an option, or by a setting: "
            'modules = ["automations"]',
        )
    if "" not in sys.path:
        sys.path.insert(0, "")  # modules of the folder one stands in, as `python -m` has it
    try:
        return Registry.from_modules(*names)
    except HoldfastError:
        raise
    except Exception as error:  # noqa: BLE001 - a module may raise anything
        # Whatever the user's module raised: their lines are the answer, ours and importlib's are not.
        frames = [each for each in traceback.extract_tb(error.__traceback__) if _is_theirs(each.filename)]
        where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        lines = "".join(traceback.format_list(frames)).rstrip()
        raise DefinitionError(
            f"{', '.join(names)} cannot be imported: {type(error).__name__}: {error}", where, lines
        ) from None


def _is_theirs(filename: str) -> bool:
    return not filename.startswith("<") and "importlib" not in filename and not filename.startswith(_HOLDFAST)


_HOLDFAST = os.path.dirname(os.path.dirname(__file__)) + os.sep  # noqa: PTH120 - compared with frames' names, as text
