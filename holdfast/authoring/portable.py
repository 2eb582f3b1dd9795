"""What a module's source asks for that there is not on Temporal, and that no declaration shows.

Owns: the calls that are looked for.
Must not know: what is declared: that says the registry. How a module is imported.

Only what is written down is seen: a call by its own name, an option by its keyword.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

from holdfast.authoring.bindings import Dotted, module_scope
from holdfast.authoring.culprit import place
from holdfast.authoring.source import source_of_file

STARTS: Final = frozenset({"start", "signal_with_start"})
"""Methods of clients whose `notify=` there is not."""
GATHERS: Final = frozenset({"debounce", "batch"})
"""Options by which `gather` is a client's, and not asyncio's."""
OUTBOX: Final = ("holdfast.enqueue", "holdfast.transactions.enqueue")


class Bound(NamedTuple):
    """A call that binds a module to the embedded engine."""

    where: str
    """`file:line`."""
    what: str


def bound_calls(file: str) -> Iterator[Bound]:
    """Yield the calls in a file that ask for what there is not on Temporal; none where it cannot be read."""
    source = source_of_file(file)
    if source is None:
        return
    scope = module_scope(source.tree)
    calls = [each for each in ast.walk(source.tree) if isinstance(each, ast.Call)]
    for node in sorted(calls, key=lambda each: (each.lineno, each.col_offset)):
        what = _asked_for(node)
        meaning = scope.resolve(node.func)
        if isinstance(meaning, Dotted) and meaning.name in OUTBOX:
            what = "enqueue"
        if what:
            yield Bound(place(file, node.lineno), what)


def _asked_for(node: ast.Call) -> str:
    if not isinstance(node.func, ast.Attribute):
        return ""
    options = {each.arg for each in node.keywords}
    if node.func.attr in STARTS and "notify" in options:
        return "notice of a run's end (notify=)"
    if node.func.attr == "gather" and options & GATHERS:
        return "gathering of events"
    return ""
