"""Record the histories in `histories/` anew: `python -m tests.conformance.temporal.record ADDRESS`.

Owns: what each of `theirs.py` is started with and told on a real Temporal server.
Must not know: what is read out of the histories.

Run by hand, when a workflow or Temporal's SDK has changed; the tests need no server. One may be started with
`temporal server start-dev --headless --port 7233`.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.worker import Worker

from tests.conformance.temporal import theirs
from tests.conformance.temporal.inputs import INPUTS

FOLDER = Path(__file__).parent / "histories"
QUEUE = "twins"
PLACES = re.compile(r'(?<=\\")/[^"]*/(?=(temporalio|tests)/)')
"""Where packages lie on the recording machine, in tracebacks."""


async def main(address: str) -> None:
    """Run each workflow once, and write what the server recorded."""
    client = await Client.connect(address, identity=QUEUE)
    async with Worker(
        client, task_queue=QUEUE, workflows=list(theirs.WORKFLOWS.values()), activities=theirs.ACTIVITIES
    ):
        for name, given in INPUTS.items():
            handle = await client.start_workflow(name, given, id=f"{name.lower()}-1", task_queue=QUEUE)
            await tell(name, handle)
            try:
                await handle.result()
            except WorkflowFailureError as error:
                print(f"{name}: {error.cause!r}")
            written = (await handle.fetch_history()).to_json()
            (FOLDER / f"{name}.json").write_text(PLACES.sub("", written) + "\n", encoding="utf-8")


async def tell(name: str, handle: WorkflowHandle) -> None:
    """Send a workflow what it waits for."""
    if name == "Order":
        await handle.execute_update("add", "early")
        await handle.signal("approve", "me")
    if name == "Patient":
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.HasField("timer_started_event_attributes"):
                break
        await handle.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
