"""A local model as automations use it: started when it is first asked, and stopped with the process.

Owns: `local`, `Local`.
Must not know: what is asked, the library that asks.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.ai.local.described import Described
from holdfast.ai.local.prefixes import Prefixes, tell_apart
from holdfast.ai.local.server import Server, too_long_remedy
from holdfast.ai.local.slots import Slots, Taken
from holdfast.ai.local.turns import Turn
from holdfast.errors import ModelRequestError
from holdfast.ports.prefixes import holders

if TYPE_CHECKING:
    from holdfast.ai.cached import Cached


@dataclass(frozen=True, slots=True)
class _Running:
    server: Server
    slots: Slots
    prefixes: Prefixes


class Local:
    """A language model in a file, computed by a process of its own on this machine; `local(...)` makes one.

    Nothing starts before the first prompt. One `Local` serves any number of `LLM`s, tasks, threads and event loops of
    this process, which has the model in memory once.
    """

    def __init__(self, described: Described) -> None:
        """Describe a model; `local` has the words."""
        self.described = described
        self._guard = threading.Lock()
        self._running: _Running | None = None
        self._scratch: str | None = None
        self._end: weakref.finalize[..., Local] | None = None
        holders.add(self)

    @property
    def name(self) -> str:
        """As it is written down: `local:` and the name of its file."""
        return self.described.name

    @property
    def too_long_remedy(self) -> str:
        """What to do about a prompt that does not fit."""
        return too_long_remedy(self.described.ctx)

    @property
    def held(self) -> frozenset[str]:
        """Digests of the prefixes it holds, as far as its answers prove it."""
        running = self._running
        return frozenset() if running is None else running.prefixes.proven & running.slots.held

    @property
    def holdings(self) -> dict[str, float]:
        """The same, with how many seconds it took to compute each; 0 for one that was read from disk."""
        running = self._running
        return {} if running is None else {digest: running.prefixes.cost(digest) for digest in self.held}

    async def reach(self) -> tuple[str, str]:
        """Start it, unless it runs; return where it listens, and the key it wants.

        Raises:
            MissingExtraError: the extra `local-llm` is not installed.
            ModelRequestError: the file is not there, is no model, or the machine is too small for it.
        """
        server = (await asyncio.to_thread(self._started)).server
        return server.url, server.key

    @asynccontextmanager
    async def turn(self, prefix: Cached | None) -> AsyncIterator[Turn]:
        """Wait for a slot, have it hold `prefix`, and hold it for one request.

        Raises:
            ModelRequestError: the prefix is longer than the context.
            ModelError: the process does not answer.
        """
        running = await asyncio.to_thread(self._started)
        digest = "" if prefix is None else prefix.digest
        taken = await _taken(running.slots, digest)
        turn = Turn(taken.slot, digest)
        held = ""
        try:
            if prefix is not None and not taken.holds:
                turn.loaded = await asyncio.to_thread(running.prefixes.load, prefix, taken.slot)
            yield turn
            if prefix is not None and running.prefixes.judge(prefix, turn):
                held = digest
        finally:
            running.slots.give_back(taken.slot, held)

    def close(self) -> None:
        """End the process; the next prompt starts another."""
        with self._guard:
            end, self._end, self._running, self._scratch = self._end, None, None, None
        if end is not None:
            end()

    def __repr__(self) -> str:
        return f"<Local {self.described.path}>"

    def _started(self) -> _Running:
        with self._guard:
            running = self._running
            if running is not None and running.server.is_running:
                return running
            folder = self._folder()
            # A process that ended by itself is followed by one at the same place: connections are made once.
            old = None if running is None else running.server
            port, key = (0, "") if old is None else (old.port, old.key)
            if self._end is not None:
                self._end.detach()
            if old is not None:
                old.stop()
            try:
                server = Server.start(self.described, folder, port=port, key=key)
            except BaseException:
                self._running, self._end = None, None
                self._leave_scratch()
                raise
            self._end = weakref.finalize(self, _end, server, self._scratch)
            prefixes = Prefixes(server, folder, _form_of(self.described), told=self.name)
            self._running = _Running(server, Slots(self.described.slots), prefixes)
            return self._running

    def _leave_scratch(self) -> None:
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)

    def _folder(self) -> Path:
        folder = self.described.kv_dir
        if folder is None:
            self._scratch = self._scratch or tempfile.mkdtemp(prefix="holdfast-kv-")
            return Path(self._scratch)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            remedy = "kv_dir of local(...) has to be a folder that this process may write to."
            raise ModelRequestError(self.name, f"kv_dir {folder} cannot be made: {error}", remedy) from error
        return folder.resolve()


def local(
    path: str | Path,
    *,
    ctx: int = 8_192,
    slots: int = 1,
    kv_dir: str | Path | None = None,
    threads: int = 0,
    exact: bool = False,
) -> Local:
    """Return a model on this machine, for `LLM(...)`.

    ```python
    llm = LLM(
        local("models/qwen3-4b-q4.gguf", ctx=32_768, slots=2, kv_dir="~/.cache/holdfast/kv"),
        system=cached(Path("manual.md")),
    )
    ```

    A prefix is computed once, used by every slot, and written to `kv_dir`, from where the next process reads it.

    Args:
        path: a model in a GGUF file; nothing is downloaded.
        ctx: how many tokens a prompt and its answer may have together.
        slots: how many prompts are answered at once; each takes memory for `ctx` tokens.
        kv_dir: where what was computed of prefixes is kept; a folder that goes with the process when None.
        threads: of computing; 0 for as many as the library thinks right.
        exact: answer the same to the bit whether a prefix was computed with the prompt, before it, or read from disk.
            What is kept takes twice the memory, and long prompts take longer.

    Raises:
        DefinitionError: one of them is wrong.
    """
    folder = None if kv_dir is None else Path(kv_dir).expanduser()
    return Local(Described(Path(path).expanduser(), ctx, slots, folder, threads, exact))


async def _taken(slots: Slots, prefix: str) -> Taken:
    future = slots.take(prefix)
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        if not future.cancel():  # a slot was given at the same moment
            taken = future.result()
            slots.give_back(taken.slot, prefix if taken.holds else "")
        raise


def _form_of(described: Described) -> str:
    """Return what tells files of what was computed from those of other models, and of other forms."""
    return tell_apart(described.path) + (" exact" if described.exact else "")


def _end(server: Server, scratch: str | None) -> None:
    server.stop()
    if scratch is not None:
        shutil.rmtree(scratch, ignore_errors=True)
