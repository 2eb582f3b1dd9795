"""Let Temporal's own Replayer judge histories: `python -m tests.conformance.temporal.judge theirs|kin|ours FILE...`.

Owns: a process of its own for it, and a limit on its time: it hangs on histories that are malformed.
Must not know: who wrote the histories.

`theirs` has the workflows that are written with Temporal's own SDK, `kin` and `ours` ours, which `TemporalPlugin` gives
to it.

Prints one line for each file, with JSON behind `judge: `: null where the Replayer accepts it, else what it says.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from holdfast.temporal import TemporalPlugin
from tests.conformance.temporal import kin, ours, theirs

SECONDS_MAX = 30
SAYS = "judge: "
"""Begins a line that is a judgement: Temporal's core prints its own log to the same place."""


def replayer_of(whose: str) -> Replayer:
    """Return one that knows the workflows of `theirs`, or those of `kin` or `ours`."""
    if whose == "theirs":
        return Replayer(workflows=list(theirs.WORKFLOWS.values()))
    given = {"kin": kin, "ours": ours}[whose]
    return Replayer(workflows=[], plugins=[TemporalPlugin(definitions=[*given.WORKFLOWS.values(), *given.TASKS])])


async def main(whose: str, files: list[str]) -> None:
    """Judge each file on its own."""
    logging.disable()  # what it says is printed below
    for file in files:
        content = Path(file).read_text(encoding="utf-8")  # noqa: ASYNC240 - nothing else runs
        started = json.loads(content)["events"][0]["workflowExecutionStartedEventAttributes"]
        history = WorkflowHistory.from_json(started.get("workflowId", "judged"), content)
        replayer = replayer_of(whose)
        try:
            async with asyncio.timeout(SECONDS_MAX):
                judged = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        except TimeoutError:
            print(SAYS + json.dumps("it hangs"), flush=True)
            break
        failure = judged.replay_failure
        print(SAYS + json.dumps(str(failure) if failure is not None else None), flush=True)
    os._exit(0)  # it may be hanging still


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
