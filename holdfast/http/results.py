"""Results of tasks, held against what results have been like, as answers of hosts are.

Owns: what of a result is held against its contract.
Must not know: tasks, what contracts say, where they are kept.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from holdfast.authoring import RESULT, host_of_task
from holdfast.errors import ApiDrift, EncryptionError, StoreError
from holdfast.http.boards import outbound_here
from holdfast.http.contracts import LEARNED
from holdfast.http.front import block_on
from holdfast.http.learned import Held, Learner, as_changes
from holdfast.http.rules import Terms
from holdfast.observe import logger
from holdfast.ports.contracts import Seen
from holdfast.ports.mappings import apply_mapping

KIND: Final = "application/json"

log = logger("holdfast.http")


class LearnedResults:
    """Holds results against what this process's board knows. Implements `holdfast.ports.results.Results`."""

    def __init__(self) -> None:
        """Begin with nothing compiled."""
        self._learner = Learner()

    async def refuse(self, task: str) -> None:
        """Make no attempt whose result is known not to be what is expected. Raises ApiDrift."""
        state = await outbound_here(is_task=True).board.look(host_of_task(task))
        if state is not None and RESULT in state.drifting:
            raise _drift(task, "its results are not as before, as another run found", LEARNED)

    def refuse_and_block(self, task: str) -> None:
        """Do the same, for code that blocks."""
        block_on(lambda: self.refuse(task))

    async def hold(self, task: str, result: bytes, matches: Collection[str]) -> bytes:
        """Hold a result against those before, or learn from it.

        Returns it, or what an accepted mapping makes of it. Raises ApiDrift.
        """
        terms = Terms(matches=frozenset(matches))
        try:
            held = await self._held(task, result, terms)
            if held.breaking and (as_before := await self.mapped(task, result)) is not None:
                held = await self._held(task, as_before, terms)
                if not held.breaking:
                    return as_before
        except (StoreError, EncryptionError) as error:  # what the task did matters more
            log.warning("a result could not be held against its contract", task=task, error=str(error))
            return result
        if held.breaking:
            name = f"{LEARNED}{held.version}"
            raise _drift(task, "its result is not as before", name, as_changes(held.breaking))
        return result

    def hold_and_block(self, task: str, result: bytes, matches: Collection[str]) -> bytes:
        """Do the same, for code that blocks."""
        return block_on(lambda: self.hold(task, result, matches))

    async def mapped(self, task: str, result: bytes) -> bytes | None:
        """Return what an accepted mapping makes of a result, as JSON text; None where there is none."""
        state = await outbound_here(is_task=True).board.look(host_of_task(task))
        steps = () if state is None else state.mappings.get(RESULT, ())
        if not steps:
            return None
        return msgspec.json.encode(apply_mapping(steps, msgspec.json.decode(result)))

    def mapped_and_block(self, task: str, result: bytes) -> bytes | None:
        """Do the same, for code that blocks."""
        return block_on(lambda: self.mapped(task, result))

    async def _held(self, task: str, result: bytes, terms: Terms) -> Held:
        seen = Seen(0, KIND, is_json=True, value=msgspec.json.decode(result) if result else None)
        board, where = outbound_here(is_task=True).board, (host_of_task(task), RESULT)
        return await self._learner.hold(board, where, seen, terms)


def _drift(task: str, reason: str, contract: str, changes: tuple[tuple[str, str, str], ...] = ()) -> ApiDrift:
    return ApiDrift("task", task, reason, host=host_of_task(task), endpoint=RESULT, contract=contract, changes=changes)
