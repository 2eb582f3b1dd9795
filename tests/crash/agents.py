"""An agent with three tools whose process is killed after each step: what was paid for is not paid for again.

Owns: the agent, the process that kills itself, and what was made and paid.
Must not know: what of all this is right.

    python -m tests.crash.agents

Seven steps: four requests to the model, and a call of each tool between them. Each process makes one of them, and is
killed when the next begins: by then the one before it is recorded.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import apsw
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from holdfast import Holdfast, workflow
from holdfast.ai import Budget
from holdfast.ai.agents import HoldfastDurability

TOOLS: Final = ("look_up", "weigh", "write_down")
STEPS: Final = ["model", "look_up", "model", "weigh", "model", "write_down", "model"]
"""What is made, in order."""
RUN_ID: Final = "desk"
STORE: Final = "store.db"
LEASE_SECONDS: Final = 0.5
RUN_SECONDS: Final = 60.0


class Lives:
    """How many steps a process may make, and where it writes them down."""

    def __init__(self) -> None:
        self.left = len(STEPS)
        self.file = Path(os.devnull)

    def make(self, what: str) -> None:
        """Write down that a step was made and paid, or be killed."""
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        with self.file.open("a", encoding="utf-8") as file:
            file.write(f"{what}\n")


lives = Lives()


async def reply(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    """Call one tool after the other, then answer."""
    lives.make("model")
    called = sum(isinstance(part, ToolReturnPart) for message in messages for part in message.parts)
    if called < len(TOOLS):
        return ModelResponse(parts=[ToolCallPart(TOOLS[called], {"question": f"number {called}"})])
    return ModelResponse(parts=[TextPart("It is written down.")])


budget = Budget(tokens=1_000_000, per="run")
agent: Agent[None, str] = Agent(FunctionModel(reply), name="desk", capabilities=[HoldfastDurability(budget=budget)])


@agent.tool_plain
async def look_up(question: str) -> str:
    """Look something up."""
    lives.make("look_up")
    return f"found {question}"


@agent.tool_plain
async def weigh(question: str) -> dict[str, Any]:
    """Weigh something."""
    lives.make("weigh")
    return {"of": question, "weight": 2.5}


@agent.tool_plain
async def write_down(question: str) -> None:
    """Write something down."""
    lives.make("write_down")


@workflow
async def desk(question: str) -> str:
    """Have the agent answer."""
    return (await agent.run(question)).output


def live(folder: Path, steps: int, *, store: str = STORE) -> str:
    """Go on with the run in this process, for so many steps at most, and return its answer."""
    lives.left, lives.file = steps, folder / "made"
    url = f"sqlite:///{folder / store}"
    with Holdfast(definitions=[desk], store=url, lease_seconds=LEASE_SECONDS, poll_seconds=0.1) as app:
        answer: str = app.start(desk, "What is to be done?", id=RUN_ID).result(timeout=RUN_SECONDS)
        return answer


def kill_after(folder: Path, steps: int, *, store: str = STORE) -> int:
    """Go on with the run in a process of its own that makes so many steps; return how it ended."""
    command = [sys.executable, "-m", "tests.crash.agents", "--child", str(folder), str(steps), store]
    return subprocess.run(command, cwd=Path(__file__).parents[2], check=False, timeout=2 * RUN_SECONDS).returncode


def made(folder: Path) -> list[str]:
    """Return the steps that were made, in order."""
    return (folder / "made").read_text(encoding="utf-8").splitlines()


def paid(folder: Path, *, store: str = STORE) -> int:
    """Return how many requests stand in the books as answered."""
    with contextlib.closing(apsw.Connection(str(folder / store), flags=apsw.SQLITE_OPEN_READONLY)) as database:
        return next(database.execute("SELECT count(*) FROM model_calls WHERE input_tokens > 0"))[0]


def main(arguments: list[str]) -> int:
    """Kill it after each step; return 0 when each was made once."""
    match arguments:
        case ["--child", folder, steps, store]:
            print(live(Path(folder), int(steps), store=store))
            return 0
        case []:
            pass
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ends = [kill_after(folder, 1) for _ in STEPS]
        found, answered = made(folder), paid(folder)
    print(f"processes: {len(ends)}, killed: {ends.count(-signal.SIGKILL)}, ended well: {ends.count(0)}")
    print(f"made: {', '.join(found)}")
    print(f"requests in the books: {answered}")
    right = answered == STEPS.count("model") and found == STEPS and ends == [-signal.SIGKILL] * (len(STEPS) - 1) + [0]
    print("each step was made and paid once" if right else "WRONG: that is not each step once")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
