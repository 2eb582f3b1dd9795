"""What a name in a function's source stands for.

Owns: scopes, and the way from an expression (`t.time`, `Path("x").open`) to the thing it names.
Must not know: which things are forbidden.

A name is looked for where Python would look for it: in the scopes of the function, then in its closure, its module
and the builtins, where the thing itself is found. A name that the function binds itself stands for nothing, unless the
binding says what it is: an import, one assignment of a call to a class, an annotation. When in doubt nothing is known,
so a local variable called `time` is never taken for the module.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any, Final, TypeAlias

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True, slots=True)
class Thing:
    """An object that exists: a module, a class, a function."""

    object: Any


@dataclass(frozen=True, slots=True)
class Dotted:
    """A thing that is known by its import only, such as `requests.get`."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """An attribute of a class, reached through the class or through an instance."""

    owner: type
    name: str


@dataclass(frozen=True, slots=True)
class Instance:
    """Some instance of a class."""

    of: type


@dataclass(frozen=True, slots=True)
class Definition:
    """A function defined in the source at hand."""

    node: ast.FunctionDef | ast.AsyncFunctionDef


Meaning: TypeAlias = Thing | Dotted | Member | Instance | Definition | None
"""What an expression stands for; None when that is not known."""

_Binding: TypeAlias = ast.expr | Dotted | Definition | None
_SET_OPERATORS: Final = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)


class Scope:
    """The names that one function, lambda, comprehension or module binds."""

    __slots__ = ("_annotated", "_bound", "_outer")

    def __init__(self, bound: Mapping[str, _Binding], annotated: Mapping[str, ast.expr], outer: Scope | World) -> None:
        self._bound = bound
        self._annotated = annotated
        self._outer = outer

    def look_up(self, name: str) -> Meaning:
        """Return what `name` stands for here."""
        if name not in self._bound:
            return self._outer.look_up(name)
        match self._bound[name]:
            case None:
                annotation = self._annotated.get(name)
                return None if annotation is None else self._instance_of(annotation)
            case ast.expr() as value:
                # Without the name itself: `x = x.y` would otherwise ask for ever.
                return Scope({**self._bound, name: None}, self._annotated, self._outer).resolve(value)
            case known:
                return known

    def resolve(self, node: ast.expr) -> Meaning:
        """Return what the expression `node` stands for."""
        match node:
            case ast.Name(id=name):
                return self.look_up(name)
            case ast.Attribute(value=value, attr=name):
                return _attribute(self.resolve(value), name)
            case ast.NamedExpr(value=value):
                return self.resolve(value)
            case ast.Call(func=function):
                return _called(self.resolve(function))
            case ast.Set() | ast.SetComp():
                return Instance(set)
            case ast.BinOp(left=left, op=ast.Div()):  # Path("a") / "b"
                return _instance_only(self.resolve(left))
            case ast.BinOp(left=left, op=operator, right=right) if isinstance(operator, _SET_OPERATORS):
                return next((each for each in map(self.resolve, (left, right)) if is_set(each)), None)
            case _:
                return None

    def inner(self, node: FunctionNode | Comprehension) -> Scope:
        """Return the scope that `node` opens inside this one."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return function_scope(node, self)
        targets = (name for generator in node.generators for name in _stored(generator.target))
        return Scope(dict.fromkeys(targets), {}, self)

    def _instance_of(self, annotation: ast.expr) -> Meaning:
        if isinstance(annotation, ast.Subscript):  # set[str]
            annotation = annotation.value
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            try:
                return self._instance_of(ast.parse(annotation.value, mode="eval").body)
            except SyntaxError:
                return None
        meaning = self._outer.look_up(annotation.id) if isinstance(annotation, ast.Name) else self.resolve(annotation)
        match meaning:
            case Thing(object=kind) if issubclass(type(kind), type):
                return Instance(kind)
            case Dotted():
                return meaning
            case _:
                return None


class World:
    """Where names lead that a function does not bind itself: its closure, its module, the builtins."""

    __slots__ = ("_namespaces",)

    def __init__(self, *namespaces: Mapping[str, Any]) -> None:
        self._namespaces = (*namespaces, vars(builtins))

    def look_up(self, name: str) -> Meaning:
        """Return the thing that `name` stands for."""
        for namespace in self._namespaces:
            if name in namespace:
                return Thing(namespace[name])
        return None


