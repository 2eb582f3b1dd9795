"""Small charts, drawn on the server.

Owns: where bars stand.
Must not know: colours, where numbers come from.

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
    part_y: str
    part_height: str
    title: str


@dataclass(frozen=True, slots=True)
class Column:
    """What one bar is to show."""

    height: float
    part: float
    """How much of it is of another colour, from its foot on."""
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
    columns = []
    for each in counted:
        words = f"{each.start[11:16]} UTC: {each.ended:,} ended"
        title = f"{words}, {each.failed:,} of them failed" if each.failed else words
        columns.append(Column(each.ended, each.failed, title))
    return Chart(
        draw_bars(columns),
        sum(each.ended for each in counted),
        sum(each.failed for each in counted),
        max((each.ended for each in counted), default=0),
    )


def draw_bars(columns: Sequence[Column]) -> tuple[Bar, ...]:
    """Return bars side by side, of which the highest fills the height."""
    highest = max((each.height for each in columns), default=0.0)
    place = 100 / max(len(columns), 1)
    bars = []
    for index, each in enumerate(columns):
        height = 100 * each.height / highest if highest else 0.0
        part = 100 * each.part / highest if highest else 0.0
        bars.append(
            Bar(
                _percent(index * place),
                _percent(place * (1 - GAP)),
                _percent(100 - height),
                _percent(height),
                _percent(100 - part),
                _percent(part),
                each.title,
            )
        )
    return tuple(bars)


def _percent(value: float) -> str:
    return f"{value:.2f}%"
