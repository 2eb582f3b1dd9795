"""Traces: what a header may say, and what nobody pays for who has no SDK."""

from __future__ import annotations

import subprocess
import sys

import pytest

from holdfast.observe import current_traceparent, read_traceparent, tracer, within

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("headers", "read"),
    [
        ([GOOD], GOOD),
        ([f"00-{TRACE}-{SPAN}-00"], f"00-{TRACE}-{SPAN}-00"),
        ([f"00-{TRACE}-{SPAN}-ff"], GOOD),  # flags that nobody knows yet
        ([f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"], GOOD),
        ([], ""),
        ([GOOD, GOOD], ""),
        ([f"{GOOD}-more"], ""),
        ([f"ff-{TRACE}-{SPAN}-01"], ""),
        ([f"00-{'0' * 32}-{SPAN}-01"], ""),
        ([f"00-{TRACE}-{'0' * 16}-01"], ""),
        ([GOOD.upper()], ""),
        ([f" {GOOD}"], ""),
        ([f"{GOOD}\n"], ""),
        ([f"00-{TRACE}-{SPAN}-0\u0661"], ""),  # a digit elsewhere
        (["\x1b[31m"], ""),
    ],
)
def test_a_header_is_taken_only_as_the_standard_has_it(headers, read) -> None:
    """One header of a version that exists, or of a later one; everything else is as good as none."""
    assert read_traceparent(headers) == read


def test_a_process_without_an_sdk_carries_traces_on_all_the_same() -> None:
    """The request's traceparent is current while it is served, and not afterwards; nothing makes spans."""
    assert tracer() is None
    assert current_traceparent() == ""
    with within(GOOD):
        assert current_traceparent() == GOOD
    assert current_traceparent() == ""


def test_nobody_loads_what_nobody_uses() -> None:
    """A whole stack in a program that does not trace loads neither the tracing library nor the one for metrics."""
    names = ("opentelemetry", "prometheus_client")
    program = (
        f"import sys, holdfast.app.member, holdfast.client; print([each for each in {names} if each in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