def function_scope(node: FunctionNode, outer: Scope | World) -> Scope:
    """Return the scope of a function's body, inside `outer`."""
    parameters = node.args
    named = (*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs)
    bound: dict[str, _Binding] = dict.fromkeys(each.arg for each in named)
    bound.update(dict.fromkeys(each.arg for each in (parameters.vararg, parameters.kwarg) if each is not None))
    annotated = {each.arg: each.annotation for each in named if each.annotation is not None}
    if not isinstance(node, ast.Lambda):
        _bind(node.body, bound, annotated)
    return Scope(bound, annotated, outer)


def module_scope(tree: ast.Module) -> Scope:
    """Return the scope of a module that is only read, never imported."""
    bound: dict[str, _Binding] = {}
    annotated: dict[str, ast.expr] = {}
    _bind(tree.body, bound, annotated)
    return Scope(bound, annotated, World())


def closure_of(function: FunctionType) -> dict[str, Any]:
    """Return what the free names of `function` are bound to by now."""
    bound = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            bound[name] = cell.cell_contents
        except ValueError:  # not bound yet
            continue
    return bound


def is_set(meaning: Meaning) -> bool:
    """Say whether `meaning` is some set."""
    return isinstance(meaning, Instance) and issubclass(meaning.of, set | frozenset)


# --- From an expression to what it names -------------------------------------------------------------------------


def _attribute(base: Meaning, name: str) -> Meaning:
    match base:
        case Thing(object=module) if issubclass(type(module), ModuleType):
            # Not getattr: modules may define __getattr__, and asking would import, or warn.
            if name in vars(module):
                return Thing(vars(module)[name])
            dotted = f"{module.__name__}.{name}"
            return Thing(sys.modules[dotted]) if dotted in sys.modules else Dotted(dotted)
        case Thing(object=kind) if issubclass(type(kind), type):
            return Member(kind, name)
        case Instance(of=kind):
            return Member(kind, name)
        case Dotted(name=dotted):
            return Dotted(f"{dotted}.{name}")
        case _:
            return None


def _called(function: Meaning) -> Meaning:
    match function:
        case Thing(object=kind) if issubclass(type(kind), type):
            return Instance(kind)
        case Dotted():  # a class, as far as anybody can tell; a function's result has no forbidden attributes
            return function
        case Member(owner=owner, name=name) if issubclass(owner, set | frozenset) and name in _SET_METHODS:
            return Instance(owner)
        case _:
            return None


_SET_METHODS: Final = frozenset({"copy", "difference", "intersection", "symmetric_difference", "union"})


def _instance_only(meaning: Meaning) -> Meaning:
    return meaning if isinstance(meaning, Instance | Dotted) else None


# --- What a body binds -------------------------------------------------------------------------------------------


def _bind(body: list[ast.stmt], bound: dict[str, _Binding], annotated: dict[str, ast.expr]) -> None:
    """Note every name that `body` binds in its own scope, and what is known of it."""
    elsewhere: set[str] = set()
    for node in _own(body):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    _note(bound, alias.asname or alias.name.partition(".")[0], _imported(alias))
            case ast.ImportFrom(module=module, names=names, level=level):
                for alias in names:
                    dotted = Dotted(f"{module}.{alias.name}") if module and not level else None
                    _note(bound, alias.asname or alias.name, dotted)
            case ast.FunctionDef() | ast.AsyncFunctionDef() as function:
                _note(bound, function.name, Definition(function))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                _note(bound, name, value)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                annotated[name] = annotation
                _note(bound, name, value)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                elsewhere.update(names)
            case ast.ClassDef(name=str(name)) | ast.ExceptHandler(name=str(name)):
                _note(bound, name, None)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                _note(bound, name, None)
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                _note(bound, name, None)
            case _:
                pass
    for name in elsewhere:
        bound.pop(name, None)


def _note(bound: dict[str, _Binding], name: str, binding: _Binding) -> None:
    bound[name] = binding if bound.get(name, binding) == binding else None  # bound to two things: who knows which


def _imported(alias: ast.alias) -> Dotted:
    return Dotted(alias.name if alias.asname else alias.name.partition(".")[0])


def _own(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Yield the nodes of `body` that belong to its own scope and may bind a name."""
    pending: list[ast.AST] = list(reversed(body))
    while pending:
        node = pending.pop()
        yield node
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
                continue
            case ast.Assign(targets=[ast.Name()], value=value):
                pending.append(value)  # the target was seen with its value
            case ast.AnnAssign(target=ast.Name(), value=value):
                pending += [value] if value is not None else []
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                # Its targets are its own; a walrus inside it is not.
                pending += [inner for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr)]
            case _:
                pending += reversed(list(ast.iter_child_nodes(node)))


def _stored(target: ast.expr) -> Iterator[str]:
    return (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
