"""The code blocks and links of a Markdown file.

Owns: what counts as a block and a link, and the rule of what runs: a `python` block does, a `python no-run` block must
only be valid, any other spelling of Python is a mistake.
Must not know: which files there are, how a block is run.
"""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(?P<words>.+?)\s*$", re.MULTILINE)
PYTHON = {"py", "py3", "python", "python3", "pycon"}


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. `line` is the number of its first line of content, from 1."""

    info: str
    line: int
    source: str

    @property
    def is_python(self) -> bool:
        """Say whether it claims to be Python, however it is spelled."""
        return self.info.split(" ")[0].lower() in PYTHON

    @property
    def runs(self) -> bool:
        """Say whether it is to be run.

        Raises:
            ValueError: it is Python, but neither `python` nor `python no-run`.
        """
        match self.info:
            case "python":
                return True
            case "python no-run":
                return False
            case _:
                raise ValueError(f"line {self.line}: write ```python or ```python no-run, not ```{self.info}")


def read_blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a Markdown text, in order.

    Raises:
        ValueError: a fence is never closed.
    """
    blocks: list[Block] = []
    opened: re.Match[str] | None = None
    content: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), start=1):
        fence = FENCE.match(line)
        if opened is None:
            if fence:
                opened, content, first = fence, [], number + 1
        elif fence and not fence["info"].strip() and fence["fence"].startswith(opened["fence"]):
            blocks.append(Block(opened["info"].strip(), first, textwrap.dedent("\n".join(content))))
            opened = None
        else:
            content.append(line)
    if opened is not None:
        raise ValueError(f"line {first - 1}: this fence is never closed")
    return blocks


def read_program(text: str) -> str:
    """Return the blocks that run as one module whose line numbers are those of the Markdown text."""
    lines: list[str] = []
    for block in read_blocks(text):
        if block.is_python and block.runs:
            lines += [""] * (block.line - 1 - len(lines))
            lines += block.source.split("\n")
    return "\n".join(lines) + "\n"


def check_syntax(text: str) -> None:
    """Compile every Python block, run or not; `await` may stand at the top of one that does not run.

    Raises:
        SyntaxError: a block is not Python.
        ValueError: a block is spelled in a way that leaves open whether it runs.
    """
    for block in read_blocks(text):
        if block.is_python:
            flags = 0 if block.runs else ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            compile("\n" * (block.line - 1) + block.source, "<block>", "exec", flags=flags)


def broken_links(file: Path) -> list[str]:
    """Return the relative links of a Markdown file that lead nowhere. Other sites are not asked."""
    prose = re.sub(r"^( *)(`{3,}).*?^\1\2 *$", "", file.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    broken = []
    for match in LINK.finditer(re.sub(r"`[^`\n]*`", "", prose)):
        target, _, anchor = match["target"].partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        place = (file.parent / target) if target else file
        if not place.exists() or (anchor and place.suffix == ".md" and anchor not in _anchors(place)):
            broken.append(match["target"])
    return broken


def _anchors(file: Path) -> set[str]:
    text = file.read_text(encoding="utf-8")
    return {re.sub(r"[^\w\- ]", "", each["words"].lower()).replace(" ", "-") for each in HEADING.finditer(text)}
