"""What is looked at in an answer that succeeded: whether it is as those before, and what the host gives up.

Owns: holding an answer against what was learned, by a mapping where one was accepted; saying once what will be gone.
Must not know: calls, what contracts say, where they are kept.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import EncryptionError, StoreError
from holdfast.http.contracts import LEARNED, drift, endpoint_of, mapped
from holdfast.http.retirements import Retirement, read_retirement
from holdfast.observe import logger
from holdfast.ports.operations import NoteRetirement

if TYPE_CHECKING:
    import httpx

    from holdfast.http.boards import Board
    from holdfast.http.learned import Learner
    from holdfast.http.rules import Terms
    from holdfast.ports.hosts import HostState
    from holdfast.ports.task import TaskContext

RETIRED_MAX: Final = 10_000
"""Of how many endpoints a process remembers that it told that they will be gone."""

NOT_MODIFIED: Final = 304

log = logger("holdfast.http")


class Watch:
    """Looks at answers."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._learner: Learner | None = None
        self._retired: dict[tuple[str, str], Retirement] = {}
        """What this process has told."""

    async def look(
        self,
        board: Board,
        host: str,
        answer: httpx.Response,
        terms: Terms | None,
        state: HostState | None,
        context: TaskContext | None,
        *,
        expect: Any,
    ) -> httpx.Response:
        """Look at an answer; return it, or what an accepted mapping makes of it.

        Args:
            board: where it stands what the fleet knows.
            host: who was called.
            answer: read to its end.
            terms: on which its contract is learned; None for not at all.
            state: how the host is.
            context: the running attempt, if there is one.
            expect: what code reads it as: then that decides what breaks, and the contract only notes.

        Raises:
            ApiDrift: it breaks the contract that was learned.
        """
        headers = answer.headers
        if "deprecation" in headers or "sunset" in headers:
            await self._note(board, host, answer, "" if context is None else context.info.run_id)
        if terms is None or answer.status_code == NOT_MODIFIED:  # that has nothing of its own
            return answer
        return await self._hold(board, host, answer, terms, state, only_notes=expect is not None)

    async def _note(self, board: Board, host: str, answer: httpx.Response, run_id: str) -> None:
        found = read_retirement(answer.headers)
        endpoint = endpoint_of(answer.request.method, answer.request.url.path)
        if found is None or self._retired.get((host, endpoint)) == found:
            return
        note = NoteRetirement(host, endpoint, found.deprecated_at, found.sunset_at, found.link, run_id)
        try:
            is_news = await board.note_retirement(note)
        except (StoreError, EncryptionError) as error:  # what the call came to matters more
            log.warning("what a host gives up could not be kept", host=host, error=str(error))
            return
        if len(self._retired) < RETIRED_MAX:
            self._retired[host, endpoint] = found
        if is_news:
            log.warning(
                "a host gives up what is called",
                host=host,
                endpoint=endpoint,
                deprecated_at=_day(found.deprecated_at),
                sunset_at=_day(found.sunset_at),
            )

    async def _hold(
        self,
        board: Board,
        host: str,
        answer: httpx.Response,
        terms: Terms,
        state: HostState | None,
        *,
        only_notes: bool,
    ) -> httpx.Response:
        # Loads what infers schemas, which few calls need.
        from holdfast.http.learned import Learner, as_changes, seen_of

        learner = self._learner = self._learner or Learner()
        request = answer.request
        where = (host, endpoint_of(request.method, request.url.path))
        steps = () if state is None else state.mappings.get(where[1], ())
        try:
            held = await learner.hold(board, where, seen_of(answer), terms, only_notes=only_notes)
            if held.breaking and steps and (as_before := mapped(answer, steps)) is not None:
                held = await learner.hold(board, where, seen_of(as_before), terms)
                if not held.breaking:
                    return as_before
        except (StoreError, EncryptionError) as error:  # as above
            log.warning("an answer could not be held against its contract", host=host, error=str(error))
            return answer
        if held.breaking:
            url = request.url
            shown = f"{url.scheme}://{host}{url.path}" + ("?…" if url.query else "")
            name = f"{LEARNED}{held.version}"
            raise drift((request.method, shown), *where, name, as_changes(held.breaking), answer.status_code)
        return answer


def _day(time: float | None) -> str | None:
    """Return a date of a log line."""
    return None if time is None else datetime.fromtimestamp(time, UTC).date().isoformat()
