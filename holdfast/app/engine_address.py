"""Which engine runs workflows: the one of this process, or a Temporal cluster.

Owns: how the setting `engine` is written.
Must not know: how an engine is opened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

EMBEDDED: Final = "embedded"
TEMPORAL_PREFIX: Final = "temporal://"

_TEMPORAL: Final = re.compile(r"temporal://(?P<target>[^/?#@\s]+:[1-9]\d{0,4})/(?P<namespace>[^/?#\s]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class TemporalAddress:
    """A namespace of a Temporal cluster."""

    target: str
    """HOST:PORT of its frontend."""
    namespace: str


def engine_address(engine: str) -> TemporalAddress | None:
    """Return the cluster that the setting `engine` names, None for the embedded engine.

    Raises:
        ValueError: it is neither.
    """
    if engine == EMBEDDED:
        return None
    found = _TEMPORAL.fullmatch(engine)
    if found is None:
        raise ValueError("it is embedded, or temporal://HOST:PORT/NAMESPACE")
    return TemporalAddress(found["target"], found["namespace"])
