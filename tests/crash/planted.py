"""Bugs, planted to show that the checks see them.

Owns: one function for each bug, which changes the product in this process.
Must not know: the checks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

BUGS: Final[dict[str, Callable[[], None]]] = {}
