"""Answer tickets by the manual: a report for each, and nothing expensive is granted before a person said so.

Owns: the workflow, its tasks, which model is asked.
Must not know: where tickets come from, who approves.

The manual is long, and the same for every ticket. `cached` has it computed once: a provider keeps it, or, on a machine
of one's own, every slot of the local model and the disk do. `prefix=` sends tickets to the worker that has it.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from holdfast import Retry, query, signal, task, workflow
from holdfast.ai import LLM, Budget, cached, local

HERE = Path(__file__).parent
REPORTS = Path(os.environ.get("DESK_REPORTS", HERE / "reports"))
KV = Path(os.environ.get("DESK_KV", HERE / "kv"))
"""Where a model on this machine keeps what it computed of the manual."""
APPROVAL_EUR = int(os.environ.get("DESK_APPROVAL_EUR", "200"))
"""What costs as much as this waits for a person."""
DAYS_TO_APPROVE = 3

manual = cached(Path(os.environ.get("DESK_MANUAL", HERE / "manual.md")), ttl="1h", name="manual")


class Ticket(BaseModel):
    """What a customer wrote."""

    name: str
    text: str


class Report(BaseModel):
    """What the manual says about it."""

    summary: str = Field(max_length=300)
    clause: str = Field(max_length=12, description="Number of the clause that decides, such as 4.2")
    decision: Literal["grant", "refuse", "ask"]
    cost_eur: int = Field(ge=0, le=99_999, description="What granting it costs us, in whole euros")
    reply: str = Field(max_length=800, description="To the customer, in the tone of clause 1.4")


class Outcome(BaseModel):
    """How it ended."""

    decision: Literal["granted", "refused", "asked", "expired"]
    by: str
    report: str


def choose() -> LLM:
    """Return the model in `DESK_GGUF`, offline; without one, a hosted one: `DESK_MODEL`, or whichever has a key."""
    if path := os.environ.get("DESK_GGUF"):
        here = local(path, ctx=int(os.environ.get("DESK_CTX", "16384")), slots=2, kv_dir=KV)
        # Small models lose the form of an answer; the server that computes can hold them to it.
        settings: dict[str, Any] = {"extra_body": {"json_schema": Report.model_json_schema()}, "temperature": 0.0}
        return LLM(here, system=manual, settings=settings, memo="30d")
    found = "openai:gpt-5.2" if os.environ.get("OPENAI_API_KEY") else "anthropic:claude-sonnet-5-5"
    name = os.environ.get("DESK_MODEL", found)
    # The day's budget is the desk's: what is left over is parked, and goes on when somebody grants more.
    budget = Budget(usd=os.environ.get("DESK_USD", "5.00"), per="day", name="desk")
    return LLM(name, system=manual, base_url=os.environ.get("DESK_URL", ""), budget=budget, memo="30d")


llm = choose()


@task(timeout="10m", retry=Retry(attempts=4), prefix=llm)
async def write_report(ticket: Ticket) -> Report:
    """Ask the model what the manual says."""
    question = f"Decide this ticket by the manual, and by nothing else.\n\n{ticket.text}"
    async with llm:
        return await llm.generate(question, output=Report)


@task
def file_report(ticket: Ticket, report: Report, decision: str, by: str) -> str:
    """Write the report down; done twice, it is the same file."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / f"{ticket.name}.md"
    text = f"# {ticket.name}: {decision} by {by}\n\n{report.summary}\n\nClause {report.clause}, {report.cost_eur} EUR\n"
    draft = path.with_suffix(".part")
    draft.write_text(f"{text}\n{report.reply}\n", encoding="utf-8")
    draft.replace(path)
    return path.name


@workflow
class HandleTicket:
    """One ticket, from the model's report to the file."""

    def __init__(self) -> None:
        self.report: Report | None = None
        self.ruled = asyncio.Event()
        self.ruling = ("expired", "nobody")

    async def run(self, ticket: Ticket) -> Outcome:
        """Have it decided, approved where it is expensive, and filed."""
        report = await write_report(ticket)
        decision, by = {"grant": "granted", "refuse": "refused", "ask": "asked"}[report.decision], "the manual"
        if decision == "granted" and report.cost_eur >= APPROVAL_EUR:
            self.report = report
            try:
                async with asyncio.timeout(DAYS_TO_APPROVE * 86_400):
                    await self.ruled.wait()
            except TimeoutError:
                pass  # nobody ruled, and it is not granted
            self.report = None
            decision, by = self.ruling
        return Outcome(decision=decision, by=by, report=await file_report(ticket, report, decision, by))

    @signal
    def rule(self, allowed: bool, by: str) -> None:  # noqa: FBT001 - by name, from outside
        """Grant or refuse what waits."""
        self.ruling = ("granted" if allowed else "refused", by)
        self.ruled.set()

    @query
    def waiting(self) -> Report | None:
        """Return the report that waits for a person; None while nothing does."""
        return self.report
