"""Holdfast's workflows in a worker of somebody else, and in Temporal's own Replayer."""

from __future__ import annotations

import asyncio
import gc

from tests.servers.temporal import Temporal
from tests.temporal.runs import DEFINITIONS, judged


def test_a_worker_of_the_sdk_runs_them_and_its_replayer_accepts_what_was_recorded(temporal_server: Temporal) -> None:
    """Started by a client that knows nothing of Holdfast, on the worker's own queue; an edited history is refused."""
    from temporalio.client import Client  # here, as it may be missing: then there is no server either
    from temporalio.worker import Worker

    from holdfast.temporal import TemporalPlugin

    async def run() -> None:
        client = await Client.connect(temporal_server.target)
        async with Worker(client, task_queue="theirs", plugins=[TemporalPlugin(definitions=DEFINITIONS)]):
            handle = await client.start_workflow("one_of_each", "ink", id="theirs", task_queue="theirs")
            assert await handle.result() == "INK"
        recorded = (await handle.fetch_history()).to_json()
        assert await judged("theirs", recorded) is None
        assert "Nondeterminism" in str(await judged("theirs", recorded.replace('"fetch"', '"catch"')))

    asyncio.run(run())
    gc.collect()  # nothing else closes a connection of the SDK's
