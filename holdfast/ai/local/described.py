"""What a local model is: a file, and how much of the machine it may take.

Owns: `Described`.
Must not know: servers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from holdfast.errors import DefinitionError, ModelRequestError

CTX_MAX: Final = 10_000_000
SLOTS_MAX: Final = 256
THREADS_MAX: Final = 1_024
MAGIC: Final = b"GGUF"
"""What every file of this form begins with."""


@dataclass(frozen=True, slots=True)
class Described:
    """A model as its user describes it."""

    path: Path
    ctx: int
    """How many tokens a prompt and its answer may have together."""
    slots: int
    """How many prompts are answered at once. Each has a context of its own."""
    kv_dir: Path | None
    threads: int
    """Of computing; 0 for as many as the library thinks right."""
    exact: bool = False
    """Whether an answer is the same to the bit, in whatever portions its prompt was computed."""

    def __post_init__(self) -> None:
        """Check every field; raises DefinitionError."""
        for name, value, least, most in (
            ("ctx", self.ctx, 1, CTX_MAX),
            ("slots", self.slots, 1, SLOTS_MAX),
            ("threads", self.threads, 0, THREADS_MAX),
        ):
            found: Any = value
            if type(found) is not int or not least <= found <= most:
                raise DefinitionError(
                    f"{name} of local({str(self.path)!r}) is {value!r}: it has to be a whole number,"
                    f" {least} to {most:,}"
                )

    @property
    def name(self) -> str:
        """As it is written down: `local:` and the name of its file."""
        return f"local:{self.path.name}"

    @property
    def version(self) -> str:
        """Which file it is at the moment: its path, size and time; the path alone where there is none."""
        try:
            about = self.path.stat()
        except OSError:
            return str(self.path)
        return f"{self.path}:{about.st_size}:{about.st_mtime_ns}"

    def check_file(self) -> None:
        """Look whether the model is on this machine. Raises ModelRequestError.

        A definition may be read where its model is not, so this is asked when it is first used.
        """
        try:
            with self.path.open("rb") as file:
                begins = file.read(len(MAGIC))
        except FileNotFoundError as error:
            remedy = "Models are not downloaded: put it there, or name another path."
            raise ModelRequestError(self.name, f"there is no file {self.path} on this machine", remedy) from error
        except OSError as error:
            raise ModelRequestError(self.name, f"its file cannot be read: {error}") from error
        if begins != MAGIC:
            remedy = "It has to be a GGUF file; a download that broke off has to be fetched again."
            raise ModelRequestError(self.name, f"{self.path} is no GGUF file", remedy)
