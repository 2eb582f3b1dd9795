"""What a store has to do with what steps say beside their histories, and with answers that are kept.

Owns: these checks on `holdfast.ports.store.Store`; see `holdfast.testing.conformance.store`.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.ports.operations import (
    BROKEN,
    CUT,
    WHOLE,
    KeepModelAnswer,
    OpenStream,
    Prune,
    Said,
    Say,
)
from holdfast.testing.conformance.store.harness import Check, StoreHarness, do, end, expect, join, own

if TYPE_CHECKING:
    from holdfast.ports.store import Store

LONGEST: Final = 1_000_000
NAME: Final = "ask#1"


async def say(store: Store, epoch: int, start: int, text: str, ended: str = "", characters: int | None = None) -> bool:
    """Say something in the stream that all these checks are about."""
    count = len(text) if characters is None else characters
    wanted: bool = await do(store, Say("a", NAME, epoch, start, count, text.encode(), ended))
    return wanted


async def text_behind(store: Store, epoch: int = 0, start: int = 0) -> tuple[int, str, str]:
    """Return the epoch, what comes behind a place, and how it ended."""
    found = await store.said("a", NAME, epoch, start)
    assert found is not None, "there is such a stream"
    text = b"".join(body for _, body in found.pieces).decode()
    began = found.pieces[0][0] if found.pieces else start
    return found.epoch, text[max(0, (start if epoch == found.epoch else 0) - began) :], found.ended


async def what_is_said_is_read_from_any_place(harness: StoreHarness) -> None:
    """In order, once, by any number of readers; until it ends."""
    store = await harness.open()
    expect(await store.said("a", NAME) is None, "nobody says anything")
    expect(await do(store, OpenStream("a", NAME, "a")) == 1, "the first epoch")
    expect(await text_behind(store) == (1, "", ""), "nothing was said yet")
    expect(await say(store, 1, 0, "Zwölf "), "more is wanted")
    expect(await say(store, 1, 6, "Boxkämpfer"), "more is wanted")
    expect(await say(store, 1, 6, "Boxkämpfer"), "said again, it is there once")
    expect(not await say(store, 1, 99, "gap"), "nothing is said with a gap before it")
    expect(await text_behind(store) == (1, "Zwölf Boxkämpfer", ""), "all of it")
    expect(await text_behind(store, 1, 6) == (1, "Boxkämpfer", ""), "behind a place")
    expect(await text_behind(store, 1, 9) == (1, "kämpfer", ""), "in the middle of a piece")
    expect(not await say(store, 1, 16, "", WHOLE), "it is over")
    expect(not await say(store, 1, 16, "late"), "nothing comes behind its end")
    expect(await text_behind(store, 1, 16) == (1, "", WHOLE), "readers hear of the end")
    (record,) = await store.streams("a")
    expect((record.name, record.epoch, record.characters, record.ended) == (NAME, 1, 16, WHOLE), "it is listed")
    expect(record.opened_at > 0.0 and await store.streams("b") == [], "with when it began, and for its run alone")


async def another_attempt_says_everything_anew(harness: StoreHarness) -> None:
    """In another epoch: what was said before is gone, and whoever still says something for it is refused."""
    store = await harness.open()
    await do(store, OpenStream("a", NAME, "a"))
    await say(store, 1, 0, "It may be s")
    expect(await do(store, OpenStream("a", NAME, "a")) == 2, "the second epoch")
    expect(not await say(store, 1, 11, "even"), "the first attempt has nothing to say any more")
    expect(await say(store, 2, 0, "Six."), "the second one has")
    expect(await text_behind(store, 1, 9) == (2, "Six.", ""), "whoever read the first begins at the beginning")
    expect(not await say(store, 2, 4, "", BROKEN), "it broke off")
    expect(await text_behind(store, 2, 4) == (2, "", BROKEN), "and says so")


async def what_is_said_is_bounded_and_goes_with_its_run(harness: StoreHarness) -> None:
    """A stream that is too long is cut; when the run's history goes, so does what it said."""
    store = await harness.open()
    membership = await join(store)
    execution, history = await own(store, membership, "a")
    await do(store, OpenStream("a", NAME, "a"))
    await do(store, OpenStream("other", NAME, "b"))
    expect(await say(store, 1, 0, "x", characters=LONGEST), "so much may be said")
    expect(not await say(store, 1, LONGEST, "y"), "and no more")
    expect((await text_behind(store, 1, LONGEST))[2] == CUT, "which is told")
    await end(store, membership, execution, history)
    harness.advance(5)
    await do(store, Prune(await store.now(), uncaptured=True))
    expect(await store.streams("a") == [] and await store.said("a", NAME) is None, "it is gone")
    found = await store.said("other", NAME)
    expect(isinstance(found, Said), "that of another run is there")


async def an_answer_is_kept_for_some_time(harness: StoreHarness) -> None:
    """Under its digest, the newest one; those whose time is over go when others come."""
    store = await harness.open()
    expect(await store.model_answer("d") is None, "nothing is known")
    await do(store, KeepModelAnswer("d", b'"old"', 100.0))
    await do(store, KeepModelAnswer("d", b'"new"', 50.0))
    found = await store.model_answer("d")
    expect(found is not None and found.body == b'"new"', "the newest")
    harness.advance(60)
    await do(store, KeepModelAnswer("e", b"1", 1.0))
    expect(await store.model_answer("d") is None, "its time is over")


CHECKS: Final[tuple[Check, ...]] = (
    what_is_said_is_read_from_any_place,
    another_attempt_says_everything_anew,
    what_is_said_is_bounded_and_goes_with_its_run,
    an_answer_is_kept_for_some_time,
)
