"""The script ladder: one plain function, made safe, then handed over, then a task, then part of a workflow.

    python examples/ladder.py

Nothing has to be rewritten first. Each rung adds something, and the function stays what it is.
"""

# ruff: noqa: ANN001, ANN201, D103, N801, T201 - a script, as people have them

import asyncio

from holdfast import Holdfast, Ledger, Retry, heartbeat_monitor, task, workflow


class llm:
    """Stands for whatever is slow and costs money."""

    @staticmethod
    def generate_report(payload: str) -> str:
        """Write a report."""
        return f"report on {payload}"


# Rung 1: a script. Each id is done once, whatever dies on the way; no two processes work on the same one at a time.

db = Ledger()


def process_task_with_retry(task_id, payload):
    if db.is_already_processed(task_id):
        return
    with heartbeat_monitor(task_id):
        result = llm.generate_report(payload)
        db.mark_done(task_id, result)


# Rung 3: a task. It has a name, and says how often it is tried and how long it may take.

process = task(name="process", retry=Retry(attempts=8), total_timeout="1h")(process_task_with_retry)


# Rung 4: a workflow. It decides what happens next, and goes on where it was, whatever dies.


@workflow
async def process_all(payloads: dict[str, str]) -> int:
    """Process everything at once, and count."""
    await asyncio.gather(*(process(task_id, payload) for task_id, payload in payloads.items()))
    return len(payloads)


def main() -> None:
    """Climb."""
    process_task_with_retry("t1", "ants")
    print("rung 1:", db.result("t1"))

    with Holdfast(modules=[__name__]) as app:
        # Rung 2: submitted as it is. It is in the store before this returns, and done wherever a worker lives.
        app.submit(process_task_with_retry, "t2", "bees", id="t2").result()
        print("rung 2:", db.result("t2"))

        app.submit(process, "t3", "cats", id="t3").result()
        print("rung 3:", db.result("t3"))

        count = app.start(process_all, {"t1": "ants", "t4": "dogs", "t5": "elks"}, id="all").result()
        print(f"rung 4: {count} done, such as the {db.result('t4')}")


if __name__ == "__main__":
    main()
