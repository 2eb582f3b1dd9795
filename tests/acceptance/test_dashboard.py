"""The dashboard as a person meets it: the system's Chromium in front of a shop that is served by the command line.

With HOLDFAST_SCREENSHOTS=docs/dashboard the pictures of the documentation are made anew.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance import shopfront
from tests.acceptance.shopfront import Shop, looking, picture

CAUSE_HEIGHT_MAX = 400
"""In how many pixels from the top the cause has to stand: what is seen without looking for it."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Give a browser."""
    with shopfront.browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Give a shop that was served with a mistake in it, closed, mended and served again.

    What began and what came before that is what every deploy meets: a run whose code has changed, and a delivery that
    nobody could do anything with.
    """
    neutral = os.environ.get("HOLDFAST_SCREENSHOTS")  # pictures show the folder
    shop = Shop(Path(tempfile.gettempdir(), "shop") if neutral else tmp_path_factory.mktemp("shop"))
    try:
        shop.open()
        shop.post("/v1/workflows/Nightly/runs", "monday", id="changed")
        shop.deliver({"order": "7"}, "d-7")
        shop.stop()
        shop.edit("automations.py", "total = await price(day)", "total = await discount(day)")
        shop.edit("holdfast.toml", "body.ordr", "body.order")
        shop.open()
        shop.post("/v1/runs/changed/signals/close")
        yield shop
    finally:
        shop.close()


@pytest.fixture
def page(chromium: Browser, shop: Shop) -> Iterator[Page]:
    """Give a page of a browser that looks at the shop."""
    with looking(chromium, shop.url) as page:
        yield page


def test_a_run_is_started_watched_and_signalled(shop: Shop, page: Page) -> None:
    """By form, with a line added; it moves without a reload; what is open and focused stays; a signal ends it."""
    page.goto("/start/Fulfil")
    page.get_by_label("account", exact=True).fill("acme")
    page.get_by_role("button", name="Add to lines").click()
    page.get_by_label("name", exact=True).fill("rope")
    page.get_by_label("count", exact=True).fill("two")
    page.get_by_label("Run id").fill("ord-1")
    page.get_by_role("button", name="Start", exact=True).last.click()
    expect(page.locator(".wrong").first).to_be_visible()
    page.get_by_label("count", exact=True).fill("2")
    page.get_by_role("button", name="Start", exact=True).last.click()
    expect(page.get_by_role("heading", name="ord-1")).to_be_visible()
    expect(page.locator("#lamp")).to_have_attribute("data-state", "on")
    expect(page.locator(".lane", has_text="price#1")).to_be_visible()

    page.locator("#input > summary").click()
    page.locator("#do-cancel > summary").click()
    page.locator("#do-cancel input[name=reason]").fill("perhaps")
    # Somebody else signals it: the page is told, and nothing that is open, written or focused goes away.
    other = page.context.new_page()
    other.goto("/runs/ord-1/signal/approve")
    other.get_by_label("Value").fill("ops")
    other.get_by_role("button", name="Send signal").click()
    expect(other.get_by_text("completed").first).to_be_visible()
    page.bring_to_front()
    expect(page.locator(".head .status")).to_have_text("completed")
    expect(page.locator("#input")).to_have_attribute("open", "")
    expect(page.locator(".lane", has_text="approve")).to_be_visible()
    expect(page.locator("#result")).to_contain_text('"total": 4')


def test_a_killed_worker_is_taken_over_from_before_ones_eyes(shop: Shop, page: Page) -> None:
    """A worker is killed in the middle of a task: the page shows who took it over, without a reload."""
    first, one = shop.start("worker", "--pool", "press=1")
    shop.post("/v1/workflows/leaflet/runs", str(shop.folder), id="leaflet")
    page.goto("/runs/leaflet")
    expect(page.locator("#explain")).to_contain_text(one["member"])
    page.evaluate("window.isTheSame = true")
    shop.kill(first)
    second, other = shop.start("worker", "--pool", "press=1")
    expect(page.locator(".head .status")).to_have_text("completed")
    lane = page.locator(".lane", has_text="print_page#1")
    expect(lane).to_contain_text(other["member"])
    expect(lane.locator(".seg.failed title")).to_contain_text(one["member"])
    assert page.evaluate("window.isTheSame")
    picture(page, "take-over")
    shop.end(first, second)


def test_a_delivery_is_carried_out_again_once_its_cause_is_mended(shop: Shop, page: Page) -> None:
    """What could not be read when it came says so; after the mend, a button starts what it should have started."""
    page.goto("/deliveries")
    page.get_by_role("link", name="d-7").click()
    expect(page.locator(".note.bad")).to_contain_text("does not fit")
    page.get_by_role("button", name="Redeliver").click()
    expect(page.locator(".head .status")).to_have_text("accepted")
    page.get_by_role("link", name="ship-7").click()
    expect(page.locator("#result")).to_contain_text("7")


CAUSES = {
    # run: what has to be said of it
    "no-worker": "which no live worker serves",
    "no-signal": "waits for a signal",
    "held-up": "held by run holder",
    "paused": "look at it first",
    "changed": "diverged",
    "failed": "nobody sells unobtainium",
}


def test_what_keeps_a_run_from_moving_is_seen_at_once_and_a_failed_one_is_forked(shop: Shop, page: Page) -> None:
    """Six runs with six causes: each stands in the first 400 pixels; a fork with an edited value completes."""
    shop.post("/v1/workflows/gallery/runs", "x", id="no-worker")
    shop.post("/v1/workflows/Fulfil/runs", {"account": "a"}, id="no-signal")
    shop.post("/v1/workflows/Charge/runs", "acme", id="holder")
    page.goto("/runs/holder")
    expect(page.locator(".lane .seg.held")).to_be_visible()
    shop.post("/v1/workflows/Charge/runs", "acme", id="held-up")
    shop.post("/v1/workflows/Fulfil/runs", {"account": "a"}, id="paused")
    shop.post("/v1/runs/paused/pause", {"reason": "look at it first"})
    shop.post("/v1/workflows/Fulfil/runs", {"account": "a", "lines": [{"name": "unobtainium"}]}, id="failed")
    for run_id, words in CAUSES.items():
        page.goto(f"/runs/{run_id}")
        cause = page.get_by_text(words).first
        expect(cause).to_be_visible()
        box = cause.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < CAUSE_HEIGHT_MAX, run_id

    picture(page, "failed")
    page.locator("#do-fork > summary").click()
    page.locator("#do-fork input[name=at]").fill("price#1")
    page.locator("#do-fork textarea").fill("7")
    page.locator("#do-fork input[name=id]").fill("mended")
    page.get_by_role("button", name="Fork this run").click()
    expect(page.get_by_role("heading", name="mended")).to_be_visible()
    shop.post("/v1/runs/mended/signals/approve", "ops")
    expect(page.locator("#result")).to_contain_text('"total": 7')

    page.goto("/")
    expect(page.get_by_role("link", name="failed", exact=True).last).to_be_visible()
    picture(page, "overview")


def test_a_hundred_updates_take_nothing_from_its_reader(shop: Shop, page: Page) -> None:
    """While a run grows by a hundred events, what is read stays where it is, and what is open and focused so."""
    shop.post("/v1/workflows/Fulfil/runs", {"account": "a"}, id="growing")
    shop.post("/v1/runs/growing/signals/note", "first")
    page.goto("/runs/growing")
    read = page.locator("#e2")
    read.locator("summary").click()
    page.locator("#do-pause > summary").click()
    reason = page.locator("#do-pause input[name=reason]")
    reason.press_sequentially("half a sen")
    page.evaluate("scrollTo(0, 200)")
    before = reason.bounding_box()
    for number in range(100):
        shop.post("/v1/runs/growing/signals/note", f"number {number}")
        page.evaluate("update()")
    page.locator("#e102").wait_for(state="attached")
    assert int(page.locator("#main").get_attribute("data-updates") or 0) >= 100
    assert reason.evaluate("it => it === document.activeElement")
    reason.press_sequentially("tence")
    expect(reason).to_have_value("half a sentence")
    expect(read).to_have_attribute("open", "")
    expect(page.locator("#do-pause")).to_have_attribute("open", "")
    assert reason.bounding_box() == before


def test_a_demo_ends_with_its_run_on_its_timeline(chromium: Browser, tmp_path: Path) -> None:
    """The last line that `holdfast demo --serve` prints is an address: there the run is shown, open at its timeline."""
    documents = tmp_path / "documents"
    documents.mkdir()
    for number in range(40):
        (documents / f"{number}.md").write_text(f"# Document {number}\n\nIt is about number {number}.\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "holdfast", "demo", str(documents), "--documents", "40", "--serve"],
        cwd=tmp_path,
        env={**os.environ, "HOLDFAST_PORT": "0", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        line = next(line for line in process.stdout if line.startswith("look ") and "/runs/" in line)
        url, _, path = line.split()[1].partition("/runs/")
        with looking(chromium, url) as page:
            answer = page.goto(f"/runs/{path}")
            assert answer is not None
            assert answer.status == 200
            expect(page.locator("#timeline")).to_be_in_viewport()
            expect(page.locator("#timeline .lane", has_text="fan-out")).to_be_visible()
    finally:
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
        process.stdout.close()
        process.wait(30)
    assert said == ""
