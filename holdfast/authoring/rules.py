"""What the determinism lint looks for in a function.

Owns: the rules, one for each kind of syntax that can break a replay, and what a finding looks like.
Must not know: which definitions are read, how their source is found, what becomes of findings.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final

from holdfast.authoring.bindings import (
    Comprehension,
    Definition,
    Dotted,
    FunctionNode,
    Meaning,
    Scope,
    Thing,
    World,
    closure_of,
    function_scope,
    is_set,
    module_scope,
)
from holdfast.authoring.culprit import place
from holdfast.authoring.forbidden import (
    BARE_EXCEPT,
    BY_CALL,
    ENVIRON,
    EXCEPT_BASE,
    GLOBAL,
    LEAVING_FINALLY,
    RUN_IN_EXECUTOR,
    SET_ITERATION,
    Forbidden,
    Severity,
    is_exempt,
)
from holdfast.authoring.recognition import Recognition, is_holdfast
from holdfast.authoring.source import Source, plain_function


@dataclass(frozen=True, slots=True)
class Finding:
    """One call, or one piece of syntax, that breaks a replay. `line` counts from 1, `column` from 0."""

    file: str
    line: int
    column: int
    call: str
    why: str
    instead: str
    severity: Severity = "error"

    @property
    def where(self) -> str:
        """Return `file:line`, relative to the working directory where that is shorter."""
        return place(self.file, self.line)

    def __str__(self) -> str:
        """Return the finding as one line of a message."""
        return f"{self.where}  {self.call}: {self.why}. Instead: {self.instead}"


def decorators_of(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, scope: Scope | World
) -> Iterator[Meaning]:
    """Yield what the decorators of a definition stand for, called ones included."""
    inside = Scope({}, {}, scope)
    for decorator in node.decorator_list:
        yield inside.resolve(decorator.func if isinstance(decorator, ast.Call) else decorator)


_ORDERED: Final = (list, tuple, enumerate, iter, zip, map, filter, next)
"""Builtins whose result keeps the order of what they are given."""
_UNORDERED: Final = (all, any, frozenset, len, max, min, set, sorted, sum)
"""Builtins whose result does not depend on the order of what they are given."""


class Reader:
    """Walks through functions of one file and collects findings."""

    def __init__(self, source: Source, module: dict[str, Any] | None) -> None:
        self._source = source
        self._module = module
        self._recognition = Recognition()
        self._findings: dict[tuple[int, int, str], Finding] = {}
        self._following = False
        self._followed: set[ast.AST] = set()
        self._order_lost: set[ast.AST] = set()  # expressions whose consumer does not care for their order
        # Nested functions wait for the end of the function: only then is known which of them run outside the workflow.
        self._nested: list[tuple[ast.FunctionDef | ast.AsyncFunctionDef, Scope]] = []
        self._outside: set[str] = set()

    def sorted_findings(self) -> list[Finding]:
        """Return what was found, in the order of the file."""
        return [self._findings[key] for key in sorted(self._findings)]

    def read_class(self, node: ast.ClassDef, outer: Scope | World) -> None:
        """Read every method that runs as workflow code."""
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                self.read_function(statement, outer)

    def read_function(self, node: FunctionNode, outer: Scope | World) -> None:
        """Read a function's body, unless it is a task."""
        if not isinstance(node, ast.Lambda) and any(is_holdfast(each, "task") for each in decorators_of(node, outer)):
            return
        self._followed.add(node)
        scope = function_scope(node, outer)
        if isinstance(node, ast.Lambda):
            self._read(node.body, scope)
            return
        around, self._nested = self._nested, []
        for statement in node.body:
            self._read(statement, scope)
        for nested, its_outer in self._nested:
            if nested.name not in self._outside:
                self.read_function(nested, its_outer)
        self._nested = around

    def _read(self, node: ast.AST, scope: Scope) -> None:
        rule = _RULES.get(type(node))
        if rule is None or not rule(self, node, scope):
            for child in ast.iter_child_nodes(node):
                self._read(child, scope)

    def _report(
        self, row: Forbidden, node: ast.expr | ast.stmt | ast.ExceptHandler, *, lines: int | None = None
    ) -> None:
        last = node.lineno if lines is None else lines
        if any(map(is_exempt, self._source.lines[node.lineno - 1 : last])):
            return
        key = (node.lineno, node.col_offset, row.call)
        self._findings[key] = Finding(
            self._source.file, node.lineno, node.col_offset, row.call, row.why, row.instead, row.severity
        )

    # Each rule reads one kind of node, and says whether it has read the nodes inside it too.

    def read_call(self, node: ast.Call, scope: Scope) -> bool:
        """Check what is called, and with what."""
        meaning = scope.resolve(node.func)
        row = self._recognition.row_of(meaning)
        if row is None and isinstance(node.func, ast.Attribute) and node.func.attr == "run_in_executor":
            row = BY_CALL[RUN_IN_EXECUTOR]
        if row is not None:
            arguments = len(node.args) + len(node.keywords)
            if row.harmless_arguments is None or arguments < row.harmless_arguments:
                self._report(row, node, lines=node.end_lineno)
        self._consume(node, meaning, scope)
        if is_holdfast(meaning, "side_effect"):  # what is recorded may be anything
            self._outside.update(argument.id for argument in node.args if isinstance(argument, ast.Name))
            return True
        self._follow(meaning)
        return False

    def _consume(self, node: ast.Call, meaning: Meaning, scope: Scope) -> None:
        """Look at what a call does with the order of its arguments."""
        ordered = isinstance(node.func, ast.Attribute) and node.func.attr == "join"
        match meaning:
            case Thing(object=function) if any(function is each for each in _UNORDERED):
                self._order_lost.update(node.args)
                return
            case Thing(object=function) if any(function is each for each in _ORDERED):
                ordered = node not in self._order_lost
            case Thing(object=function) if function is suppress:
                if any(_is_base_exception(argument, scope) for argument in node.args):
                    self._report(BY_CALL[EXCEPT_BASE], node, lines=node.end_lineno)
            case Dotted(name="contextlib.suppress"):
                if any(_is_base_exception(argument, scope) for argument in node.args):
                    self._report(BY_CALL[EXCEPT_BASE], node, lines=node.end_lineno)
            case _:
                pass
        if ordered:
            for argument in node.args:
                self._iterate(argument, scope)

    def _follow(self, meaning: Meaning) -> None:
        """Read a function of the same module that is called, but not what that one calls."""
        node: FunctionNode | None = None
        outer: Scope | World = World()
        match meaning:
            case Thing(object=function) if type(function) is FunctionType and function.__globals__ is self._module:
                helper = plain_function(function)
                if helper is not None and helper.__code__.co_filename == self._source.file:
                    node = self._source.function(helper.__code__)
                    outer = World(closure_of(helper), helper.__globals__)
            case Definition(node=defined) if self._module is None and defined in self._source.tree.body:
                node, outer = defined, module_scope(self._source.tree)
            case _:
                pass
        if node is not None and node not in self._followed and not self._following:
            self._following = True
            self.read_function(node, outer)
            self._following = False

    def read_name(self, node: ast.expr, scope: Scope) -> bool:
        """Check a name or an attribute that is forbidden even to read."""
        row = self._recognition.row_of(scope.resolve(node))
        if row is None or row.call != ENVIRON:
            return False
        self._report(row, node)
        return True

    def read_loop(self, node: ast.For, scope: Scope) -> bool:
        """Check what a loop runs over."""
        self._iterate(node.iter, scope)
        return False

    def _iterate(self, node: ast.expr, scope: Scope) -> None:
        if is_set(scope.resolve(node)) and not _is_ordered_anyway(node):
            self._report(BY_CALL[SET_ITERATION], node, lines=node.end_lineno)

    def read_comprehension(self, node: Comprehension, scope: Scope) -> bool:
        """Check what a comprehension runs over, in a scope of its own."""
        inner = scope.inner(node)
        orderly = not isinstance(node, ast.SetComp) and node not in self._order_lost
        for index, generator in enumerate(node.generators):
            around = inner if index else scope  # the first one is evaluated outside
            if orderly:
                self._iterate(generator.iter, around)
            self._read(generator.iter, around)
            for condition in generator.ifs:
                self._read(condition, inner)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self._read(part, inner)
        return True

    def read_starred(self, node: ast.Starred, scope: Scope) -> bool:
        """Check what is unpacked into an order."""
        if node not in self._order_lost:
            self._iterate(node.value, scope)
        return False

    def read_set(self, node: ast.Set, _: Scope) -> bool:
        """Note that what goes into a set has no order to lose."""
        self._order_lost.update(node.elts)
        return False

    def read_nested(self, node: FunctionNode, scope: Scope) -> bool:
        """Read a function inside the function."""
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self._read(default, scope)
        if isinstance(node, ast.Lambda):
            self.read_function(node, scope)
        else:
            self._nested.append((node, scope))
        return True

    def read_annotated(self, node: ast.AnnAssign, scope: Scope) -> bool:
        """Read an assignment, but not its annotation."""
        if node.value is not None:
            self._read(node.value, scope)
        return True

    def read_handler(self, node: ast.ExceptHandler, scope: Scope) -> bool:
        """Check that a handler lets through what stops a workflow."""
        if not any(isinstance(inner, ast.Raise) for inner in _within(node.body)):
            if node.type is None:
                self._report(BY_CALL[BARE_EXCEPT], node)
            elif _is_base_exception(node.type, scope):
                self._report(BY_CALL[EXCEPT_BASE], node)
        return False

    def read_try(self, node: ast.Try, _: Scope) -> bool:
        """Check that a finally block lets through what stops a workflow."""
        for inner in _within(node.finalbody):
            if isinstance(inner, ast.Return):
                self._report(BY_CALL[LEAVING_FINALLY], inner)
        for inner in _within(node.finalbody, (ast.For, ast.AsyncFor, ast.While)):
            if isinstance(inner, ast.Break | ast.Continue):
                self._report(BY_CALL[LEAVING_FINALLY], inner)
        return False

    def read_global(self, node: ast.Global, _: Scope) -> bool:
        """Check a declaration of names as global."""
        self._report(BY_CALL[GLOBAL], node)
        return True


