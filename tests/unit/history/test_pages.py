"""Pages: what goes in comes out, and no page can be changed, moved, lost or repeated unnoticed."""

from __future__ import annotations

import msgspec
import pytest

from holdfast.errors import HistoryError
from holdfast.history import (
    INLINE_BYTES_MAX,
    ROOT,
    AnyEvent,
    Attempt,
    BlobRef,
    Failure,
    Page,
    SignalReceived,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    UpdateCompleted,
    WorkflowStarted,
    blob_digest,
    open_page,
    outside_payloads,
    page_hash,
    seal,
    verify_chain,
)
from holdfast.history import events as kinds

LARGE = b'"' + b"x" * INLINE_BYTES_MAX + b'"'


def events() -> list[AnyEvent]:
    """Return some events of a history."""
    failure = Failure("KeyError", "x", "trace", cause=Failure("ValueError", "y"))
    return [
        WorkflowStarted(1.5, 0, "flow", "r-1", "r-1", b"null", 7, 3, "code", "3.11", {"by": "me"}),
        TaskScheduled(1.5, 1, 0, "fetch#1", "fetch", b"[1]"),
        TaskFailed(2.25, 1, "fetch#1", failure, (Attempt(1, 1.5, 2.0, "w", failure), Attempt(2, 2.0, 2.2, "w", None))),
        SignalReceived(3.0, -1, "go", b"{}", "id"),
    ]


def chain(*pages: list[AnyEvent]) -> list[Page]:
    """Return sealed pages of one execution."""
    made: list[Page] = []
    last, head = 0, ROOT
    for each in pages:
        made.append(seal(each, last + 1, head, {}))
        last, head = made[-1].last, made[-1].hash
    return made


def test_a_page_opens_to_what_was_sealed() -> None:
    """Every field of every event."""
    page = seal(events(), 1, ROOT, {})
    assert open_page(page.body) == events()
    assert (page.first, page.last) == (1, 4)


def test_large_payloads_are_stored_outside_once() -> None:
    """By their content; the event that was sealed keeps its bytes."""
    blobs: dict[bytes, bytes] = {}
    sealed = [TaskCompleted(1.0, 0, "fetch#1", LARGE), TaskCompleted(1.0, 0, "fetch#2", LARGE), *events()]
    page = seal(sealed, 1, ROOT, blobs)
    assert blobs == {blob_digest(LARGE): LARGE}
    assert len(page.body) < INLINE_BYTES_MAX
    assert sealed[0].result == LARGE
    references = list(outside_payloads(open_page(page.body)))
    assert [(field, reference) for _, field, reference in references] == [
        ("result", BlobRef(blob_digest(LARGE), len(LARGE)))
    ] * 2
    for event, field, reference in references:
        setattr(event, field, blobs[reference.digest])
    assert [event for event, _, _ in references] == sealed[:2]


def test_an_answer_without_a_result_stays_without() -> None:
    """None is not a payload."""
    event = UpdateCompleted(1.0, 1, 0, "u", None, Failure("E", "x"))
    page = seal([event, TaskCompleted(1.0, 0, "fetch#1", LARGE)], 1, ROOT, {})
    assert open_page(page.body)[0] == event


def test_a_chain_is_verified_to_its_head() -> None:
    """An untouched history gives its last event and its head."""
    pages = chain(events(), events()[:1], events()[1:])
    assert verify_chain(pages) == (8, pages[-1].hash)
    assert verify_chain([]) == (0, ROOT)


@pytest.mark.parametrize("byte", range(0, 40, 7))
def test_a_changed_byte_is_noticed(byte: int) -> None:
    """Anywhere in any page."""
    pages = chain(events(), events())
    body = bytearray(pages[1].body)
    body[byte] ^= 1
    pages[1].body = bytes(body)
    with pytest.raises(HistoryError, match="events 5 to 8 are not what was written"):
        verify_chain(pages)


def test_a_lost_moved_or_repeated_page_is_noticed() -> None:
    """Also when the numbers are made to fit."""
    first, second, third = chain(events(), events()[:2], events()[:2])
    for damaged in ([first, third], [second, first], [first, first, second], [second, third]):
        with pytest.raises(HistoryError, match="is missing"):
            verify_chain(damaged)
    moved = Page(5, 6, third.body, third.hash)
    with pytest.raises(HistoryError, match="not what was written"):
        verify_chain([first, moved])


