"""What pages list is what there is: decisions, packages, how-to pages."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def test_every_decision_is_listed() -> None:
    """The index of decisions lists each record by its number and title, in order, and nothing else."""
    records = sorted(DOCS.glob("decisions/[0-9]*.md"))
    rows = [
        f"| [{each.name[:4]}]({each.name}) | {each.read_text(encoding='utf-8').splitlines()[0][len('# 0000 ') :]} |"
        for each in records
    ]
    index = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    assert [line for line in index.splitlines() if line.startswith("| [")] == rows
    assert [int(each.name[:4]) for each in records] == list(range(1, len(records) + 1))


def test_the_tree_names_every_package() -> None:
    """The table of packages in the design names every package there is, once, and none that there is not."""
    design = (DOCS / "design.md").read_text(encoding="utf-8")
    table = design.partition("\n## The tree\n")[2].partition("\n## ")[0]
    named = [name for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    modules = [each for each in (ROOT / "holdfast").iterdir() if not each.name.startswith("_")]
    there = [each.stem for each in modules if each.suffix == ".py" or (each / "__init__.py").exists()]
    assert sorted(named) == sorted(there)


def test_the_index_leads_everywhere() -> None:
    """The index of the documentation, and the README, link every page that is not part of a collection of its own."""
    pages = {each.relative_to(DOCS).as_posix() for each in DOCS.rglob("*.md")}
    wanted = {each for each in pages if not each.startswith(("errors/HF", "errors/divergences/", "decisions/0"))} - {
        "index.md"
    }
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    assert {each for each in wanted if f"]({each})" not in index} == set()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    how_to = {each for each in wanted if each.startswith("how-to/")}
    assert {each for each in how_to if f"](docs/{each})" not in readme} == set()
