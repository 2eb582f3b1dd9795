"""Calls that were recorded, and that a replay answers from there instead of making them.

Owns: what is kept of a call, and finding the recorded answer for one.
Must not know: histories, stores, who replays.

A recording is served in the order in which it was made, target by target: the first call of `GET /prices/7` is answered
as the first one was. The query and the body are not compared: times and nonces in them change with every attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import httpx

from holdfast.errors import CallFailedError, CallRefusedError
from holdfast.history import EXCHANGE_BYTES_MAX, EXCHANGES_MAX, Exchange

if TYPE_CHECKING:
    from holdfast.ports.mappings import Step
    from holdfast.ports.task import TaskContext

KEPT_HEADERS: Final = ("content-type", "etag", "last-modified", "link", "location")
"""What is kept of an answer's headers: what says how to read it, and nothing that lets anybody in."""


recording_here: ContextVar[Recording] = ContextVar("holdfast_recording")
"""What answers instead of hosts where the code of a replay runs."""


class Recording:
    """Answers of the past, by step."""

    def __init__(
        self,
        exchanges: Mapping[str, Sequence[Exchange]],
        *,
        strict: bool = False,
        mappings: Mapping[str, tuple[Step, ...]] | None = None,
    ) -> None:
        """Serve `exchanges`.

        Args:
            exchanges: by step.
            strict: refuses every call that is not among them, instead of making it.
            mappings: by what is called, how an answer of a new shape is read.
        """
        self.strict = strict
        self.mappings = mappings or {}
        self.is_over = False
        """Whether a call was refused because it was never made."""
        self.served = 0
        """How many calls were answered from it."""
        self._exchanges = exchanges
        self._taken: WeakKeyDictionary[TaskContext, list[Exchange]] = WeakKeyDictionary()

    def answer(self, context: TaskContext, request: httpx.Request, shown: str) -> httpx.Response | None:
        """Return the recorded answer to a call; None where it is to be made.

        Raises:
            CallFailedError: there was no answer then, either.
            CallRefusedError: it is not recorded, and must not be made.
        """
        left = self._taken.get(context)
        if left is None:  # each attempt begins anew
            left = self._taken[context] = list(self._exchanges.get(context.info.step, ()))
        target = _target(request.url)
        found = next((each for each in left if (each.method, _target(each.url)) == (request.method, target)), None)
        if found is None or found.cut:
            if not self.strict:
                return None
            self.is_over = found is None
            what = "its answer was too long to be recorded" if found is not None else "it is not in the recording"
            raise CallRefusedError(request.method, shown, what)
        left.remove(found)
        self.served += 1
        if not found.status:
            raise CallFailedError(request.method, shown, found.reason)
        return httpx.Response(found.status, headers=found.headers, content=found.body, request=request)


def keep(context: TaskContext, request: httpx.Request, answer: httpx.Response | None, reason: str = "") -> None:
    """Note a call of an attempt, and its answer, or why there was none."""
    if len(context.exchanges) >= EXCHANGES_MAX:
        return
    # Neither a query, which may carry a key, nor a name and password.
    url, sent = _target(request.url), _sent(request)
    if answer is None:
        exchange = Exchange(request.method, url, reason=reason, request=sent)
    else:
        body, headers = answer.content, answer.headers
        kept = {name: headers[name] for name in KEPT_HEADERS if name in headers}
        cut = len(body) > EXCHANGE_BYTES_MAX
        exchange = Exchange(request.method, url, answer.status_code, "", kept, sent, b"" if cut else body, cut)
    context.exchanges = (*context.exchanges, exchange)


def _sent(request: httpx.Request) -> bytes:
    try:
        content = request.content
    except httpx.RequestNotRead:  # a form with files
        return b""
    return content if len(content) <= EXCHANGE_BYTES_MAX else b""


def _target(url: httpx.URL | str) -> str:
    return str(url).partition("?")[0]
