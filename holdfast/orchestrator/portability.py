"""Whether runs would fit on Temporal, for projects that want to be able to move there.

Owns: Temporal's limits, and that each run is warned of once.
Must not know: what is done about it, how pages are written.

Temporal ends a run at 51,200 events, and refuses a payload of more than 2 MiB. It has about three events for one of
ours: a task is asked for, started and done, and what comes of it wakes the code, which is three more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from holdfast.history import AnyEvent
from holdfast.observe import logger
from holdfast.orchestrator.live import Live

log = logger("holdfast.orchestrator")

PAYLOAD_BYTES_MAX: Final = 2 * 1024 * 1024
"""How long a payload may be on Temporal."""
EVENTS_MAX: Final = 51_200
"""How many events a history may have on Temporal."""
EVENTS_FOR_ONE: Final = 3
"""About how many events Temporal has for one of ours."""
EVENTS_WARNED: Final = EVENTS_MAX * 8 // 10 // EVENTS_FOR_ONE
"""From how many of ours on a run is warned of: a fifth of the way is left."""
WARNED_MAX: Final = 10_000
"""How many runs are remembered, so as to be warned of once."""

_PAYLOADS: Final = ("input", "result")


class Portability:
    """Warns of runs that would not fit on Temporal, once of each."""

    def __init__(self) -> None:
        """Remember of none."""
        self._warned: dict[tuple[int, str], None] = {}

    def look(self, run: Live, last: int, events: Iterable[AnyEvent]) -> None:
        """Look at events that were recorded of a run.

        Args:
            run: whose they are.
            last: number of its last event.
            events: with their payloads.
        """
        if last >= EVENTS_WARNED and self._is_first(run.execution_id, "events"):
            log.warning(
                "a run has so many events that it would soon be ended on Temporal",
                run_id=run.run_id,
                workflow=run.workflow,
                events=last,
                remedy=f"Temporal has about {EVENTS_FOR_ONE} events for one here, and takes {EVENTS_MAX:,}: go on as a "
                "new execution (continue_as_new) when run_info().should_continue_as_new says so.",
            )
        begun = run.execution.runtime.started
        for event in events if begun is None else (begun, *events):  # what it began with was written by somebody else
            for name in _PAYLOADS:
                payload = getattr(event, name, None)
                if isinstance(payload, bytes) and len(payload) > PAYLOAD_BYTES_MAX:
                    self._warn_of(run, event, len(payload))

    def _warn_of(self, run: Live, event: AnyEvent, size: int) -> None:
        if self._is_first(run.execution_id, "payload"):
            log.warning(
                "a run has a payload that Temporal would refuse",
                run_id=run.run_id,
                workflow=run.workflow,
                step=getattr(event, "step", ""),
                payload_bytes=size,
                remedy=f"Temporal takes {PAYLOAD_BYTES_MAX:,} bytes: keep the content in a file or an object store, "
                "and pass its address.",
            )

    def _is_first(self, execution_id: int, kind: str) -> bool:
        if (execution_id, kind) in self._warned:
            return False
        self._warned[execution_id, kind] = None
        if len(self._warned) > WARNED_MAX:
            del self._warned[next(iter(self._warned))]
        return True
