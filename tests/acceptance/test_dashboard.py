"""The dashboard as a person meets it: the system's Chromium on a live stack.

With HOLDFAST_SCREENSHOTS=FOLDER the pictures of the documentation are made there.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

from playwright.async_api import async_playwright, expect
from pydantic import BaseModel

from holdfast.app import Holdfast
from holdfast.authoring import Retry, query, signal, task, workflow
from holdfast.controller import ControllerService
from holdfast.controller.http import HttpSettings, create_app, serve
from holdfast.dashboard import ROUTERS
from tests.programs import require_program

INSTALL = "apt-get install chromium"
WAIT_MS = 30_000


class Line(BaseModel):
    """One thing ordered."""

    name: str
    count: int = 1


class Card(BaseModel):
    """How it is paid."""

    number: str
    until: date


class Order(BaseModel):
    """What is ordered."""

    account: str
    lines: list[Line] = []
    payment: Card | None = None


@task(retry=Retry(attempts=2, initial="10ms"))
async def price(name: str) -> int:
    """Look up a price."""
    if name == "unobtainium":
        raise ValueError(f"nobody sells {name}")
    return len(name)


@task(pool="gpu")
async def render(name: str) -> str:
    """Draw it, where nobody can."""
    return name


@workflow
class Fulfil:
    """Price an order, wait for somebody's approval, and tell what it costs."""

    def __init__(self) -> None:
        self.approved = asyncio.Event()
        self.by = ""

    async def run(self, order: Order) -> dict[str, int]:
        """Price it, and wait."""
        prices = await asyncio.gather(*(price(each.name) for each in order.lines))
        await self.approved.wait()
        return {"total": sum(prices)}

    @signal
    def approve(self, by: str) -> None:
        """Let it go on."""
        self.by = by
        self.approved.set()

    @query
    def approved_by(self) -> str:
        """Tell who approved it."""
        return self.by


@workflow
async def gallery(name: str) -> str:
    """Have something drawn."""
    return await render(name)


@asynccontextmanager
async def browsing(folder: Path):
    """Give a page of a browser that looks at a stack of its own, and the stack's client."""
    chromium = require_program("chromium", INSTALL)
    definitions = [Fulfil, gallery, price, render]
    store = f"sqlite:///{folder}/store.db"
    async with Holdfast(store=store, definitions=definitions, roles=("orchestrator", "worker"), tune_gc=False) as app:
        stack = app.stack
        service = ControllerService(stack.engine, stack.registry, stack.store, stack.clock)
        server = await serve(create_app(service, settings=HttpSettings(port=0), routers=ROUTERS))
        try:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                context = await browser.new_context(base_url=server.url, viewport={"width": 1180, "height": 900})
                page = await context.new_page()
                page.set_default_timeout(WAIT_MS)
                expect.set_options(timeout=WAIT_MS)
                try:
                    yield page, app.client
                finally:
                    await browser.close()
        finally:
            await server.stop()


async def picture(page, name: str) -> None:
    """Make a picture for the documentation, where somebody wants them."""
    folder = os.environ.get("HOLDFAST_SCREENSHOTS")
    if folder:
        await page.screenshot(path=f"{folder}/{name}.png")


def test_a_run_is_started_watched_and_signalled(tmp_path):
    """By form, with a line added; it moves without a reload; what is open and focused stays; a signal ends it."""

    async def body() -> None:
        async with browsing(tmp_path) as (page, _):
            broken = []
            page.on("console", lambda message: broken.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: broken.append(str(error)))
            await page.goto("/start/Fulfil")
            await page.get_by_label("account", exact=True).fill("acme")
            await page.get_by_role("button", name="Add to lines").click()
            await page.get_by_label("name", exact=True).fill("rope")
            await page.get_by_label("count", exact=True).fill("two")
            await page.get_by_label("Run id").fill("ord-1")
            await page.get_by_role("button", name="Start", exact=True).last.click()
            await expect(page.locator(".wrong").first).to_be_visible()
            await page.get_by_label("count", exact=True).fill("2")
            await picture(page, "start")
            await page.get_by_role("button", name="Start", exact=True).last.click()
            await expect(page.get_by_role("heading", name="ord-1")).to_be_visible()
            await expect(page.locator("#lamp")).to_have_attribute("data-state", "on")
            await expect(page.locator(".lane", has_text="price#1")).to_be_visible()

            await page.locator("#input > summary").click()
            await page.locator("#do-cancel > summary").click()
            await page.locator("#do-cancel input[name=reason]").fill("perhaps")
            # Somebody else signals it: the page is told, and nothing that is open, written or focused goes away.
            other = await page.context.new_page()
            await other.goto("/runs/ord-1/signal/approve")
            await other.get_by_label("Value").fill("ops")
            await other.get_by_role("button", name="Send signal").click()
            await expect(other.get_by_text("completed").first).to_be_visible()
            await page.bring_to_front()
            await expect(page.locator(".head .status")).to_have_text("completed")
            await expect(page.locator("#input")).to_have_attribute("open", "")
            await expect(page.locator(".lane", has_text="approve")).to_be_visible()
            await expect(page.locator("#result")).to_contain_text('"total": 4')
            await picture(page, "run")
            assert [each for each in broken if "422" not in each] == []  # that is the form that was sent back

    asyncio.run(body())


def test_what_keeps_a_run_from_moving_is_seen_at_once_and_a_failed_one_is_forked(tmp_path):
    """The cause stands in the first 400 pixels of text; a fork with an edited value completes; it works on a phone."""

    async def body() -> None:
        async with browsing(tmp_path) as (page, client):
            await client.start(gallery, "x", id="no-worker")
            await client.start(Fulfil, Order(account="a"), id="no-signal")
            paused = await client.start(Fulfil, Order(account="a"), id="paused")
            await paused.pause("look at it first")
            await client.start(Fulfil, Order(account="a", lines=[Line(name="unobtainium")]), id="failed")
            causes = {
                "no-worker": "which no live worker serves",
                "no-signal": "waits for a signal",
                "paused": "look at it first",
                "failed": "nobody sells unobtainium",
            }
            for run_id, words in causes.items():
                await page.goto(f"/runs/{run_id}")
                cause = page.get_by_text(words).first
                await expect(cause).to_be_visible()
                box = await cause.bounding_box()
                assert box is not None
                assert box["y"] + box["height"] < 400
            await picture(page, "failed")

            await page.locator("#do-fork > summary").click()
            await page.locator("#do-fork input[name=at]").fill("price#1")
            await page.locator("#do-fork textarea").fill("7")
            await page.locator("#do-fork input[name=id]").fill("mended")
            await page.get_by_role("button", name="Fork this run").click()
            await expect(page.get_by_role("heading", name="mended")).to_be_visible()
            await client.handle("mended").signal(Fulfil.approve, by="ops")
            await expect(page.locator("#result")).to_contain_text('"total": 7')

            await page.goto("/")
            await expect(page.get_by_role("link", name="failed", exact=True).last).to_be_visible()
            await picture(page, "overview")
            await page.set_viewport_size({"width": 380, "height": 800})
            for path in ("/", "/runs", "/runs/failed", "/start/Fulfil", "/fleet"):
                await page.goto(path)
                wide = await page.evaluate("document.documentElement.scrollWidth")
                assert wide <= 380, path

    asyncio.run(body())
