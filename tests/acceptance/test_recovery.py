"""Rules about failures, in whole stacks: what they decide is carried out, recorded, and replayed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast import (
    Holdfast,
    Recovery,
    Retry,
    RunFailedError,
    Saga,
    Trouble,
    Verdict,
    map_tasks,
    task,
    task_info,
    workflow,
)
from holdfast.authoring import DeterminismGuard, TaskDefinition
from holdfast.controller import ControllerService
from holdfast.controller.http import create_app
from holdfast.engine import Execution, recover
from holdfast.errors import RunCancelledError
from holdfast.history import AnyEvent
from holdfast.replay import History, WorkflowReplayer
from tests.backends import store_of
from tests.unit.worker.rig import on_loop, wait_for, wait_until

TOLD: dict[str, Trouble] = {}
KEYS: list[str] = []
CALLS: list[str] = []
HEALED: set[str] = set()


class DeclinedError(Exception):
    """What the bank says."""


@task
async def by_hand(what: str) -> str:
    """Stand in for the bank."""
    KEYS.append(task_info().idempotency_key)
    return f"{what} by hand"


@task
async def look(trouble: Trouble) -> Any:
    """Decide by what it was called with; at first, say what is no verdict."""
    if not trouble.problem:
        return {"do": "mend"}
    if trouble.input == "edit":
        return Verdict(do="retry", input="fine")
    return Verdict(do="use", result=f"{trouble.error}: {trouble.message}")


@task
async def tell(trouble: Trouble) -> None:
    """Write to the desk."""
    TOLD[trouble.run_id] = trouble


TABLE = {
    "http:5xx": [Recovery.retry(after=0, attempts=3), Recovery.fallback(by_hand)],
    DeclinedError: Recovery.ask(agent=look),
    ValueError: Recovery.ask(tell=tell, within="1d"),
    KeyError: Recovery.park("somebody has to look"),
    OSError: Recovery.compensate(),
}


class AnsweredError(Exception):
    """What a client of HTTP raises."""

    status = 503


FAILURES = {
    "down": AnsweredError,
    "edit": DeclinedError,
    "use": DeclinedError,
    "ask": ValueError,
    "park": KeyError,
    "undo": OSError,
}


async def charging(what: str) -> str:
    """Fail as it is told to, until that is mended."""
    CALLS.append(what)
    if what in FAILURES and what not in HEALED:
        raise FAILURES[what](what)
    return f"charged {what}"


charge = task(name="charge", recovery=TABLE, retry=Retry(attempts=1))(charging)
plainly = task(name="charge", retry=Retry(attempts=1))(charging)
"""The same task, after somebody took its rules away."""


@task
async def undo(what: str) -> None:
    """Take back what was done."""
    CALLS.append(f"undone {what}")


@workflow
async def paying(what: str) -> str:
    """Charge, and take back what was done before."""
    async with Saga() as saga:
        saga.add(undo, what)
        return await charge(what)


@workflow
async def paying_many(what: list[str]) -> list[str]:
    """Charge many."""
    return list(await map_tasks(charge, what))


@asynccontextmanager
async def running(folder: Path, charge: TaskDefinition[Any, Any] = charge, **settings: Any) -> AsyncIterator[Holdfast]:
    """Serve it."""
    definitions = [paying, paying_many, charge, by_hand, look, tell, undo]
    async with Holdfast(definitions=definitions, store=store_of(folder), **settings) as app:
        yield app


@pytest.mark.usefixtures("backend")
@on_loop
async def test_failures_come_to_what_the_rules_say(tmp_path: Path) -> None:
    """A fallback, an agent, an edit, a compensation, a parked run; and a replay decides the same."""
    CALLS.clear(), KEYS.clear(), HEALED.clear()
    async with running(tmp_path) as app:
        client = app.client
        runs = {what: await client.start(paying, what, id=what) for what in ("down", "edit", "use", "undo", "park")}
        assert await runs["down"].result() == "down by hand"
        assert (CALLS.count("down"), KEYS) == (3, ["down/charge#1"])
        assert await runs["edit"].result() == "charged fine"
        assert await runs["use"].result() == "DeclinedError: use"
        with pytest.raises(RunFailedError, match="OSError: undo"):
            await runs["undo"].result()
        assert [each for each in CALLS if each.startswith("undone")] == ["undone undo"]
        await wait_for(lambda: parked(app, "park"))
        HEALED.add("park")
        await runs["park"].resume()
        assert await runs["park"].result() == "charged park"
        events: dict[str, list[AnyEvent]] = {}
        for what, each in runs.items():
            execution = Execution(paying, DeterminismGuard(), lambda *_: None)  # type: ignore[arg-type, return-value]
            events[what] = [recorded.event for recorded in await each.history()]
            assert recover(execution, events[what]) == []
        # Done again it fails again, and what was done about it then is done now.
        again = WorkflowReplayer(paying, tasks="rerun-failed").replay(History(events["down"]))
        assert (again.status, again.output, again.leftover) == ("COMPLETED", "down by hand", ())
        assert await (await client.start(paying_many, ["a", "park"], id="many")).result() == [
            "charged a",
            "charged park",
        ]


async def parked(app: Holdfast, run_id: str) -> bool | None:
    """Say that a run is parked, for the reason that its rule gives."""
    run = await app.client.handle(run_id).describe()
    return run.parked.startswith("somebody has to look (charge#1 failed with KeyError") or None


@on_loop
async def test_what_was_decided_holds_when_the_rules_are_gone(tmp_path: Path) -> None:
    """A person is asked, all stops, the rules are taken away: the verdict still is what the run goes on with."""
    HEALED.clear(), TOLD.clear()
    async with running(tmp_path) as app:
        await app.client.start(paying, "ask", id="ask")
        await wait_until(lambda: TOLD)
    trouble = TOLD.pop("ask")
    assert (trouble.step, trouble.task, trouble.input, trouble.error) == ("charge#1", "charge", "ask", "ValueError")
    async with running(tmp_path, plainly) as app, posting(app) as post:
        assert await post(trouble.url, {"do": "use", "result": 7}) == 202
        await wait_until(lambda: TOLD)
        assert "does not fit" in TOLD["ask"].problem  # it is no text, and so no result
        assert await post(TOLD["ask"].url, {"do": "use", "result": "paid at the desk"}) == 202
        assert await app.client.handle("ask").result() == "paid at the desk"


@on_loop
async def test_who_is_not_waited_for_is_not_asked_any_longer(tmp_path: Path) -> None:
    """A run that is cancelled while a person is asked takes back what it did, and is over."""
    TOLD.clear(), CALLS.clear()
    async with running(tmp_path) as app:
        handle = await app.client.start(paying, "ask", id="ask")
        await wait_until(lambda: TOLD)
        await handle.cancel()
        with pytest.raises(RunCancelledError):
            await handle.result()
        assert CALLS == ["ask", "undone ask"]


@asynccontextmanager
async def posting(app: Holdfast) -> AsyncIterator[Callable[[str, Any], Awaitable[int]]]:
    """Give what posts to a callback of a stack, and returns the status."""
    parts = app._stack
    service = ControllerService(
        parts.engine, parts.registry, parts.store, parts.clock, callbacks=await parts.callbacks()
    )
    transport = httpx.ASGITransport(create_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:

        async def post(url: str, content: Any) -> int:
            return (await http.post(url[url.index("/v1/") :], json=content)).status_code

        yield post
