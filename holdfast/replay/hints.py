"""What to do about a divergence, in a sentence.

Owns: the words.
Must not know: how a divergence is found.
"""

from __future__ import annotations

from typing import Final, assert_never

from holdfast.engine import Difference
from holdfast.replay.result import Side

_GUARD: Final = 'if patched("..."):'


def hint_for(kind: Difference, recorded: Side | None, attempted: Side | None) -> str:
    """Return what to do about a divergence of this kind.

    Args:
        kind: how both sides differ.
        recorded: what history has.
        attempted: what the code asks for.
    """
    if attempted is not None and attempted.step == "failure" and (recorded is None or recorded.step != "failure"):
        return "The code raises here where it went on before: the exception above is what to look at first."
    old = _name(recorded)
    new = _name(attempted)
    match kind:
        case Difference.INSERTED:
            return f"Runs from before the change have no {new}: put it behind `{_GUARD}`."
        case Difference.REMOVED:
            return f'Runs from before the change have {old}: keep it for them, behind `if not patched("..."):`.'
        case Difference.RENAMED:
            return f"A step's name is its identity: keep the name ({old}), or put {new} behind `{_GUARD}`."
        case Difference.REORDERED:
            return f"The order of steps is recorded: keep it for old runs, and put the new one behind `{_GUARD}`."
        case Difference.INPUT_CHANGED:
            return f"{new} was recorded with another input: put the change behind `{_GUARD}`."
        case Difference.DURATION_CHANGED:
            return f"{new} was recorded with another duration: put the change behind `{_GUARD}`."
        case Difference.RESULT_CHANGED:
            return "The run ended otherwise, and a recorded end stays. New runs may end as the code does now."
        case _:
            assert_never(kind)


def _name(side: Side | None) -> str:
    return side.step if side is not None and side.step else "this step"
