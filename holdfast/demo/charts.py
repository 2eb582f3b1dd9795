"""The report's pictures, drawn as SVG.

Owns: scales, axes, lines, bars and the marks of killed workers.
Must not know: colours (the page's style sheet has them, for light and dark), or what the numbers mean.

Coordinates are SVG units with the origin at the top left; numbers are rounded to a tenth, which no eye can tell.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from holdfast.demo.aggregate import Bin
from holdfast.demo.fragments import Html, join, text
from holdfast.demo.proof import Kill, Sample
from holdfast.demo.wording import count, seconds, size

LINE_POINTS_MAX: Final = 240
"""A line has no more points than this: more would only make the page heavy."""

DRAWN_SECONDS_MIN: Final = 0.001
"""A shorter run has no picture."""

RATE_BARS: Final = 48
LABELLED_KILLS_MAX: Final = 4
"""Further kills are marked, and listed beside the chart, but not labelled in it."""

_WIDTH: Final = 960.0
_LEFT: Final = 64.0
_RIGHT: Final = 20.0
_LABEL_ROW: Final = 20.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values from `low` to `high` on places from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of `value`; outside values stay at the border."""
        share = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1)
        return self.start + share * (self.end - self.start)


def ticks(high: float, most: int = 5) -> list[float]:
    """Return at most `most` + 1 round numbers from 0 to about `high`: steps of 1, 2 or 5 times a power of ten."""
    if high <= 0:
        return [0.0]
    power = 10.0 ** math.floor(math.log10(high / most))
    step = next((each * power for each in (1, 2, 5, 10) if high / (each * power) <= most), 10 * power)
    return [index * step for index in range(math.floor(high / step + 1e-9) + 1)]


def done_at(samples: Sequence[Sample], moment: float) -> float:
    """Return how many results there were at `moment`, on the straight line between the samples around it."""
    place = bisect_left(samples, moment, key=lambda each: each.at_seconds)
    if place == 0:
        first = samples[0]
        return first.done * (moment / first.at_seconds if first.at_seconds > 0 else 1.0) if moment >= 0 else 0.0
    if place == len(samples):
        return float(samples[-1].done)
    before, after = samples[place - 1], samples[place]
    span = after.at_seconds - before.at_seconds
    return before.done + (after.done - before.done) * ((moment - before.at_seconds) / span if span else 1.0)


def throughput(samples: Sequence[Sample], killed: Sequence[Kill], total: int) -> Html:
    """Draw results and results per second over time, marked where workers died and where their work went on.

    `samples` must be in the order of time; where there is nothing to draw, the answer is a sentence.
    """
    last = samples[-1].at_seconds if samples else 0.0
    if len(samples) < 2 or last < DRAWN_SECONDS_MIN:
        return Html('<p class="empty">The run was too short to draw.</p>')
    labelled = min(len(killed), LABELLED_KILLS_MAX)
    top = 14 + labelled * _LABEL_ROW
    x = Scale(0, last, _LEFT, _WIDTH - _RIGHT)
    done = Scale(0, max(total, samples[-1].done, 1), top + 190, top)
    rates = _rates(samples, last)
    rate = Scale(0, max(*rates, 1.0) * 1.08, top + 312, top + 222)
    height = top + 352
    parts = [
        _frame(height, "Results and results per second over time"),
        *_horizontal_grid(done, "results"),
        *_horizontal_grid(rate, "per second", most=2),
        *_takeover_bands(killed, x, top, rate.start, last),
        *_rate_bars(rates, x, rate, last),
        *_progress(samples, x, done, last),
        *_seconds_axis(x, rate.start, last),
        *_kill_marks(killed, x, top, rate.start, last),
        Html("</svg>"),
    ]
    return join(parts)


def _frame(height: float, title: str) -> Html:
    return Html(
        f'<svg viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="img" aria-label="{text(title)}" class="chart">'
        f"<title>{text(title)}</title>",
    )


