"""The process that is killed: a whole stack, with a client inside it.

Owns: where in the product the places are, at which a fault may strike.
Must not know: which fault strikes, or what the runs must come to.

    python -m tests.crash.stack --store FILE --folder FOLDER [--lease SECONDS] [--plant BUG]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from holdfast import Holdfast
from holdfast.app.stack import Stack
from holdfast.engine.execution import Execution
from holdfast.engine.steps import Steps
from holdfast.orchestrator.dispatch import Dispatcher
from holdfast.stores.sqlite.head import HeadFile
from holdfast.stores.sqlite.write import Writer
from holdfast.testing.faults import Faults
from holdfast.worker.attempt import Attempt
from tests import lost_answers
from tests.crash import planted
from tests.crash.shapes import DEFINITIONS
from tests.crash.workload import Feeder, Journal

PLACES: Final = {
    "drain-begins": ("drain", "before", Execution, "_turn"),
    "drain-issues": ("drain", "after", Steps, "issue"),
    "drain-ends": ("drain", "after", Execution, "_turn"),
    "commit-begins": ("commit", "before", Writer, "_operate"),
    "commit-operated": ("commit", "after", Writer, "_operate"),
    "commit-durable": ("commit", "before", HeadFile, "write"),
    "commit-noted": ("commit", "after", HeadFile, "write"),
    "effect-done": ("effect", "before", Attempt, "succeed"),
    "effect-told": ("effect", "after", Dispatcher, "_done"),
}
"""Where a kill may hit: the kind of place, before or after what function.

A drain issues commands from within the workflow's code. A commit operates between BEGIN and COMMIT, is durable when
COMMIT has returned, and noted in the side file after that. An effect is done when the task's code has returned, and
told to the orchestrator before anything about it is written.
"""


def install(faults: Faults, block: ExitStack) -> None:
    """Put the places where `faults` may strike."""
    for place, (_, when, owner, name) in PLACES.items():
        wrap = faults.before if when == "before" else faults.after
        block.enter_context(wrap(owner, name, place))


def note_members(path: Path) -> None:
    """Write a line whenever this process becomes a member: the first time, or after it was taken for dead."""
    joined = Stack._join

    async def join(stack: Stack) -> None:
        await joined(stack)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{stack.membership.member} {time.monotonic()} {os.getpid()}\n")

    Stack._join = join  # type: ignore[method-assign]  # for this process only


async def serve(arguments: argparse.Namespace) -> None:
    """Run the stack until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    folder: Path = arguments.folder
    async with Holdfast(
        definitions=DEFINITIONS,
        store=f"sqlite:///{arguments.store}",
        lease_seconds=arguments.lease,
        max_recoveries=1_000_000,
        poll_seconds=0.2,
        log_level="ERROR",
    ) as app:
        print("ready", flush=True)
        feeder = Feeder("inside", app.client, folder / "pieces", Journal(folder / "journal-inside"))
        feeding = asyncio.create_task(feeder.feed())
        feeding.add_done_callback(lambda _: stop.set())
        await stop.wait()
        feeding.cancel()
        await feeding


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--lease", type=float, default=1.0)
    parser.add_argument("--plant", choices=sorted(planted.BUGS))
    arguments = parser.parse_args()
    with ExitStack() as block:
        if arguments.plant:
            planted.BUGS[arguments.plant]()
        install(Faults.armed(), block)
        lost_answers.lose_as_told()
        note_members(arguments.folder / "members")
        asyncio.run(serve(arguments))


if __name__ == "__main__":
    main()
