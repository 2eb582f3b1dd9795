"""Messages are applied before the page that they stand in is written.

Owns: which inputs are applied ahead, and what keeps their commands from acting too early.
Must not know: commits, the store, how commands are carried out.

Theory of operation
===================

A workflow goes on only after what it saw is durable. A message is: it lies in the inbox, was acknowledged, and waits
there in its order until it is history. So there is no need to write it a second time before code sees it. It is applied
when its page is about to be made, and the page has both, the message and what the code decided then: one commit where
there would be two, for every task through the queue, signal and child.

Nothing acts before that commit. Commands that are recorded before they act go into the page. If a drain has issued any
other (an attempt in this process, a side effect, the mark of a patch, which stands first in its page), all of its
commands are held until the page is durable, and nothing else is applied ahead. Inputs are applied one at a time, in the
order of the page, as ever. History cannot tell how it was written, but for one thing: an input that was applied ahead
says how many commands were issued before it, which only the first one of a page could.

A page that could not be written is written again, with the same entries in front: they were applied, and stay so.
"""

from __future__ import annotations

from holdfast.errors import HoldfastError
from holdfast.history import Input
from holdfast.orchestrator.dispatch import Dispatcher
from holdfast.orchestrator.live import Live


class Ahead:
    """Goes on with executions whose messages are durable."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        """Have `dispatcher` note down what code decides."""
        self._dispatcher = dispatcher

    def advance(self, live: Live) -> None:
        """Apply an execution's new messages, up to the first entry that is durable only with its page."""
        mailed, live.mailed = iter(live.mailed), []
        if live.closing is not None or live.held is not None:
            return
        execution, entries = live.execution, live.entries
        index = live.ahead
        while index < len(entries):  # more of them come with each drain
            entry = entries[index]
            index += 1
            if not isinstance(entry, Input):
                continue
            if next(mailed, None) is not entry:
                return
            entry.issued = execution.issued
            live.ahead = index
            try:
                commands = execution.advance(entry, live.last + index)  # type: ignore[arg-type]  # every Input is one
            except HoldfastError as error:
                live.held = error
                return
            if commands and not self._dispatcher.note_ahead(live, commands):
                live.held = commands
                return
        live.ahead = index
