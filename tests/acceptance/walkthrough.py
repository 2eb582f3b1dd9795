"""Following a page as a reader would: save its files, type its commands, compare what comes out.

Owns: what of a page is followed, one shell for all of it, and how output is compared.
Must not know: any page.

A `python` block after `<!-- file: NAME -->` is saved. An `sh` block is typed into the shell, in which all blocks of the
page run one after the other; `sh no-run` is passed over. A `text` block right after an `sh` block is what it prints:
`…` stands for anything within a line, a line of nothing else for any lines.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

from tests.architecture.markdown import Block, read_blocks

FILE = re.compile(r"<!-- file: (?P<name>[\w./-]+) -->")
BLOCK_SECONDS_MAX = 60.0
PORT_SHOWN = "8765"
"""The port that pages show; each walk uses one of its own."""


class WalkError(AssertionError):
    """A page that does not say what happens."""


class Shell:
    """One bash, as a reader's terminal."""

    def __init__(self, folder: Path, port: int) -> None:
        """Stand in `folder`, with this environment's programs first."""
        programs = str(Path(sys.executable).parent)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "COV_"))}
        environment = kept | {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "HOLDFAST_PORT": str(port),
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "160",
        }
        self._port = str(port)
        self._process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self._count = 0

    def __enter__(self) -> Self:
        """Return the shell."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the shell with everything it started."""
        self._kill()
        self._process.wait()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.stdin.close()

    def type(self, source: str) -> str:
        """Run some lines; return what they print, errors included."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._count += 1
        mark = f"--- walked {self._count} ---"
        self._process.stdin.write(f"{source.replace(PORT_SHOWN, self._port)}\necho; echo '{mark}'\n")
        self._process.stdin.flush()
        limit = threading.Timer(BLOCK_SECONDS_MAX, self._kill)
        limit.start()
        lines = []
        try:
            for line in self._process.stdout:
                if line.rstrip("\n") == mark:
                    return "".join(lines).replace(self._port, PORT_SHOWN)
                lines.append(line)
        finally:
            limit.cancel()
            limit.join()
        raise WalkError(f"the shell ended, or this took over {BLOCK_SECONDS_MAX:g} s:\n{source}\n\n{''.join(lines)}")

    def _kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)


def section(text: str, heading: str) -> str:
    """Return the part of a page under a heading, up to the next one of its level."""
    level = heading.split(" ", 1)[0]
    _, found, rest = f"\n{text}".partition(f"\n{heading}\n")
    if not found:
        raise WalkError(f"there is no {heading!r}")
    return re.split(rf"^{level} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def walk(text: str, folder: Path, port: int) -> int:
    """Follow a page in an empty folder; return how many shell blocks were typed.

    Raises:
        WalkError: a block printed something else than the page says.
    """
    lines = text.splitlines()
    blocks = read_blocks(text)
    typed = 0
    with Shell(folder, port) as shell:
        for block, following in zip(blocks, [*blocks[1:], None], strict=True):
            named = FILE.search(lines[block.line - 3]) if block.line >= 3 else None
            if named:
                (folder / named["name"]).write_text(block.source + "\n", encoding="utf-8")
            elif block.info == "sh":
                printed = shell.type(block.source)
                typed += 1
                if following is not None and following.info == "text":
                    compare(block, following.source, printed)
    return typed


def compare(block: Block, shown: str, printed: str) -> None:
    """Raise WalkError unless `printed` is what the page has `shown`."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "…" else ".*?".join(map(re.escape, line.rstrip().split("…"))) + r"\s*?\n"
        for line in shown.strip("\n").split("\n")
    )
    clean = "\n".join(line.rstrip() for line in printed.strip().split("\n")) + "\n"
    if not re.fullmatch(pattern, clean):
        raise WalkError(f"line {block.line}: {block.source}\n--- the page shows\n{shown}\n--- it prints\n{clean}")
