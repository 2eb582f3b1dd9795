"""What is written comes back, and what was damaged is noticed: pages and transcripts of arbitrary events."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.errors import HistoryError
from holdfast.history import (
    ROOT,
    AnyEvent,
    Failure,
    from_json,
    open_page,
    outside_payloads,
    seal,
    to_json,
    verify_chain,
)
from tests.property import facts

histories = st.builds(lambda first, rest: [first, *rest], facts.starts, st.lists(facts.events, max_size=6))
outcomes = st.dictionaries(facts.texts, st.lists(facts.payloads | facts.failures, max_size=3).map(tuple), max_size=2)


@given(st.lists(facts.events, min_size=1, max_size=6))
def test_pages_open_to_what_was_sealed(events: list[AnyEvent]) -> None:
    """Every field of every kind of event, with large payloads outside."""
    blobs: dict[bytes, bytes] = {}
    page = seal(events, 1, ROOT, blobs)
    opened = open_page(page.body)
    for event, field, reference in outside_payloads(opened):
        setattr(event, field, blobs[reference.digest])
    assert opened == events
    assert verify_chain([page]) == (len(events), page.hash)


@given(st.lists(facts.events, min_size=1, max_size=4), st.data())
def test_a_damaged_page_is_noticed(events: list[AnyEvent], data: st.DataObject) -> None:
    """Whatever byte of it is changed, and however it is cut."""
    page = seal(events, 1, ROOT, {})
    body = bytearray(page.body)
    at = data.draw(st.integers(0, len(body) - 1))
    if data.draw(st.booleans()):
        body[at] ^= data.draw(st.integers(1, 255))
    else:
        del body[at:]
    page.body = bytes(body)
    with pytest.raises(HistoryError):
        verify_chain([page])


@given(histories, outcomes, st.dictionaries(facts.texts, facts.texts, max_size=2))
def test_transcripts_come_back(
    events: list[AnyEvent], results: dict[str, tuple[bytes | Failure, ...]], about: dict[str, str]
) -> None:
    """Event for event, byte for byte."""
    history = from_json(to_json(events, outcomes=results, about=about))
    assert list(history.events) == events
    assert history.outcomes == results
    assert history.about == about
    assert history.started == events[0]


@given(histories, outcomes)
def test_transcripts_survive_reformatting(
    events: list[AnyEvent], results: dict[str, tuple[bytes | Failure, ...]]
) -> None:
    """An editor may indent the file, or write it on one line."""
    content = to_json(events, outcomes=results)
    written = json.loads(content)
    for again in (json.dumps(written, indent=4), json.dumps(written, separators=(",", ":"), ensure_ascii=False)):
        assert list(from_json(again.encode()).events) == events


@given(histories, st.data())
def test_a_damaged_transcript_gives_an_error_and_never_harm(events: list[AnyEvent], data: st.DataObject) -> None:
    """Whatever is done to the bytes: a history, or HistoryError."""
    content = bytearray(to_json(events))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        match data.draw(st.sampled_from(["change", "cut", "insert", "repeat"])):
            case "change" if at < len(content):
                content[at] = data.draw(st.integers(0, 255))
            case "cut":
                del content[at:]
            case "insert":
                content[at:at] = data.draw(st.sampled_from([b"{", b"[" * 500, b'"', b"null", b"1e999", b"\x00", b","]))
            case _:
                content[at:at] = content[at : at + 40]
    try:
        from_json(bytes(content))
    except HistoryError as error:
        assert error.what  # noqa: PT017 - the point is that it is this class, and says something


@given(facts.values, st.data())
@example({"format": "holdfast-history/1", "run": {}, "events": []}, None)
def test_json_that_is_no_history_gives_an_error(value: object, data: st.DataObject | None) -> None:
    """Also when it says that it is one."""
    files: list[object] = [value, {"format": "holdfast-history/1", "run": {}, "events": value}]
    if data is not None:
        name = data.draw(st.sampled_from(sorted(facts.KINDS)))
        event = {"id": 1, "event": name, "time": value, "at": value, "step": value, "input": value, "failure": value}
        files.append({"format": "holdfast-history/1", "run": {}, "events": [event]})
    for file in files:
        with pytest.raises(HistoryError):
            from_json(json.dumps(file).encode())
