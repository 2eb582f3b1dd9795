"""Small charts, drawn on the server.

Owns: where bars stand.
Must not know: what is counted, colours.

A bar is a rectangle in percent of its drawing, so that a chart is as wide as its place. Nothing here needs a style or a
script of its own: the policy for pages allows neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from holdfast.controller.documents import Stretch

GAP: Final = 0.25
"""How much of a bar's place is left free."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. Lengths are percentages of the drawing."""

    x: str
    width: str
    y: str
    height: str
    failed_y: str
    failed_height: str
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars, and what they add up to."""

    bars: tuple[Bar, ...]
    total: int
    failed: int
    highest: int


def draw_chart(counted: Sequence[Stretch]) -> Chart:
    """Return the chart of how many runs ended when."""
    highest = max((each.ended for each in counted), default=0)
    place = 100 / max(len(counted), 1)
    bars = []
    for index, each in enumerate(counted):
        height = 100 * each.ended / highest if highest else 0.0
        failed = 100 * each.failed / highest if highest else 0.0
        words = f"{each.start[11:16]} UTC: {each.ended:,} ended"
        bars.append(
            Bar(
                _percent(index * place),
                _percent(place * (1 - GAP)),
                _percent(100 - height),
                _percent(height),
                _percent(100 - failed),
                _percent(failed),
                f"{words}, {each.failed:,} of them failed" if each.failed else words,
            )
        )
    return Chart(tuple(bars), sum(each.ended for each in counted), sum(each.failed for each in counted), highest)


def _percent(value: float) -> str:
    return f"{value:.2f}%"
