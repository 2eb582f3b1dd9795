"""Callbacks: an outside system answers a run at a URL, once, and nobody else can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from holdfast import Holdfast, callback, continue_as_new, task, workflow
from holdfast.authoring import DeterminismGuard
from holdfast.controller import ControllerService
from holdfast.controller.http import create_app
from holdfast.engine import Execution, recover
from holdfast.errors import ForkError
from holdfast.history import CallbackOpened, TaskCompleted
from tests.backends import store_of
from tests.unit.worker.rig import on_loop, wait_for, wait_until

pytestmark = pytest.mark.usefixtures("backend")

URLS: list[str] = []


class Receipt(BaseModel):
    """What the printer posts."""

    pages: int


@task
async def order_print(url: str) -> None:
    """Tell the outside system where to answer."""
    URLS.append(url)


@workflow
async def printing(expires: str = "") -> int:
    """Order something, and wait for the answer; asked again, it is the same."""
    done = callback(type=Receipt, expires=expires or None)
    await order_print(done.url)
    assert done.url.endswith(f"/v1/callbacks/{done.token}")
    return (await done).pages + (await done).pages


@workflow
async def reprinting(round: int) -> int:
    """Order something, and go on as a new execution without waiting for it; the last one waits."""
    done = callback(type=Receipt)
    await order_print(done.url)
    if round < 2:
        continue_as_new(round + 1)
    return (await done).pages


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Holdfast, httpx.AsyncClient]]:
    """Serve the workflow and the API on one store."""
    store = store_of(folder)
    async with Holdfast(
        definitions=[printing, reprinting, order_print], store=store, base_url="https://flows.example.com/"
    ) as stack:
        parts = stack._stack
        callbacks = await parts.callbacks()
        service = ControllerService(parts.engine, parts.registry, parts.store, parts.clock, callbacks=callbacks)
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            yield stack, http


async def post(http: httpx.AsyncClient, url: str, content: Any) -> httpx.Response:
    """Answer a callback, as an outside system does."""
    path = url.removeprefix("https://flows.example.com")
    assert path != url
    return await http.post(path, json=content)


def is_refusal(response: httpx.Response) -> bool:
    """Say whether a response is the one problem that all tokens get that were not made here."""
    problem = response.json()
    return (response.status_code, problem["code"]) == (404, "HF609") and "is not good" in problem["detail"]


def why_gone(response: httpx.Response) -> str:
    """Return why a callback that was made here takes no answer."""
    problem = response.json()
    assert (response.status_code, problem["code"]) == (410, "HF611"), problem
    why: str = problem["detail"]
    return why


@on_loop
async def test_an_answer_reaches_the_run_once(tmp_path: Path) -> None:
    """202 when it is durable; the run goes on in another process; used, and ended, the URL is nobody's."""
    URLS.clear()
    async with served(tmp_path) as (stack, http):
        handle = await stack.client.start(printing, id="r")
        await wait_until(lambda: URLS)
    async with served(tmp_path) as (stack, http):
        handle = stack.client.handle("r", printing)
        answers = await asyncio.gather(*(post(http, URLS[0], {"pages": each}) for each in (3, 4)))
        assert sorted(each.status_code for each in answers) == [202, 410]
        assert await handle.result() in {6, 8}
        assert "its run has ended: COMPLETED" in why_gone(await post(http, URLS[0], {"pages": 3}))
        events = [each.event for each in await handle.history()]
    assert [each.url for each in events if isinstance(each, CallbackOpened)] == URLS
    # Elsewhere, without the key, a replay makes the same URL: history has it.
    execution = Execution(printing, DeterminismGuard(), lambda *_: None)  # type: ignore[arg-type, return-value]
    assert recover(execution, events) == []


@on_loop
async def test_a_token_that_was_tampered_with_or_has_expired_is_refused(tmp_path: Path) -> None:
    """One answer for all that were not made here; what is no JSON leaves the callback unused."""
    URLS.clear()
    async with served(tmp_path) as (stack, http):
        await stack.client.start(printing, id="r")
        await wait_until(lambda: len(URLS) == 1)
        await stack.client.start(printing, "1ms", id="late")
        await wait_until(lambda: len(URLS) == 2)
        url, expired = URLS
        content, _, signature = url.rpartition("/")[2].partition(".")
        other = expired.rpartition("/")[2].partition(".")
        forged = [f"{content}.{other[2]}", f"{other[0]}.{signature}", content, f"{content}.", "x", f"{content}.é", ".x"]
        for token in forged:
            assert is_refusal(await http.post(f"/v1/callbacks/{token}", json=1)), token
        assert "has expired" in why_gone(await post(http, expired, 1))
        bad = await http.post(
            f"/v1/callbacks/{content}.{signature}", content=b"{", headers={"content-type": "application/json"}
        )
        assert bad.status_code in {400, 422}
        assert (await post(http, url, {"pages": 1})).status_code == 202
        assert await stack.client.handle("r", printing).result() == 2


@on_loop
async def test_an_answer_to_an_execution_that_went_on_is_refused(tmp_path: Path) -> None:
    """It would be lost in the one that follows: 410, and why. The newest execution's own URL is good, once."""
    URLS.clear()
    async with served(tmp_path) as (stack, http):
        handle = await stack.client.start(reprinting, 0, id="r@2")
        await wait_until(lambda: len(URLS) == 3)
        for url in URLS[:2]:
            assert "went on as a new execution" in why_gone(await post(http, url, {"pages": 3}))
        assert (await post(http, URLS[2], {"pages": 4})).status_code == 202
        assert await handle.result() == 4
        assert "its run has ended" in why_gone(await post(http, URLS[2], {"pages": 4}))


@on_loop
async def test_a_fork_waits_for_an_answer_of_its_own(tmp_path: Path) -> None:
    """Before the URL was given away it makes another one; behind that, what is answered has to be said."""
    URLS.clear()
    async with served(tmp_path) as (stack, http):
        handle = await stack.client.start(printing, id="r")
        async for each in handle.watch():
            if isinstance(each.event, TaskCompleted):
                break
        forked = await stack.client.fork("r", at="order_print#1", id="f")
        await wait_until(lambda: len(URLS) == 2)
        assert "callback#1" in forked.begun.again

        async def waits() -> bool | None:
            causes = (await forked.handle.explain()).causes
            return ("callback", "callback#1") in {(each.kind, each.step) for each in causes} or None

        await wait_for(waits)
        assert (await post(http, URLS[1], {"pages": 5})).status_code == 202
        assert await forked.handle.result() == 10
        with pytest.raises(ForkError, match="URL of callback#1 was given away"):
            await stack.client.fork("r", at="callback#1", id="g")
        told = await stack.client.fork("r", at="callback#1", override={"callback#1": {"pages": 6}}, id="g")
        assert await told.handle.result() == 12
        assert (await post(http, URLS[0], {"pages": 1})).status_code == 202
        assert await stack.client.handle("r", printing).result() == 2
