"""Record the histories in `kin/` anew: `python -m tests.conformance.temporal.record_kin [NAME...]`.

Owns: a Temporal server for it, and what each of `kin.py` is told while it runs.
Must not know: what is read out of the histories.

Run by hand, when a workflow, the adapter or Temporal's SDK has changed; the tests need no server.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from temporalio.client import Client

from holdfast.app import Holdfast
from holdfast.client import RunHandle, WorkflowClient
from holdfast.errors import RunError
from holdfast.history import CallbackOpened, to_json
from holdfast.ports.callbacks import name_of, token_of
from tests.conformance.temporal import kin, trip
from tests.servers.temporal import Temporal

FOLDER = Path(__file__).parent / "kin"
PLACES = re.compile(r'(?<=\\")/[^"]*/(?=(temporalio|tests|holdfast)/)')
"""Where packages lie on the recording machine, in tracebacks."""
IDENTITY = re.compile(r"[0-9]+@[A-Za-z0-9._-]+")


async def perform(app: Any, *names: str) -> dict[str, RunHandle[Any]]:
    """Run workflows once; return their runs, which have ended."""
    done: dict[str, RunHandle[Any]] = {}
    kin.STATE["mended"] = False
    client = app.client
    for name in names or kin.INPUTS:
        if name == "sender":
            for each in ("waiting", "waiting-2"):
                await client.start(kin.wait, "heard", id=each)
        handle = await client.start(kin.WORKFLOWS[name], *kin.INPUTS[name], id=f"{name}-1")
        await tell(name, handle, client)
        with suppress(RunError):  # that is how some of them end
            await handle.result()
        done[name] = handle
    return done


async def tell(name: str, handle: RunHandle[Any], client: WorkflowClient) -> None:
    """Send a workflow what it waits for."""
    match name:
        case "counter":
            for each in ("first", "second", "third"):
                await handle.signal("word", each)
        case "basket":
            assert await handle.update(kin.basket.add, "ink") == 1
            await handle.pause(reason="to see")
            await handle.signal(kin.basket.put, "pen")
            await handle.signal(kin.basket.put, "pad")
            await handle.resume()
            while await handle.query(kin.basket.count) < 3:  # noqa: ASYNC110 - it is another process that says so
                await asyncio.sleep(0)
            await handle.signal(kin.basket.close)
        case "parked":
            while (await handle.describe()).status != "PARKED":  # noqa: ASYNC110 - the same
                await asyncio.sleep(0)
            kin.STATE["mended"] = True
            await handle.resume()
        case "asked":
            while len(opened := await _opened(handle)) < 2:  # noqa: ASYNC110 - the same
                await asyncio.sleep(0)
            for url, answer in zip(opened, (b'"so"', b'"because"'), strict=True):
                await client.engine.answer(handle.run_id, 1, name_of(token_of(url)), answer)
        case _:
            pass


async def _opened(handle: RunHandle[Any]) -> list[str]:
    return [each.event.url for each in await handle.history() if isinstance(each.event, CallbackOpened)]


async def main(*names: str) -> None:
    """Run each workflow once, or those that are named, and write what the server recorded."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.to_thread(Temporal)
        try:
            there, here = await record_trips(server, Path(folder))
            (FOLDER / "trip.json").write_bytes(IDENTITY.sub("worker", there.decode()).encode() + b"\n")
            (FOLDER / "trip_on_sqlite.json").write_bytes(here)
            definitions = [*kin.WORKFLOWS.values(), *kin.TASKS]
            async with Holdfast([], f"sqlite:///{folder}/store.db", definitions=definitions, engine=server.url) as app:
                client = await Client.connect(server.target)
                for name, handle in (await perform(app, *names)).items():
                    print(name, (await handle.describe()).status, await _result(handle))
                    await _write(client, f"{name}-1", name)
                if names and "counter" not in names:
                    return
                first = (await client.get_workflow_handle("counter-1").describe()).raw_description
                before = first.workflow_execution_info.first_run_id
                await _write(client, "counter-1", "counter_first", before)
        finally:
            await asyncio.to_thread(server.close)


async def _take(app: Holdfast) -> RunHandle[Any]:
    """Let a trip be taken."""
    handle = await app.client.start(trip.trip, "sea", id="trip-1")
    await handle.signal("go", "now")
    await handle.result()
    return handle


async def record_trips(server: Temporal, folder: Path) -> tuple[bytes, bytes]:
    """Return the histories of one trip on Temporal, and of one on SQLite."""
    definitions = [trip.trip, trip.stay, trip.book, trip.pack, trip.weigh]
    async with Holdfast([], f"sqlite:///{folder}/beside.db", definitions=definitions, engine=server.url) as app:
        await _take(app)
        there = await (await Client.connect(server.target)).get_workflow_handle("trip-1").fetch_history()
    async with Holdfast([], f"sqlite:///{folder}/trips.db", definitions=definitions) as app:
        handle = await _take(app)
        here = to_json([each.event for each in await handle.history()], outcomes={"map#1": [b"2", b"4", b"6"]})
    return there.to_json().encode(), here


async def _result(handle: RunHandle[Any]) -> Any:
    try:
        return await handle.result()
    except RunError as error:
        return error


async def _write(client: Client, run_id: str, name: str, run: str | None = None) -> None:
    history = await client.get_workflow_handle(run_id, run_id=run).fetch_history()
    written = IDENTITY.sub("worker", PLACES.sub("", history.to_json()))
    (FOLDER / f"{name}.json").write_text(written + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
