"""Handlers that wait, side by side, over one state: a cluster whose nodes are handed out to jobs.

A lock keeps handlers from interleaving where that would hurt. The run goes on as a new execution now and then, with its
state, and never while a handler is under way.
"""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from examples.samples import outside
from holdfast import all_handlers_finished, continue_as_new, query, run_info, signal, task, update, workflow


class State(BaseModel):
    """What is known of the cluster."""

    jobs: dict[str, str | None]
    """Which job each node has."""
    assigned: int = 0
    """How often nodes were handed out since the cluster was started."""


class Job(BaseModel):
    """What somebody wants nodes for."""

    name: str
    nodes: int


@task
async def boot(nodes: list[str]) -> None:
    """Start nodes."""
    await outside.ask(f"booted {' '.join(nodes)}")


@task
async def assign(job: str, nodes: list[str]) -> None:
    """Tell nodes what to do."""
    await outside.ask(f"{' '.join(nodes)}: {job}")


@task
async def free(nodes: list[str]) -> None:
    """Tell nodes that they have nothing to do."""
    await outside.ask(f"{' '.join(nodes)}: nothing")


@workflow
class Cluster:
    """A cluster of nodes."""

    def __init__(self) -> None:
        self.state = State(jobs={})
        self.busy = asyncio.Lock()
        self.is_up = asyncio.Event()
        self.is_over = False

    async def run(self, nodes: list[str], state: State | None = None, history_max: int = 10_000) -> int:
        """Run a cluster until it is shut down; return how often nodes were handed out."""
        if state is None:
            await boot(nodes)
            state = State(jobs=dict.fromkeys(nodes))
        self.state = state
        self.is_up.set()
        while not self.is_over:
            await asyncio.sleep(0.2)
            is_long = run_info().should_continue_as_new or run_info().history_events > history_max
            if is_long and all_handlers_finished() and not self.is_over:  # what handlers know is in the state
                continue_as_new(nodes, self.state, history_max)
        while not all_handlers_finished():  # noqa: ASYNC110 - a sleep here is a timer, and costs nothing
            await asyncio.sleep(0.05)
        return self.state.assigned

    @update
    async def assign_nodes(self, job: Job) -> list[str]:
        """Give a job its nodes; asked twice for the same job, give the same."""
        await self.is_up.wait()
        async with self.busy:  # another job may ask for nodes while these are being told
            if mine := self._nodes_of(job.name):
                return mine
            found = self._nodes_of(None)[: job.nodes]
            if len(found) < job.nodes:
                raise ValueError(f"{job.nodes} nodes are wanted, and {len(found)} are free")
            await assign(job.name, found)
            self.state.jobs.update(dict.fromkeys(found, job.name))
            self.state.assigned += 1
            return found

    @update
    async def end_job(self, name: str) -> None:
        """Take a job's nodes back."""
        await self.is_up.wait()
        async with self.busy:
            if nodes := self._nodes_of(name):
                await free(nodes)
                self.state.jobs.update(dict.fromkeys(nodes))

    @query
    def jobs(self) -> dict[str, str | None]:
        """Return which job each node has."""
        return self.state.jobs

    @signal
    def shut_down(self) -> None:
        """End the cluster."""
        self.is_over = True

    def _nodes_of(self, job: str | None) -> list[str]:
        return [node for node, has in self.state.jobs.items() if has == job]
