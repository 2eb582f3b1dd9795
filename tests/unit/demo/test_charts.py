"""Charts are well-formed pictures of the numbers they are given."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from holdfast.demo.aggregate import Bin
from holdfast.demo.charts import (
    DRAWN_SECONDS_MIN,
    LABELLED_KILLS_MAX,
    LINE_POINTS_MAX,
    Scale,
    done_at,
    histogram,
    throughput,
    ticks,
)
from holdfast.demo.fragments import Html
from holdfast.demo.proof import Kill, Sample

RISING = st.lists(st.tuples(st.floats(0, 1e4), st.integers(0, 10**6)), min_size=2, max_size=40).map(
    lambda pairs: [
        Sample(moment, done)
        for moment, done in zip(sorted(each[0] for each in pairs), sorted(each[1] for each in pairs), strict=True)
    ],
)
KILLS = st.lists(
    st.builds(
        Kill,
        pid=st.integers(1, 99_999),
        member=st.text(max_size=40),
        items_held=st.integers(0, 999),
        at_seconds=st.floats(0, 2e4),
        taken_over_by=st.none() | st.text(max_size=40),
        taken_over_after_seconds=st.none() | st.floats(0, 100),
    ),
    max_size=7,
)


def elements(picture: Html, name: str) -> list[ET.Element]:
    """Return the elements of a picture with this tag."""
    return list(ET.fromstring(picture).iter(name))


def of_class(picture: Html, name: str) -> list[ET.Element]:
    """Return the elements of a picture with this class."""
    return [each for each in ET.fromstring(picture).iter() if each.get("class") == name]


@given(RISING, KILLS, st.integers(0, 10**6))
def test_any_run_is_drawn_inside_its_frame(samples: list[Sample], killed: list[Kill], total: int) -> None:
    """The picture is well-formed whatever workers are called, and no point lies outside of it."""
    picture = throughput(samples, killed, total)
    if not picture.startswith("<svg"):
        assert samples[-1].at_seconds < DRAWN_SECONDS_MIN
        return
    (root,) = elements(picture, "svg")
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for each in root.iter():
        for key, value in each.attrib.items():
            if key in ("x", "x1", "x2", "cx"):
                assert -1 <= float(value) <= width + 1
            elif key in ("y", "y1", "y2", "cy"):
                assert -1 <= float(value) <= height + 1
            elif key in ("width", "height"):
                assert float(value) >= 0


def test_a_killed_worker_is_marked_where_it_died_and_where_its_work_went_on() -> None:
    """A line at the kill, a line at the take-over, shade between them, and words."""
    samples = [Sample(second, second * 100) for second in range(11)]
    picture = throughput(samples, [Kill(4711, "w-2", 32, 4.0, "w-1", 2.0)], 1_000)
    (kill,), (over,), (gap,) = (of_class(picture, each) for each in ("kill", "over", "gap"))
    left, right = 64, 940
    assert math.isclose(float(kill.attrib["x1"]), left + 0.4 * (right - left), abs_tol=0.1)
    assert math.isclose(float(over.attrib["x1"]), left + 0.6 * (right - left), abs_tol=0.1)
    assert math.isclose(float(gap.attrib["width"]), 0.2 * (right - left), abs_tol=0.2)
    words = "".join(of_class(picture, "mark")[0].itertext())
    assert words == "✕ w-2 killed, held 32 → w-1 took over 2.0 s later"


def test_many_kills_are_all_marked_and_few_labelled() -> None:
    """Labels stay readable; every kill has its line."""
    samples = [Sample(second, second) for second in range(101)]
    killed = [Kill(number, f"w-{number}", 1, 10.0 * number) for number in range(1, 8)]
    picture = throughput(samples, killed, 100)
    assert len(of_class(picture, "kill")) == 7
    assert len(of_class(picture, "mark")) == LABELLED_KILLS_MAX


def test_a_long_run_is_thinned_but_ends_at_its_end() -> None:
    """A line has a bounded number of points, and the last is the last sample."""
    samples = [Sample(number / 10, number) for number in range(50_000)]
    (line,) = of_class(throughput(samples, [], 49_999), "line")
    points = line.attrib["points"].split()
    assert len(points) <= LINE_POINTS_MAX + 2
    assert points[-1] == "940.0,14.0"


def test_a_run_too_short_to_draw_is_said() -> None:
    """Without two samples there is a sentence instead of an empty frame."""
    assert "too short" in throughput([], [], 0)
    assert "too short" in throughput([Sample(0, 0), Sample(0, 5)], [], 5)


def test_rates_come_from_the_line_between_samples() -> None:
    """Between two samples progress is even, before the first it grows from nothing, after the last it stands still."""
    samples = [Sample(1, 10), Sample(3, 30)]
    assert [done_at(samples, each) for each in (0, 0.5, 1, 2, 3, 9)] == [0, 5, 10, 20, 30, 30]


@given(st.floats(1e-3, 1e9), st.integers(1, 10))
def test_ticks_are_few_and_round(high: float, most: int) -> None:
    """From zero to about the top in steps of 1, 2 or 5."""
    places = ticks(high, most)
    assert places[0] == 0
    assert len(places) <= most + 1
    assert places[-1] <= high * 1.000001
    if len(places) > 1:
        assert f"{places[1]:.0e}"[0] in "125"


def test_a_scale_keeps_what_is_outside_at_its_border() -> None:
    """Nothing is ever drawn beside the picture."""
    scale = Scale(0, 10, 100, 200)
    assert [scale(each) for each in (-5, 0, 5, 10, 50)] == [100, 100, 150, 200, 200]
    assert Scale(3, 3, 0, 9)(3) == 0


@given(st.lists(st.integers(0, 10**5), min_size=1, max_size=20))
def test_the_histogram_has_one_bar_for_each_bin(numbers: list[int]) -> None:
    """Bars are as high as their bins are full."""
    bins = [Bin((256 << (n - 1)) + 1 if n else 0, 256 << n, number) for n, number in enumerate(numbers)]
    bars = of_class(histogram(bins), "bin")
    assert len(bars) == len(bins)
    heights = [float(each.attrib["height"]) for each in bars]
    highest = max(numbers)
    for height, number in zip(heights, numbers, strict=True):
        assert abs(height - 262 * number / (highest or 1)) < 0.2


def test_an_empty_histogram_is_said() -> None:
    """No bins, no frame."""
    assert "Nothing was measured" in histogram([])