_RULES: Final[dict[type[ast.AST], Callable[[Reader, Any, Scope], bool]]] = {
    ast.AnnAssign: Reader.read_annotated,
    ast.AsyncFunctionDef: Reader.read_nested,
    ast.Attribute: Reader.read_name,
    ast.Call: Reader.read_call,
    ast.DictComp: Reader.read_comprehension,
    ast.ExceptHandler: Reader.read_handler,
    ast.For: Reader.read_loop,
    ast.FunctionDef: Reader.read_nested,
    ast.GeneratorExp: Reader.read_comprehension,
    ast.Global: Reader.read_global,
    ast.Lambda: Reader.read_nested,
    ast.ListComp: Reader.read_comprehension,
    ast.Name: Reader.read_name,
    ast.Set: Reader.read_set,
    ast.SetComp: Reader.read_comprehension,
    ast.Starred: Reader.read_starred,
    ast.Try: Reader.read_try,
    ast.TryStar: Reader.read_try,
}


def _is_base_exception(node: ast.expr, scope: Scope) -> bool:
    if isinstance(node, ast.Tuple):
        return any(_is_base_exception(each, scope) for each in node.elts)
    match scope.resolve(node):
        case Thing(object=kind):
            return kind is BaseException
        case _:
            return False


def _is_ordered_anyway(node: ast.expr) -> bool:
    """Say whether a set holds small whole numbers only, which follow no hash seed."""
    if isinstance(node, ast.Set):
        return all(isinstance(each, ast.Constant) and isinstance(each.value, int) for each in node.elts)
    return (
        isinstance(node, ast.Call)
        and len(node.args) == 1
        and isinstance(node.args[0], ast.Call)
        and isinstance(node.args[0].func, ast.Name)
        and node.args[0].func.id == range.__name__
    )


def _within(body: list[ast.stmt], closed: tuple[type[ast.AST], ...] = ()) -> Iterator[ast.AST]:
    """Yield the nodes of `body`, without functions nested in it and without the inside of `closed` nodes."""
    pending: list[ast.AST] = [*body]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, *closed)):
            pending += ast.iter_child_nodes(node)
