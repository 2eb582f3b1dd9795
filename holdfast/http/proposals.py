"""What may have become of an answer: mappings from the shape that was found to the one that was expected.

Owns: the rules by which mappings are proposed.
Must not know: whether a proposal is right, which replays find out; where answers come from.

Only what stands in the answer is used. Nothing is made up for what is missing: a value that nobody sent is worse than
a run that waits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import chain, islice, product
from typing import Any, Final

from holdfast.ports.mappings import Convert, Move, Step, Translate
from holdfast.ports.operations import DriftChange

PROPOSALS_MAX: Final = 8
DEPTH_MAX: Final = 3
"""How deep below a place what is missing there is looked for."""
LIKENESS: Final = 0.8
"""How like a name another one has to be, to be taken for a slip of the pen (ratio of equal characters)."""
INNER_NAMES: Final = ("value", "amount", "id", "name", "code")
"""Under which of these the value of a field stands that became an object."""

_QUOTED: Final = re.compile(r"'([^']*)'")
_WORDS: Final = re.compile(r"[^a-z0-9]+")


def propose_mappings(changes: Sequence[DriftChange], answer: Any) -> list[tuple[Step, ...]]:
    """Return mappings that may undo the changes of a report, the likeliest first.

    Args:
        changes: what differs from what was expected.
        answer: one that differs, as JSON values.
    """
    choices = [list(_undo(each, answer)) for each in changes]
    if not choices or not all(choices):
        return []
    found: list[tuple[Step, ...]] = []
    for each in islice(product(*choices), PROPOSALS_MAX):
        steps: list[Step] = []
        for step in chain.from_iterable(each):
            if step not in steps:
                steps.append(step)
        if tuple(steps) not in found:
            found.append(tuple(steps))
    return found


def _undo(change: DriftChange, answer: Any) -> Iterator[tuple[Step, ...]]:
    path = change.path.split(".")
    if change.found == "nothing":
        for source in _sources(path, answer):
            yield (Move(source, change.path),)
    elif change.found == "an object":
        for value in _values(answer, path):
            if isinstance(value, dict):
                inner = [name for name in (path[-1], *INNER_NAMES) if name in value] or list(value)[:1]
                for name in inner:
                    yield (Move(f"{change.path}.{name}", change.path),)
                break
    elif change.found == "text" and ("integer" in change.expected or "number" in change.expected):
        yield (Convert(change.path, "number"),)
    elif change.found == "a number" and "string" in change.expected:
        yield (Convert(change.path, "text"),)
    elif change.found.startswith("'"):
        known = {_plain(each): each for each in _QUOTED.findall(change.expected)}
        new = change.found[1:-1]
        if (old := known.get(_plain(new))) is not None:
            yield (Translate(change.path, {new: old}),)


def _sources(path: Sequence[str], answer: Any) -> Iterator[str]:
    """Yield where what is missing at a path may stand now: by another name, or deeper."""
    *above, leaf = path
    for parent in _values(answer, above):
        if not isinstance(parent, dict):
            continue
        candidates = list(_below(parent, DEPTH_MAX))
        same = [each for each in candidates if _plain(each[-1]) == _plain(leaf)]
        inside = [each for each in candidates if len(each) > 1 and _plain(each[-2]) == _plain(leaf)]
        alike = [each for each in candidates if _words(each[-1]) & _words(leaf)]
        misspelt = [each for each in candidates if get_close_matches(leaf, [each[-1]], 1, LIKENESS)]
        for each in dict.fromkeys((*same, *inside, *alike, *misspelt)):
            if list(each) != [leaf]:
                yield ".".join((*above, *each))
        return


def _below(value: Any, depth: int) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict) and depth:
        for name, inner in value.items():
            if not isinstance(inner, dict):
                yield (name,)
            for each in _below(inner, depth - 1):
                yield (name, *each)


def _values(value: Any, path: Sequence[str]) -> Iterator[Any]:
    if not path:
        yield value
        return
    name = path[0].removesuffix("[]")
    inner = value if not name else value.get(name) if isinstance(value, dict) else None
    each_of: Iterable[Any] = inner if path[0].endswith("[]") and isinstance(inner, list) else [inner]
    for each in each_of:
        yield from _values(each, path[1:])


def _plain(text: str) -> str:
    return _WORDS.sub("", text.lower())


def _words(text: str) -> set[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()
    return {each for each in _WORDS.split(spaced) if len(each) > 2}
