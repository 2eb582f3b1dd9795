"""Work through a folder of tickets.

    python desk.py                      # a report for each; tells which ones wait for you
    python desk.py approve washer-4711  # or: refuse washer-4711

Run it again whenever you like, also after a crash: a ticket is one run, by its file's name, and goes on where it was.
"""

# ruff: noqa: T201 - it speaks to whoever runs it

from __future__ import annotations

import getpass
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
TICKETS = Path(os.environ.get("DESK_TICKETS", HERE / "tickets"))
STORE = os.environ.get("DESK_STORE", f"sqlite:///{HERE / 'desk.db'}")
KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")
LOOK_SECONDS = 0.1

if not any(os.environ.get(each) for each in ("DESK_GGUF", "DESK_MODEL", *KEYS)):
    sys.exit(f"No model: set DESK_GGUF to a GGUF file, to work offline, or {' or '.join(KEYS)}.")

from automations import HandleTicket, Outcome, Ticket, llm  # noqa: E402 - it needs to know the model

from holdfast import Holdfast, RunHandle  # noqa: E402
from holdfast.errors import HoldfastError  # noqa: E402


def say(name: str, run: RunHandle[Outcome]) -> bool:
    """Tell how a ticket stands, if it stands anywhere; return whether it does."""
    found = run.describe()
    if found.status == "RUNNING":
        report = run.query(HandleTicket.waiting)
        if report is None:
            return False
        print(f"{name}: {report.cost_eur} EUR by clause {report.clause} waits for you: python desk.py approve {name}")
        return True
    if found.status == "COMPLETED":
        outcome = run.result()
        print(f"{name}: {outcome.decision} by {outcome.by}, {outcome.report}")
    elif found.status == "PARKED":
        print(f"{name}: parked, {found.parked}")
    else:
        try:
            run.result()
        except HoldfastError as error:
            print(f"{name}: {error}")
    return True


def work(app: Holdfast) -> None:
    """Start what is new, and wait until each ticket is decided, or waits for somebody."""
    texts = {each.stem: each.read_text(encoding="utf-8") for each in sorted(TICKETS.glob("*.txt"))}
    runs = {
        name: app.start(HandleTicket, Ticket(name=name, text=text), id=f"ticket-{name}") for name, text in texts.items()
    }
    while runs:
        runs = {name: run for name, run in runs.items() if not say(name, run)}
        time.sleep(LOOK_SECONDS if runs else 0.0)


def rule(app: Holdfast, name: str, *, allowed: bool) -> None:
    """Grant or refuse a ticket that waits."""
    run = app.handle(f"ticket-{name}", HandleTicket)
    run.signal(HandleTicket.rule, allowed=allowed, by=getpass.getuser())
    outcome = run.result()
    print(f"{name}: {outcome.decision} by {outcome.by}, {outcome.report}")


def main(arguments: list[str]) -> int:
    """Do what was said; return the exit code."""
    with Holdfast(modules=["automations"], store=STORE) as app:
        match arguments:
            case []:
                work(app)
            case ["approve" | "refuse" as ruling, name]:
                rule(app, name, allowed=ruling == "approve")
            case _:
                print(__doc__)
                return 2
        usage = llm.spending.usage
        read, asked = usage.cache_read_tokens or 0, llm.spending.requests
        print(f"{asked} asked, {read} tokens not computed again, ${llm.spending.usd:.4f} paid")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