def test_a_page_that_holds_more_or_less_than_it_says_is_noticed() -> None:
    """The hash does not cover the last id; the count does."""
    (page,) = chain(events())
    page.last = 9
    with pytest.raises(HistoryError, match="page 1 to 9 holds 4 events"):
        verify_chain([page])


def test_the_hash_covers_place_and_past() -> None:
    """The same bytes elsewhere have another hash."""
    hashes = {
        page_hash(ROOT, 1, b"x"),
        page_hash(ROOT, 2, b"x"),
        page_hash(b"1" * 16, 1, b"x"),
        page_hash(ROOT, 1, b"y"),
    }
    assert len(hashes) == 4


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", b"not a page", b"\x91\x91\x05", msgspec.msgpack.encode([[99, 1.0]]), msgspec.msgpack.encode({})],
)
def test_what_is_no_page_is_an_error(body: bytes) -> None:
    """Never anything but HistoryError."""
    with pytest.raises(HistoryError, match=r"cannot be decoded|were pruned"):
        open_page(body)


def test_tags_are_for_ever() -> None:
    """Numbers and field orders are the storage format: this table may only grow at its end."""
    formats = {
        kind.__struct_config__.tag: f"{kind.__name__} " + " ".join(kind.__struct_fields__) for kind in AnyEvent.__args__
    }
    assert len(formats) == len(AnyEvent.__args__)
    assert formats == {
        1: "WorkflowStarted time issued workflow run_id execution input seed flags code_version python memo"
        " deadline execution_timeout keys forked_from forked_at parent continued attributes traceparent",
        2: "TaskCompleted time issued step result attempts worker",
        3: "TaskFailed time issued step failure attempts worker remedy",
        4: "TaskTimedOut time issued step timeout failure attempts worker remedy",
        5: "TimerFired time issued step",
        6: "SignalReceived time issued name input signal_id sender",
        7: "UpdateAccepted time issued update_id name input",
        8: "CancelRequested time issued reason",
        9: "LockGranted time issued step token",
        10: "FanOutCompleted time issued step digest count failed first_failure first_failed_index",
        11: "ChildStarted time issued step execution",
        12: "ChildCompleted time issued step result",
        13: "ChildFailed time issued step status failure",
        14: "MessageDelivered time issued step failure",
        17: "SideEffectRecorded time issued step result failure",
        18: "RunResumed time issued step",
        32: "TaskScheduled time cause ordinal step task input pool",
        33: "TaskCancelled time cause ordinal step",
        34: "TimerStarted time cause ordinal step seconds due",
        35: "TimerCancelled time cause ordinal step",
        36: "UpdateCompleted time cause ordinal update_id result failure",
        37: "LockRequested time cause ordinal step name slots",
        38: "LockReleased time cause ordinal step name",
        39: "FanOutStarted time cause ordinal step task count digest",
        40: "FanOutCancelled time cause ordinal step",
        41: "ChildScheduled time cause ordinal step workflow run_id input parent_close",
        42: "ChildCancelRequested time cause ordinal step reason",
        43: "MessageSent time cause ordinal step run_id kind name input",
        44: "PatchMarked time cause ordinal patch_id deprecated",
        45: "SideEffectRequested time cause ordinal step",
        46: "SideEffectCancelled time cause ordinal step",
        47: "RunParked time cause ordinal step reason",
        48: "WorkflowCompleted time cause ordinal result",
        49: "WorkflowFailed time cause ordinal failure",
        50: "WorkflowCancelled time cause ordinal reason",
        51: "WorkflowContinued time cause ordinal input",
        52: "CallbackOpened time cause ordinal step url",
        53: "AttributesSet time cause ordinal attributes",
        64: "WorkflowTerminated time reason cancelled",
        65: "WorkflowTimedOut time reason",
    }
    assert kinds.Failure.__struct_fields__ == ("type", "message", "traceback", "retryable", "cause")
    assert Attempt.__struct_fields__ == ("number", "started", "ended", "worker", "failure")
