"""README and docs are true: their Python runs, their links lead somewhere, their make words exist."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from holdfast.app.connection import close_connections
from holdfast.app.default_store import forget_default
from tests.architecture import markdown

ROOT = Path(__file__).resolve().parents[2]
FILES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))


def run_blocks(file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a Markdown file's Python as one module in `folder`, so that later blocks see earlier ones.

    It is a real file with the line numbers of the Markdown one: tracebacks point at the right line, `inspect` finds the
    source, and a child process can import it.
    """
    name = re.sub(r"\W", "_", file.stem).lower() + "_md"
    module_file = folder / f"{name}.py"
    module_file.write_text(markdown.read_program(file.read_text(encoding="utf-8")), encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    spec = importlib.util.spec_from_file_location(name, module_file)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    try:
        spec.loader.exec_module(module)
    finally:
        # What a script's end does: ledgers and locks of a process share a connection, and mean one store for good.
        close_connections()
        forget_default()


@each_file
def test_python_is_valid(file: Path) -> None:
    """Every Python block compiles, and says by its fence whether it runs."""
    markdown.check_syntax(file.read_text(encoding="utf-8"))


@each_file
def test_python_runs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `python` block runs, in order, in an empty folder."""
    run_blocks(file, tmp_path, monkeypatch)


@each_file
def test_links_lead_somewhere(file: Path) -> None:
    """Every relative link names a file, and a heading where it names one."""
    assert markdown.broken_links(file) == []


@each_file
def test_make_words_exist(file: Path) -> None:
    """Every `make word` that a shell block shows is in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    words = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    blocks = markdown.read_blocks(file.read_text(encoding="utf-8"))
    shown = {
        word
        for each in blocks
        if each.info.split(" ")[0] == "sh"
        for word in re.findall(r"\bmake ([a-z]+)", each.source)
    }
    assert shown <= words


def test_blocks_share_a_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later block sees what an earlier one made; a `no-run` block and other languages are not run."""
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nvalue = 1\n```\n"
        "```python no-run\nawait nobody\n```\n"
        "```sh\nexit 1\n```\n"
        "- a list\n\n  ```python\n  with open('answer', 'w') as file:\n      file.write(str(value + 1))\n  ```\n"
    )
    run_blocks(page, tmp_path, monkeypatch)
    assert (tmp_path / "answer").read_text() == "2"


def test_failing_block_is_caught_at_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that raises fails the file, and the traceback carries the line of the Markdown."""
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nWords.\n\n```python\nvalue = 1\nassert value == 2\n```\n")
    with pytest.raises(AssertionError) as failure:
        run_blocks(page, tmp_path, monkeypatch)
    assert failure.traceback[-1].lineno + 1 == 7


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("```python\n1 +\n```", id="run-invalid"),
        pytest.param("```python no-run\n1 +\n```", id="no-run-invalid"),
        pytest.param("```python\nawait late\n```", id="await-in-a-block-that-runs"),
        pytest.param("```py\n1\n```", id="other-spelling"),
        pytest.param("```python norun\n1\n```", id="unknown-flag"),
        pytest.param("```python\n1\n", id="never-closed"),
    ],
)
def test_wrong_block_is_caught(text: str) -> None:
    """A block that is not Python, or does not say clearly whether it runs, is an error."""
    with pytest.raises((SyntaxError, ValueError)):
        markdown.check_syntax(text)


def test_broken_link_is_caught(tmp_path: Path) -> None:
    """A link to a missing file or heading is found; code is not mistaken for links."""
    (tmp_path / "there.md").write_text("# A heading, there\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](there.md#a-heading-there) [c](gone.md) [d](there.md#gone) `[e](code.md)`\n"
        "```python\ntasks[key](argument)\n```\n"
    )
    assert markdown.broken_links(page) == ["gone.md", "there.md#gone"]
