"""The layer contracts hold, and each of them is shown to catch what it is for."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

# Distributions any layer may import: they are vocabulary, not a neighbour. Every other one needs a door.
FREE = {"anyio", "httpx", "msgspec", "pydantic", "tzdata"}  # the last is data, which nobody imports


# A shelf of protocols, one module for each seam. Which seam is meant is said by naming its module.
SHELVES = {"demo", "ports"}  # the demo is a show: its front is what can be had without running it

# What the core may take from `random`: a generator is a value once it has a seed, everything else is entropy.
SEEDED = {"Random"}
CORE = ("errors.py", "history", "ports", "engine")


@dataclass(frozen=True, slots=True)
class Tree:
    """A package of our name, under our contracts, whose modules a test plants."""

    folder: Path

    def plant(self, path: str, source: str = "") -> None:
        """Write `source` to a module of the package, and make the packages it is in."""
        module = self.folder / "holdfast" / path
        module.parent.mkdir(parents=True, exist_ok=True)
        for package in module.relative_to(self.folder).parents[:-1]:
            (self.folder / package / "__init__.py").touch()
        module.write_text(source, encoding="utf-8")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return a tree that keeps every contract, with a module in each place the violations below point at."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    tree = Tree(tmp_path)
    tree.plant("worker/planted.py", "Thing = int")
    tree.plant("authoring/planted.py")
    tree.plant("stores/planted.py")
    tree.plant("bus/planted.py")
    tree.plant("engine/planted.py")
    tree.plant("engine/other.py", "from holdfast.engine import planted")
    return tree


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check all contracts on the package in `folder`."""
    command = [LINT_IMPORTS, "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_contracts_hold() -> None:
    """The package as it is keeps every contract."""
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


LAYERS = "Imports only point down, and every module has a layer BROKEN"
ACYCLIC = "No cycles inside any package BROKEN"
FRONT_DOOR = "Nothing inside enters by the public front door, which reaches every layer BROKEN"
PURE = "The core is pure: no I/O, no clock, no entropy, no threads BROKEN"
COMPOSITION_ROOT = "Only the composition root and what stands above it meet a store or a bus BROKEN"
DOORS = "One door per dependency BROKEN"


@pytest.mark.parametrize(
    ("path", "source", "broken"),
    [
        pytest.param("engine/planted.py", "import holdfast.worker.planted", LAYERS, id="upward"),
        pytest.param("engine/planted.py", "def late():\n    from holdfast.worker import planted", LAYERS, id="lazy"),
        pytest.param(
            "engine/planted.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from holdfast.worker.planted import Thing",
            LAYERS,
            id="type-checking",
        ),
        pytest.param("engine/planted.py", "import holdfast.authoring.planted", LAYERS, id="sideways"),
        pytest.param("utils.py", "", LAYERS, id="undeclared-module"),
        pytest.param("helpers/__init__.py", "", LAYERS, id="undeclared-package"),
        pytest.param("engine/planted.py", "from holdfast.engine import other", ACYCLIC, id="cycle"),
        pytest.param("engine/planted.py", "from holdfast import Client", FRONT_DOOR, id="front-door"),
        pytest.param("engine/planted.py", "import time", PURE, id="clock"),
        pytest.param("history/planted.py", "from os import environ", PURE, id="system"),
        pytest.param("errors.py", "import threading", PURE, id="threads"),
        pytest.param("client/planted.py", "import holdfast.stores.planted", COMPOSITION_ROOT, id="store"),
        pytest.param("worker/planted.py", "from holdfast.bus import planted", COMPOSITION_ROOT, id="bus"),
        pytest.param("stores/planted.py", "import apsw", DOORS, id="apsw"),
        pytest.param("controller/planted.py", "from fastapi import APIRouter", DOORS, id="fastapi"),
        pytest.param("client/planted.py", "def late():\n    import typer", DOORS, id="lazy-typer"),
        pytest.param("bus/planted.py", "import redis.asyncio", DOORS, id="redis"),
    ],
)
def test_planted_violation_is_caught(tree: Tree, path: str, source: str, broken: str) -> None:
    """Each kind of wrong import breaks the contract that forbids it."""
    tree.plant(path, source)
    result = lint(tree.folder)
    assert result.returncode == 1, result.stdout + result.stderr
    assert broken in result.stdout


def test_doors_are_open_to_their_owners(tree: Tree) -> None:
    """The planted tree itself keeps every contract, and each dependency may be imported where it belongs."""
    tree.plant("stores/sqlite/planted.py", "import apsw")
    tree.plant("stores/postgres/planted.py", "import asyncpg")
    tree.plant("bus/redis.py", "import redis.asyncio")
    tree.plant("controller/http/planted.py", "import fastapi, starlette.routing, uvicorn")
    tree.plant("dashboard/planted.py", "import fastapi")
    tree.plant("cli/planted.py", "import typer, rich, uvicorn")
    tree.plant("temporal/planted.py", "import temporalio.client")
    tree.plant("ai/planted.py", "import pydantic_ai, genai_prices")
    tree.plant("ai/local/serving.py", "import xllamacpp")
    result = lint(tree.folder)
    assert result.returncode == 0, result.stdout + result.stderr


def entropy(source: str) -> list[str]:
    """Find what a module takes from `random` beyond a seeded generator."""
    taken = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module="random", names=names):
                taken += [each.name for each in names]
            case ast.Attribute(value=ast.Name(id="random"), attr=name):
                taken.append(name)
    return [each for each in taken if each not in SEEDED]


def test_core_has_no_entropy() -> None:
    """The core uses `random` only for a generator somebody else seeded."""
    places = [ROOT / "holdfast" / each for each in CORE]
    modules = [module for place in places for module in ([place] if place.suffix else place.rglob("*.py"))]
    found = {str(module): entropy(module.read_text(encoding="utf-8")) for module in modules if module.exists()}
    assert not {module: taken for module, taken in found.items() if taken}


def test_entropy_is_caught() -> None:
    """The check above tells a seeded generator from the global one."""
    assert entropy("import random\nrandom.Random(7).random()") == []
    assert entropy("import random\nrandom.random()") == ["random"]
    assert entropy("from random import Random, choice") == ["choice"]


def test_every_dependency_has_a_door() -> None:
    """A dependency that is neither free for all nor behind a door is a decision nobody made."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*table["project"]["dependencies"], *chain(*table["project"]["optional-dependencies"].values())]
    names = {each.split("[")[0].split(">")[0].strip().replace("-", "_") for each in wanted}
    (doors,) = (each for each in table["tool"]["importlinter"]["contracts"] if each["id"] == "doors")
    distributions = {"opentelemetry": "opentelemetry_api", "pydantic_ai": "pydantic_ai_slim"}
    behind = {distributions.get(each, each) for each in doors["forbidden_modules"]}

    assert names - FREE <= behind, "give it a door in [tool.importlinter], or free it here with a reason"


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Return who imports whom in the package."""
    return grimp.build_graph("holdfast", cache_dir=None)


def side_entrances(graph: grimp.ImportGraph, packages: set[str]) -> Iterator[str]:
    """Find imports that reach into another package instead of entering through its `__init__`."""
    for importer in sorted(graph.modules):
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            parts = imported.split(".")
            is_inside = importer.split(".")[1:2] == parts[1:2]
            # `from holdfast.authoring import task` is the name the package gives, which its module happens to share.
            is_given = len(parts) == 3 and parts[2] in getattr(import_module(".".join(parts[:2])), "__all__", ())
            if (
                len(parts) > 2
                and not is_inside
                and not is_given
                and parts[1] not in SHELVES
                and imported not in packages
            ):
                yield f"{importer} reaches into {'.'.join(parts[:2])}: {imported}"


def test_packages_are_entered_through_their_front(graph: grimp.ImportGraph) -> None:
    """Another package is entered through its `__init__`; inside a package, modules import modules."""
    packages = {each for each in graph.modules if graph.find_children(each)}
    assert list(side_entrances(graph, packages)) == []


def test_side_entrance_is_caught() -> None:
    """The check above sees a module that reaches into another package."""
    graph = grimp.ImportGraph()
    for module in (
        "holdfast",
        "holdfast.worker",
        "holdfast.worker.beat",
        "holdfast.history",
        "holdfast.history.events",
    ):
        graph.add_module(module)
    graph.add_import(importer="holdfast.worker.beat", imported="holdfast.history")
    graph.add_import(importer="holdfast.worker.beat", imported="holdfast.worker")
    assert list(side_entrances(graph, set())) == []

    graph.add_import(importer="holdfast.worker.beat", imported="holdfast.history.events")
    (found,) = side_entrances(graph, set())
    assert found == "holdfast.worker.beat reaches into holdfast.history: holdfast.history.events"
