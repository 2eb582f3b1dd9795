"""What is said where the library that speaks to providers is not installed.

Owns: `installed`.
Must not know: what is imported of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.errors import MissingExtraError


@contextmanager
def installed() -> Iterator[None]:
    """Import the library in here. Raises MissingExtraError where it is not installed."""
    try:
        yield
    except ImportError:
        raise MissingExtraError("holdfast.ai", "ai") from None