def _horizontal_grid(scale: Scale, unit: str, most: int = 4) -> list[Html]:
    parts: list[Html] = []
    for each in ticks(scale.high, most):
        y = scale(each)
        parts.append(Html(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'))
        parts.append(Html(f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{each:,.0f}</text>'))
    middle = (scale.start + scale.end) / 2
    parts.append(
        Html(
            f'<text class="unit" transform="translate(13 {middle:.1f}) rotate(-90)" text-anchor="middle">{unit}</text>',
        ),
    )
    return parts


def _seconds_axis(x: Scale, y: float, last: float) -> list[Html]:
    parts = [Html(f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')]
    digits = 0 if last >= 5 else 2
    for each in ticks(last, 10):
        anchor = "end" if x(each) > _WIDTH - _RIGHT - 16 else "middle"
        label = f"{each:.{digits}f} s"
        parts.append(
            Html(f'<text class="tick" x="{x(each):.1f}" y="{y + 20:.1f}" text-anchor="{anchor}">{label}</text>'),
        )
    return parts


def _progress(samples: Sequence[Sample], x: Scale, y: Scale, last: float) -> list[Html]:
    step = max(1, math.ceil(len(samples) / LINE_POINTS_MAX))
    shown = [*samples[:-1:step], samples[-1]]
    points = " ".join(f"{x(each.at_seconds):.1f},{y(each.done):.1f}" for each in shown)
    start = f"{x(0):.1f},{y(0):.1f}"
    corner = f"{x(last):.1f},{y(0):.1f}"
    end = f'cx="{x(last):.1f}" cy="{y(samples[-1].done):.1f}"'
    return [
        Html(f'<polygon class="area" points="{start} {points} {corner}"/>'),
        Html(f'<polyline class="line" points="{start} {points}"/>'),
        Html(f'<circle class="end" {end} r="4"><title>{count(samples[-1].done)} results</title></circle>'),
    ]


def _rates(samples: Sequence[Sample], last: float) -> list[float]:
    bars = max(2, min(RATE_BARS, len(samples)))
    edges = [done_at(samples, last * index / bars) for index in range(bars + 1)]
    return [(after - before) * bars / last for before, after in pairwise(edges)]


def _rate_bars(rates: list[float], x: Scale, y: Scale, last: float) -> list[Html]:
    width = last / len(rates)
    parts: list[Html] = []
    for index, each in enumerate(rates):
        left, right = x(index * width) + 0.75, x((index + 1) * width) - 0.75
        parts.append(
            Html(
                f'<rect class="rate" x="{left:.1f}" y="{y(each):.1f}" width="{right - left:.1f}" '
                f'height="{y.start - y(each):.1f}" rx="1.5"><title>{seconds(index * width)} to '
                f"{seconds((index + 1) * width)}: {each:,.0f} a second</title></rect>",
            ),
        )
    return parts


def _takeover_bands(killed: Sequence[Kill], x: Scale, top: float, bottom: float, last: float) -> list[Html]:
    """Shade the time between each kill and the moment its work went on."""
    parts: list[Html] = []
    for each in killed:
        if each.taken_over_after_seconds is None:
            continue
        left, right = x(each.at_seconds), x(min(last, each.at_seconds + each.taken_over_after_seconds))
        parts.append(
            Html(
                f'<rect class="gap" x="{left:.1f}" y="{top:.1f}" width="{max(right - left, 1):.1f}" '
                f'height="{bottom - top:.1f}"/>',
            ),
        )
    return parts


def _kill_marks(killed: Sequence[Kill], x: Scale, top: float, bottom: float, last: float) -> list[Html]:
    parts: list[Html] = []
    for row, each in enumerate(killed):
        at = x(each.at_seconds)
        label_y = top - 6 - (min(len(killed), LABELLED_KILLS_MAX) - 1 - row) * _LABEL_ROW
        line_top = label_y + 6 if row < LABELLED_KILLS_MAX else top
        parts.append(
            Html(f'<line class="kill" x1="{at:.1f}" x2="{at:.1f}" y1="{line_top:.1f}" y2="{bottom:.1f}"/>'),
        )
        if each.taken_over_after_seconds is not None:
            over = x(min(last, each.at_seconds + each.taken_over_after_seconds))
            parts.append(Html(f'<line class="over" x1="{over:.1f}" x2="{over:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>'))
        if row >= LABELLED_KILLS_MAX:
            continue
        parts.append(_kill_label(each, at, label_y))
    return parts


def _kill_label(kill: Kill, at: float, y: float) -> Html:
    died = f"✕ {_short(kill.member)} killed, held {count(kill.items_held)}"
    went_on = ""
    if kill.taken_over_after_seconds is not None:
        taker = _short(kill.taken_over_by or "another worker")
        went_on = f" → {taker} took over {seconds(kill.taken_over_after_seconds)} later"
    # The label stands on the side that has room for it.
    left_side = at > (_LEFT + _WIDTH - _RIGHT) / 2
    anchor, place = ("end", at - 7) if left_side else ("start", at - 5)
    return Html(
        f'<text x="{place:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="mark">'
        f'<tspan class="kill-text">{text(died)}</tspan><tspan class="over-text">{text(went_on)}</tspan></text>',
    )


def _short(name: str) -> str:
    return name if len(name) <= 28 else name[:27] + "…"


def histogram(bins: Sequence[Bin]) -> Html:
    """Draw how many documents have which size."""
    if not bins:
        return Html('<p class="empty">Nothing was measured.</p>')
    width, height, top, bottom = 560.0, 330.0, 24.0, 286.0
    y = Scale(0, max(each.documents for each in bins) or 1, bottom, top)
    slot = width / len(bins)
    parts = [
        Html(
            f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" class="chart small" '
            'aria-label="Documents by size"><title>Documents by size</title>',
        ),
    ]
    every = 1 if len(bins) <= 9 else 2
    for index, each in enumerate(bins):
        left, middle, place = index * slot, (index + 0.5) * slot, y(each.documents)
        parts.append(
            Html(
                f'<rect class="bin" x="{left + 2:.1f}" y="{place:.1f}" width="{slot - 4:.1f}" '
                f'height="{bottom - place:.1f}" rx="3"><title>{each.at_least:,} to {each.at_most:,} bytes: '
                f"{count(each.documents)}</title></rect>",
            ),
        )
        if each.documents:
            parts.append(
                Html(
                    f'<text class="value" x="{middle:.1f}" y="{place - 6:.1f}" text-anchor="middle">'
                    f"{count(each.documents)}</text>",
                ),
            )
        if index % every == 0:
            number, unit = size(each.at_most).split()
            parts.append(
                Html(
                    f'<text class="tick" x="{middle:.1f}" y="{bottom + 17:.1f}" text-anchor="middle">{number}</text>'
                    f'<text class="tick" x="{middle:.1f}" y="{bottom + 32:.1f}" text-anchor="middle">{unit}</text>',
                ),
            )
    parts.append(Html(f'<line class="axis" x1="0" x2="{width:.0f}" y1="{bottom}" y2="{bottom}"/></svg>'))
    return join(parts)
