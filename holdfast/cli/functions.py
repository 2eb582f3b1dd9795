"""`module:function` on the command line.

Owns: finding what it names.
Must not know: what is done with it.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from holdfast.errors import UnknownNameError


def resolve(name: str) -> Any:
    """Return the task or function `module:function` names; a name without a colon is returned as it is.

    Raises:
        UnknownNameError: there is no such module or function.
    """
    if ":" not in name:
        return name
    module_name, _, qualname = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Any = importlib.import_module(module_name)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise UnknownNameError(
            "function", name, remedy=f"{error}. Write MODULE:FUNCTION, and stand where the module is."
        ) from None
    return found
