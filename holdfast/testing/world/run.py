"""One run in a world, as a test holds it.

Owns: the verbs on a run, none of which is awaited.
Must not know: how time moves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from holdfast.ports.engine import RecordedEvent


class Verbs(Protocol):
    """What a world does with a run. See `World`."""

    def result(self, run: WorldRun) -> Any:
        """Let time move until it has ended; return its result."""

    def status(self, run: WorldRun) -> str:
        """Return its status."""

    def history(self, run: WorldRun) -> list[RecordedEvent]:
        """Return its events."""

    def save(self, run: WorldRun, path: Path | str) -> None:
        """Write its history to a file."""

    def signal(self, run: WorldRun, signal: Any, *args: Any, **kwargs: Any) -> None:
        """Send it a signal."""

    def query(self, run: WorldRun, query: Any, *args: Any, **kwargs: Any) -> Any:
        """Ask it a query."""

    def update(self, run: WorldRun, update: Any, *args: Any, **kwargs: Any) -> Any:
        """Send it an update; return the answer."""

    def cancel(self, run: WorldRun, reason: str = "") -> None:
        """Ask it to stop."""

    def terminate(self, run: WorldRun, reason: str = "") -> None:
        """End it without asking its code."""


class WorldRun:
    """A run in a world. Lives through crashes."""

    def __init__(self, world: Verbs, run_id: str, workflow: Any = None, *, created: bool = False) -> None:
        """Refer to run `run_id`; with its workflow, results are decoded to its types."""
        self.run_id = run_id
        self.workflow = workflow
        self.created = created
        """Whether the start that gave this made the run, rather than finding it."""
        self._world = world

    def result(self) -> Any:
        """Let time move until the run has ended; return its result. See `World.result`."""
        return self._world.result(self)

    @property
    def status(self) -> str:
        """The run's status, such as `RUNNING`."""
        return self._world.status(self)

    def history(self) -> list[RecordedEvent]:
        """Return the run's events."""
        return self._world.history(self)

    def save(self, path: Path | str) -> None:
        """Write the run's history to a file. See `World.save`."""
        self._world.save(self, path)

    def signal(self, signal: Any, *args: Any, **kwargs: Any) -> None:
        """Send a signal, and let happen what it causes."""
        self._world.signal(self, signal, *args, **kwargs)

    def query(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        """Ask a query."""
        return self._world.query(self, query, *args, **kwargs)

    def update(self, update: Any, *args: Any, **kwargs: Any) -> Any:
        """Send an update; let time move until it is answered."""
        return self._world.update(self, update, *args, **kwargs)

    def cancel(self, reason: str = "") -> None:
        """Ask the run to stop."""
        self._world.cancel(self, reason)

    def terminate(self, reason: str = "") -> None:
        """End the run without asking its code."""
        self._world.terminate(self, reason)

    def __repr__(self) -> str:
        """Return the run's id."""
        return f"WorldRun({self.run_id!r})"
