"""The dashboard in bad company and for everybody: hostile text, strangers' forms, small screens, no script, axe.

Every page is met with everything at once on it: names, payloads and errors that would be markup, escape sequences, text
that turns around, and megabytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from holdfast import Client
from holdfast.ports.mappings import Move
from holdfast.ports.operations import (
    Amount,
    BudgetLimit,
    DriftChange,
    ModelCall,
    ModelUsage,
    ProposedMapping,
    ProposeMappings,
    ReportDrift,
    ReserveModelCall,
    SettleModelCall,
)
from tests.acceptance import shopfront
from tests.acceptance.shopfront import PHONE, WIDE, Shop, looking

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'>\x1b[31m\u202egnp\u2066{{7*7}}\u200b"
LONG = HOSTILE + "W" * 1_000_000
NAME = HOSTILE.replace("\x1b", "")
AXE = files("axe_playwright_python").joinpath("axe.min.js")
NANO = 1_000_000_000
GRAVE = {"serious", "critical"}
RULES = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .map(each => [each.id, each.impact, each.nodes.slice(0, 3).map(node => node.html.slice(0, 300)).join(" ")])"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Give a browser."""
    with shopfront.browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Give a shop in which everything that has a name has a hostile one."""
    shop = Shop(tmp_path_factory.mktemp("shop"))
    try:
        shop.open()
        shop.post("/v1/workflows/echo/runs", LONG, id=NAME)
        shop.post(
            "/v1/workflows/Fulfil/runs",
            {"account": LONG, "lines": [{"name": HOSTILE}]},
            id="waits",
            attribute=f"region={HOSTILE}",
        )
        shop.post("/v1/workflows/Fulfil/runs", {"account": "a"}, id="paused")
        shop.post("/v1/runs/paused/pause", {"reason": LONG[:100_000]})
        shop.post("/v1/workflows/Charge/runs", HOSTILE, id="holder")
        shop.post("/v1/workflows/Charge/runs", HOSTILE, id="second")
        shop.post("/v1/workflows/gallery/runs", HOSTILE, id="nobody")
        for number in range(3):
            shop.post("/v1/runs/waits/signals/note", HOSTILE + "y" * 30_000 * number)
        shop.deliver({"order": HOSTILE, "text": LONG[:200_000]}, "d-1")
        shop.post("/v1/workflows/gallery/runs", HOSTILE, id="drifted")
        shop.ask(fill)
        shop.post(f"/v1/pools/{quote(NAME, safe='')}/pause", {"reason": HOSTILE})
        yield shop
    finally:
        shop.close()


async def fill(client: Client) -> None:
    """Have a host drift, and a run ask a model, under names that are hostile too."""
    run = await client.store.run("drifted")
    assert run is not None
    change = DriftChange(HOSTILE, LONG[:10_000], HOSTILE)
    report = ReportDrift(run.execution_id, HOSTILE, f"GET {LONG[:10_000]}", HOSTILE, (change,))
    limit = BudgetLimit(HOSTILE, "run", usd=NANO, tokens=500)
    call = ModelCall("call", "waits", HOSTILE, 1, HOSTILE, HOSTILE, LONG[:10_000], (limit,))
    usage = ModelUsage(1_000, 900, 50, 50, NANO, 2 * NANO)
    spent = Amount(NANO, 1_050)
    number, _ = await client.store.write([report, ReserveModelCall(call, spent, 60.0)])
    proposed = ProposedMapping((Move(HOSTILE, LONG[:10_000]),), HOSTILE, (HOSTILE,), ())
    await client.store.write([ProposeMappings(number, (proposed,))])
    await client.store.write([SettleModelCall(call, usage, spent)])


@pytest.fixture
def page(chromium: Browser, shop: Shop) -> Iterator[Page]:
    """Give a page of a browser that looks at the shop."""
    with looking(chromium, shop.url) as page:
        yield page


def addresses(shop: Shop) -> list[str]:
    """Return one address of every kind of page there is."""
    captures = httpx.get(f"{shop.url}/v1/captures").json()["captures"]
    drifts = httpx.get(f"{shop.url}/v1/drifts").json()["drifts"]
    deliveries = httpx.get(f"{shop.url}/v1/deliveries").json()["deliveries"]
    return [
        "/",
        "/runs",
        "/runs?status=FAILED&error=" + quote(HOSTILE),
        f"/runs/{quote(NAME, safe='')}",
        "/runs/waits",
        "/runs/waits/signal/note",
        "/runs/waits/query/approved_by",
        "/runs/second",
        "/runs/nobody",
        f"/runs/{quote(NAME, safe='')}-that-is-not-there",
        "/start",
        "/start/Fulfil",
        "/fleet",
        "/ai",
        "/ai?days=7&went_on=3",
        "/drifts",
        f"/drifts/{drifts[0]['drift']}",
        "/schedules",
        "/schedules/closing",
        "/deliveries",
        f"/deliveries/{deliveries[0]['delivery']}",
        "/replay",
        f"/replay/{quote(captures[0]['name'], safe='')}",
        "/keys",
        "/audit",
        "/login",
    ]


def grave(page: Page) -> list[Any]:
    """Return what axe holds against a page that keeps people from using it."""
    return [each for each in page.evaluate(RULES) if each[1] in GRAVE]


def test_every_page_is_for_everybody_whatever_stands_on_it(shop: Shop, page: Page) -> None:
    """No script of a stranger runs, nothing leaves its place, nobody is kept out: light, dark, and on a phone."""
    script = AXE.read_text(encoding="utf-8")
    wrong: list[tuple[str, object]] = []
    for path in addresses(shop):
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]  # it is what it takes
        page.emulate_media(color_scheme="light")
        answer = page.goto(path)
        assert answer is not None
        size = len(answer.body())
        wrong += [(path, f"{size:,} bytes")] if size > 300 * 1024 else []
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        text = page.locator("body").inner_text()
        wrong += [(path, sign) for sign in ("\x1b", "\u202e", "\u2066", "\u200b") if sign in text]
        strangers = page.locator("img:not(.brand img), script:not([src^='/assets/live.js'])").count()
        wrong += [(path, "markup of a stranger")] if strangers else []
        page.evaluate(script)
        wrong += [(path, each) for each in grave(page)]
        for name, size in (("wide", WIDE), ("phone", PHONE)):
            page.set_viewport_size(size)  # type: ignore[arg-type]  # as above
            width = page.evaluate("document.documentElement.scrollWidth")
            wrong += [(f"{path} {name}", width)] if width > size["width"] else []
        page.emulate_media(color_scheme="dark")
        wrong += [(f"{path} phone, dark", each) for each in grave(page)]
    assert not wrong, "\n".join(map(str, wrong))


def test_everything_works_without_javascript(chromium: Browser, shop: Shop) -> None:
    """A run is started by form with a line more, and signalled, with nothing but a keyboard and no script."""
    with looking(chromium, shop.url, java_script_enabled=False) as page:
        page.goto("/start/Fulfil")
        page.get_by_label("account", exact=True).focus()
        page.keyboard.type("acme")
        page.get_by_role("button", name="Add to lines").focus()
        page.keyboard.press("Enter")
        page.get_by_label("name", exact=True).focus()
        page.keyboard.type("rope")
        page.get_by_label("Run id").focus()
        page.keyboard.type("plain")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="plain")).to_be_visible()
        page.get_by_role("link", name="Signal approve").focus()
        page.keyboard.press("Enter")
        page.get_by_label("Value").focus()
        page.keyboard.type("ops")
        page.get_by_role("button", name="Send signal").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="plain")).to_be_visible()
        shop.ask(lambda client: client.handle("plain").result(timeout=30))
        page.reload()  # without script a page shows what was there when it was asked for
        expect(page.locator(".lane", has_text="approve")).to_be_visible()


def test_another_site_gets_nothing_done(chromium: Browser, shop: Shop) -> None:
    """A form that somebody else's page sends is refused, though nobody needs a key here."""
    with looking(chromium, shop.url) as page:
        page.route(
            "http://evil.test/", lambda route: route.fulfill(body=EVIL.format(url=shop.url), content_type="text/html")
        )
        page.goto("http://evil.test/")
        expect(page.get_by_text("of other sites")).to_be_visible()
        assert httpx.get(f"{shop.url}/v1/runs/waits").json()["status"] == "RUNNING"


EVIL = """<form method="post" action="{url}/runs/waits/do/terminate"><input name="reason" value="ha"></form>
<script>document.forms[0].submit()</script>"""
