"""Other runs, as workflow code asks for them."""

from __future__ import annotations

import pytest

from holdfast.authoring import continue_as_new, get_run, signal, start_child, workflow
from holdfast.errors import DefinitionError, EncodeError, OutsideWorkflowError
from tests.unit.authoring.recorder import Continues, inside_workflow, on_loop


@workflow
class Kid:
    """A workflow to be asked for."""

    async def run(self, item: int, words: str = "") -> str:
        """Repeat the words."""
        return words * item

    @signal
    def go(self, speed: int) -> None:
        """Go."""


@on_loop
async def test_what_a_child_is_started_with() -> None:
    """Its workflow's name, its input as JSON, and what to make of its result."""
    with inside_workflow() as recorder:
        start_child(Kid, 3, words="a", id="k-1", key="three", parent_close="abandon")
        start_child("Kid", {"item": 4})
    typed, untyped = recorder.children
    assert (typed.workflow, typed.payload, typed.run_id, typed.key) == (
        "Kid",
        b'{"item":3,"words":"a"}',
        "k-1",
        "three",
    )
    assert (typed.parent_close, typed.decode(b'"x"')) == ("abandon", "x")
    assert typed.code_version
    assert (untyped.workflow, untyped.payload, untyped.run_id) == ("Kid", b'{"item":4}', None)
    assert (untyped.key, untyped.parent_close, untyped.code_version) == (None, "terminate", "")


@on_loop
async def test_messages_to_other_runs() -> None:
    """By handler and by name."""
    with inside_workflow() as recorder:
        other = get_run("r-1")
        other.signal(Kid.go, speed=3)
        other.signal("go", 4)
        other.cancel("enough")
    assert repr(other) == "OtherRun('r-1')"
    assert recorder.sent == [("r-1", "go", b"3"), ("r-1", "go", b"4")]
    assert recorder.cancelled == [("r-1", "enough")]


@on_loop
async def test_wrong_requests_are_refused() -> None:
    """With the place and what would be right."""
    with inside_workflow():
        with pytest.raises(DefinitionError, match="terminate, cancel, abandon"):
            start_child(Kid, 1, parent_close="kill")  # type: ignore[call-overload]  # what is shown
        with pytest.raises(DefinitionError, match="1 to 255 characters"):
            start_child(Kid, 1, id="")
        with pytest.raises(DefinitionError, match="is no workflow"):
            start_child(print)  # type: ignore[call-overload]  # as above
        with pytest.raises(EncodeError):
            start_child(Kid, "one")


def test_outside_workflows_nothing_of_it_works() -> None:
    """And the error names what to do instead."""
    with pytest.raises(OutsideWorkflowError, match=r"client\.start"):
        start_child(Kid, 1)
    with pytest.raises(OutsideWorkflowError, match=r"client\.handle"):
        get_run("r-1")
    with pytest.raises(OutsideWorkflowError):
        continue_as_new()


@on_loop
async def test_going_on_takes_the_input_of_the_run() -> None:
    """As it was given."""
    with inside_workflow(), pytest.raises(Continues) as caught:
        continue_as_new(1, words="b")
    assert caught.value.args == ((1,), {"words": "b"})
