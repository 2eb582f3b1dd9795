"""Prefixes in the slots of a server: computed once, written to disk, read from there.

Owns: `Prefixes`: the files, whose turn it is to compute, which files are to be trusted.
Must not know: who asks, how a server is started.

Theory of operation
===================

A prefix is what the server's own template makes of the system's text, up to where a question would begin. Whoever needs
it first computes it in his slot and has the server write that slot to a file; other slots, and the next process, read
the file. A file is known by the model, the library that wrote it, and the text.

A server may say that it read a file, and compute everything again all the same. So nothing is believed but the number
of tokens that a later request did not compute: it proves a prefix, or it ends the use of its file.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
import uuid
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdfast.ai.local.turns import HELD_SHARE, Loaded, Turn
from holdfast.errors import HoldfastWarning, ModelError, ModelRequestError

if TYPE_CHECKING:
    from holdfast.ai.cached import Cached
    from holdfast.ai.local.server import Server

FILES_MAX: Final = 64
"""So many prefixes are kept in a folder; the one that was used longest ago makes room."""
DIGEST_CHARACTERS: Final = 32
SAMPLE_BYTES: Final = 1 << 20
"""How much of the beginning and of the end of a model tells it from others."""
ENDING: Final = ".kv"
BESIDE: Final = ".ckpt"
"""What the library writes beside a file, for models that cannot go back in what they read."""
STACK_LEVEL: Final = 2


class Prefixes:
    """What a server has computed of prefixes, on disk. Thread-safe."""

    def __init__(self, server: Server, folder: Path, model: str, *, told: str) -> None:
        """Keep files in `folder`; `model` tells the model from others, `told` is what people call it."""
        self._server = server
        self._folder = folder
        self._model = model
        self._told = told
        self._guard = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        self._rendered: dict[str, str] = {}
        self._tokens: dict[str, int] = {}
        self._seconds: dict[str, float] = {}
        self._proven: set[str] = set()
        self._useless: set[str] = set()
        """Prefixes that were computed, and then computed again: they are not loaded any more."""
        self._doubted: set[str] = set()
        """Those whose files were read, and then computed again."""
        self._warned: set[str] = set()

    @property
    def proven(self) -> frozenset[str]:
        """The prefixes that a request was seen not to compute."""
        with self._guard:
            return frozenset(self._proven)

    def cost(self, digest: str) -> float:
        """Return how many seconds it took to compute a prefix; 0 where that was not done here."""
        return self._seconds.get(digest, 0.0)

    def load(self, prefix: Cached, slot: int) -> Loaded | None:
        """Bring a prefix into a slot; return None where that is known to be of no use. Blocks.

        Raises:
            ModelRequestError: it is longer than the context.
            ModelError: the server does not answer.
        """
        digest = prefix.digest
        with self._turn(digest):
            if digest in self._useless:
                return None
            text = self._text(prefix)
            path = self._folder / f"{self._key(text)}{ENDING}"
            restored = None if digest in self._doubted else self._restore(path, slot)
            if restored is not None:
                self._tokens[digest] = restored
                return Loaded(restored, restored=True)
            began = time.monotonic()
            tokens = self._compute(text, slot)
            self._seconds[digest] = time.monotonic() - began
            self._tokens[digest] = tokens
            if digest not in self._doubted:
                self._save(prefix, path, slot)
            return Loaded(tokens, restored=False)

    def judge(self, prefix: Cached, turn: Turn) -> bool:
        """Say whether a slot holds a prefix after a request, by what the server said of it."""
        digest, cached = prefix.digest, turn.cached
        if cached is None:
            return False
        held = cached >= HELD_SHARE * self._tokens.get(digest, 1) > 0
        with self._guard:
            if held:
                self._proven.add(digest)
            elif turn.loaded is not None:
                (self._doubted if turn.loaded.restored else self._useless).add(digest)
        if not held and turn.loaded is not None:
            how = "read from disk" if turn.loaded.restored else "computed"
            self._warn(
                f"{digest} {how}",
                f"prefix {prefix.name!r} of model {self._told!r} was {how}, and computed again with the request:"
                f" {cached:,} of {turn.loaded.tokens:,} tokens were used. This model does not let a prefix be kept"
                f" {'on disk' if turn.loaded.restored else 'in this way'}; it goes on without",
            )
        return held

    def _turn(self, digest: str) -> threading.Lock:
        with self._guard:
            return self._turns.setdefault(digest, threading.Lock())

    def _text(self, prefix: Cached) -> str:
        text = self._rendered.get(prefix.digest)
        if text is None:
            # Where the question begins is where the prompts of two questions part.
            one, other = (self._render(prefix.text, question) for question in ("0", "~"))
            text = self._rendered[prefix.digest] = _common(one, other)
        return text

    def _render(self, system: str, question: str) -> str:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
        return str(self._server.ask("/apply-template", {"messages": messages}).get("prompt", ""))

    def _key(self, text: str) -> str:
        parts = f"{self._model}\0{self._server.version}\0{text}"
        return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_CHARACTERS]

    def _compute(self, text: str, slot: int) -> int:
        body = {"prompt": text, "n_predict": 0, "id_slot": slot, "cache_prompt": True}
        return _whole(self._server.ask("/completion", body).get("tokens_evaluated"))

    def _restore(self, path: Path, slot: int) -> int | None:
        if not path.is_file():
            return None
        try:
            answer = self._server.ask(f"/slots/{slot}?action=restore", {"filename": path.name})
        except ModelRequestError:  # damaged, or of another form: it is computed anew
            _remove(path)
            return None
        with suppress(OSError):
            os.utime(path)
        return _whole(answer.get("n_restored")) or None

    def _save(self, prefix: Cached, path: Path, slot: int) -> None:
        # Under a name of its own first: whoever reads finds the whole file or none, also where this process is killed.
        part = path.with_name(f"{path.stem}-{uuid.uuid4().hex[:8]}.part")
        why = ""
        try:
            answer = self._server.ask(f"/slots/{slot}?action=save", {"filename": part.name})
            written = _whole(answer.get("n_written"))
            if not written or part.stat().st_size < written:
                why = "not all of it could be written"
            else:
                with suppress(FileNotFoundError):
                    _beside(part).replace(_beside(path))
                part.replace(path)
                self._make_room()
        except (ModelError, OSError) as error:
            why = error.what if isinstance(error, ModelError) else str(error)
        if why:
            _remove(part)
            free = _free_bytes(self._folder)
            self._warn(
                f"save {prefix.digest}",
                f"prefix {prefix.name!r} of model {self._told!r} cannot be kept in {self._folder} ({free >> 20:,} MiB"
                f" free): {why}. It is computed again in every slot and after a restart; make room, or name another"
                " kv_dir",
            )

    def _make_room(self) -> None:
        files = sorted(self._folder.glob(f"*{ENDING}"), key=_used_at, reverse=True)
        for each in files[FILES_MAX:]:
            _remove(each)

    def _warn(self, what: str, text: str) -> None:
        with self._guard:
            if what in self._warned:
                return
            self._warned.add(what)
        warnings.warn(text, HoldfastWarning, stacklevel=STACK_LEVEL)


def tell_apart(path: Path) -> str:
    """Return what tells the model in a file from others: its size, and a digest of how it begins and ends."""
    size = path.stat().st_size
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(SAMPLE_BYTES))
        file.seek(max(0, size - SAMPLE_BYTES))
        digest.update(file.read(SAMPLE_BYTES))
    return f"{size} {digest.hexdigest()}"


def _common(one: str, other: str) -> str:
    """Return what two texts begin with."""
    length = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    return one[:length]


def _whole(value: Any) -> int:
    return value if type(value) is int else 0


def _beside(path: Path) -> Path:
    return path.with_name(path.name + BESIDE)


def _remove(path: Path) -> None:
    for each in (path, _beside(path)):
        with suppress(OSError):
            each.unlink()


def _used_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # somebody else removed it
        return 0.0


def _free_bytes(folder: Path) -> int:
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize
