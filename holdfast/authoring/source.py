"""The source of a definition, as a syntax tree.

Owns: finding the tree of a function, a class or a module that exists, and the lines it was made from.
Must not know: what anybody looks for in it.

`inspect.getsource` is not used: it tokenizes in Python, guesses at lambdas and parses classes again each time. Here a
file is parsed once, whole, and a function is found by the line its code object says it starts at. Where there is no
source (a prompt, `exec`, a frozen program), or where it no longer fits the code, the answer is None.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, Final, TypeAlias, cast

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

COLUMNS_MAX: Final = 10**9
"""Wider than any lambda: its width only decides between equals."""
FILES_MAX: Final = 8
"""How many parsed files are kept: the workflows of one file are decorated one after the other."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A file's lines and its tree."""

    file: str
    lines: tuple[str, ...]
    tree: ast.Module
    definitions: Mapping[int, list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]
    """Functions and classes, by the line they start at, decorators included."""

    def function(self, code: CodeType) -> FunctionNode | None:
        """Return the tree that `code` was compiled from."""
        if code.co_name == "<lambda>":
            return self._lambda(code)
        for node in self.definitions.get(code.co_firstlineno, ()):
            if not isinstance(node, ast.ClassDef) and node.name == code.co_name:
                return node
        return None

    def class_of(self, name: str, method_line: int) -> ast.ClassDef | None:
        """Return the innermost class called `name` that holds the line a method of it starts at."""
        holding = [
            node
            for nodes in self.definitions.values()
            for node in nodes
            if isinstance(node, ast.ClassDef)
            and node.name == name
            and node.lineno <= method_line <= (node.end_lineno or 0)
        ]
        return max(holding, key=lambda node: node.lineno, default=None)

    def _lambda(self, code: CodeType) -> ast.Lambda | None:
        """Return the lambda that covers most of the instructions: several may start on one line, or nest."""
        places = [(line, column) for line, _, column, _ in code.co_positions() if line and column is not None]
        return max(
            (
                node
                for node in ast.walk(self.tree)
                if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno
            ),
            key=lambda node: sum(_covers(node.body, place) for place in places) - _width(node.body) / COLUMNS_MAX,
            default=None,
        )


def source_of_code(code: CodeType, module_globals: dict[str, Any] | None = None) -> Source | None:
    """Return the source that `code` was compiled from, or None when there is none."""
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, module_globals)
    return _parse(code.co_filename, tuple(lines)) if lines else None


def source_of_file(file: str) -> Source | None:
    """Return the source in `file`, or None when it cannot be read or is not Python."""
    linecache.checkcache(file)
    lines = linecache.getlines(file)
    return _parse(file, tuple(lines)) if lines else None


def plain_function(value: object) -> FunctionType | None:
    """Return the function that a class attribute or a decorated name stands for, or None when it stands for none."""
    for _ in range(WRAPPERS_MAX):
        if isinstance(value, FunctionType) and "__wrapped__" not in vars(value):
            return value
        value = _wrapped(value)
        if value is None:
            break
    return None


WRAPPERS_MAX: Final = 32
"""How many decorators deep a function is looked for."""


def _wrapped(value: object) -> object:
    """Return what a decorated function, a method, a property or a partial function is made from."""
    for attribute in ("__wrapped__", "__func__", "fget", "func"):
        found = getattr(value, attribute, None)
        if found is not None:
            return cast("object", found)
    return None


@lru_cache(maxsize=FILES_MAX)
def _parse(file: str, lines: tuple[str, ...]) -> Source | None:
    try:
        tree = ast.parse("".join(lines), file)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    definitions: dict[int, list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]] = {}
    for node in _definitions(tree.body):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        definitions.setdefault(first, []).append(node)
    return Source(file, lines, tree, definitions)


def _definitions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Yield every definition in `body`, at any depth, without a look into expressions."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement
        for block in ("body", "orelse", "finalbody"):
            yield from _definitions(getattr(statement, block, []))
        for branch in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            yield from _definitions(branch.body)


def _covers(node: ast.expr, place: tuple[int, int]) -> bool:
    end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
    return (node.lineno, node.col_offset) <= place < end


def _width(node: ast.expr) -> int:
    """Return how much source `node` takes, in an order that puts the inner one of two nested ones first."""
    return ((node.end_lineno or node.lineno) - node.lineno) * 1000 + (node.end_col_offset or 0) - node.col_offset
