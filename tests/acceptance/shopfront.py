"""A shop that is served as people serve theirs, and a browser in front of it.

Owns: the processes of a shop, and what a browser is told before a test looks through it.
Must not know: what any test is about.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from holdfast import Client
from tests.programs import require_program
from tests.unit.controller.webhooks.senders import SECRETS, github

T = TypeVar("T")

SHOP = Path(__file__).parent / "shop"
INSTALL = "apt-get install chromium"
WAIT_MS = 30_000
ANSWERED = re.compile(r"Failed to load resource: .* a status of 4(03|04|22)")
WIDE = {"width": 1180, "height": 900}
PHONE = {"width": 380, "height": 800}


class Shop:
    """A folder with automations in it, and the processes that serve them."""

    def __init__(self, folder: Path) -> None:
        """Make the folder; nothing is served yet."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns("__pycache__"))
        self.folder = folder
        self.url = ""
        # One for all: making one costs more than what it sends. No connection of it outlives what it was for.
        self._http = httpx.Client(headers={"Connection": "close"}, timeout=WAIT_MS / 1000)
        self._processes: list[subprocess.Popen[str]] = []

    def open(self) -> None:
        """Serve everything in one process, until `stop`."""
        _, said = self.start("dev")
        self.url = said["url"]

    def start(self, *verb: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        """Start a process of the command line; return it and what it announces."""
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "holdfast", *verb, "--json"],
                cwd=self.folder,
                env={**os.environ, "HOOK_GITHUB": SECRETS["HOOK_GITHUB"], "PYTHONDONTWRITEBYTECODE": "1"},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (self.folder / "log").read_text()
        return process, json.loads(line)

    def kill(self, process: subprocess.Popen[str]) -> None:
        """End a process as the end of its machine would."""
        process.kill()
        process.wait()

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a line in a file of the shop."""
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def end(self, *processes: subprocess.Popen[str]) -> None:
        """End some processes, in good order."""
        for each in processes:
            if each.poll() is None:
                each.send_signal(signal.SIGTERM)
        for each in processes:
            self._processes.remove(each)
            assert each.stdout is not None
            each.stdout.close()
            try:
                each.wait(30)
            except subprocess.TimeoutExpired:
                self.kill(each)
                raise

    def stop(self) -> None:
        """End every process."""
        self.end(*self._processes)

    def close(self) -> None:
        """End every process, for good."""
        self.stop()
        self._http.close()

    def post(self, path: str, body: Any = None, status: int | None = None, **query: str) -> Any:
        """Send something to the API; return what it answers."""
        answer = self._http.post(f"{self.url}{path}", json=body, params=query)
        assert answer.is_success if status is None else answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def ask(self, question: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        """Return what comes of asking the shop's store, as another process of the shop would."""

        async def body() -> T:
            async with await Client.connect(f"sqlite:///{self.folder}/holdfast.db") as client:
                return await question(client)

        with ThreadPoolExecutor(1) as thread:  # a browser that is open here has this thread's event loop
            return thread.submit(asyncio.run, body()).result()

    def deliver(self, body: dict[str, Any], delivery: str) -> None:
        """Send a signed delivery to the webhook `paid`."""
        content = json.dumps(body).encode()
        headers = {**github(content, delivery=delivery), "Content-Type": "application/json"}
        self._http.post(f"{self.url}/v1/hooks/paid", content=content, headers=headers)


@contextmanager
def browser() -> Iterator[Browser]:
    """Give the system's Chromium."""
    chromium = require_program("chromium", INSTALL)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        try:
            yield launched
        finally:
            launched.close()


@contextmanager
def looking(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """Give a page at a shop; fail if anything on it broke, asked something or ran a script of a stranger."""
    context: BrowserContext = browser.new_context(base_url=url, **{"viewport": WIDE, **options})
    broken: list[str] = []
    context.on("console", lambda said: broken.append(said.text) if said.type == "error" else None)
    context.on("weberror", lambda error: broken.append(str(error.error)))
    context.on("dialog", lambda dialog: (broken.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    try:
        yield page
    finally:
        context.close()
    # That a page was refused, or a form sent back, is an answer; the browser's console says so.
    assert [each for each in broken if not ANSWERED.search(each)] == []


def picture(page: Page, name: str) -> None:
    """Make a picture for the documentation, where somebody wants them."""
    folder = os.environ.get("HOLDFAST_SCREENSHOTS")
    if folder:
        Path(folder, f"{name}.png").write_bytes(page.screenshot())
