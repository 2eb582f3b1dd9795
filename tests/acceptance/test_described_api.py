"""The API is what its description says: whoever reads only that meets no accident, and no answer it was not told of."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from pydantic import BaseModel

from holdfast.app import Holdfast
from holdfast.authoring import query, signal, task, update, workflow
from holdfast.controller import ControllerService, Scope
from holdfast.controller.http import HttpSettings, create_app, serve
from tests.backends import store_of
from tests.unit.controller.rig import on_loop

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
EXAMPLES = 5
"""For each route; one on stores that answer as the first one does: those have to meet each route, not each oddity."""
ROUTES = 60
"""There are more of them. How many cases come to be tried must not hang on how fast the machine is."""
CONFIG = """
[parameters]
run_id = "r-1"
"""


class Order(BaseModel):
    """What is ordered."""

    account: str
    items: list[str] = []


@task
async def price(item: str) -> int:
    """Look up a price."""
    return len(item)


@workflow
async def total(order: Order) -> dict[str, int]:
    """Add up an order."""
    return {"total": sum([await price(each) for each in order.items[:3]])}


@workflow
class Review:
    """Wait for an approval."""

    def __init__(self) -> None:
        self.approved = asyncio.Event()

    async def run(self, order: Order) -> str:
        """Wait."""
        await self.approved.wait()
        return order.account

    @signal
    def approve(self, by: str) -> None:  # noqa: ARG002 - its type is what counts
        """Approve it."""
        self.approved.set()

    @query
    def count(self, prefix: str = "") -> int:
        """Count something."""
        return len(prefix)

    @update
    async def add(self, item: str) -> int:
        """Add something."""
        return len(item)


@on_loop
async def test_every_answer_is_one_that_was_described(tmp_path: Path, backend: str) -> None:
    """Each route by itself, then sequences, with a key that may do everything: no 5xx, nothing undocumented."""
    store = store_of(tmp_path)
    async with Holdfast(store=store, definitions=[total, Review, price], tune_gc=False) as app:
        stack = app.stack
        service = ControllerService(stack.engine, stack.registry, stack.store, stack.clock)
        issued = await service.keys.create("schemathesis", [Scope.ADMIN])
        settings = HttpSettings(port=0, wait_seconds_max=0.05)
        for run_id in ("r-1", "r-2"):
            await service.starts.start("Review", b'{"account":"a"}', run_id)
        (tmp_path / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
        server = await serve(create_app(service, settings=settings))
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "schemathesis.cli",
                "run",
                f"{server.url}/openapi.json",
                *("--header", f"Authorization: Bearer {issued.secret}"),
                *("--checks", CHECKS),
                # Streams do not end, and it would take its own key away.
                *("--exclude-path-regex", "/events$|/stream$|^/v1/keys/"),
                *("--generation-with-security-parameters", "false"),
                *("--max-examples", str(EXAMPLES if backend == "sqlite" else 1)),
                *("--phases", "fuzzing,stateful" if backend == "sqlite" else "fuzzing"),
                *("--seed", "1"),
                "--continue-on-failure",
                "--no-color",
                *("--suppress-health-check", "all"),
                cwd=tmp_path,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await process.communicate()
        finally:
            await server.stop()
    assert process.returncode == 0, said.decode()
    assert int(re.search(rb"([0-9]+) generated, \1 passed", said)[1]) > ROUTES, said.decode()
    assert int(re.search(rb"Tested: ([0-9]+)", said)[1]) > ROUTES, said.decode()
