"""The determinism lint: reads workflow code when it is decorated, and names what a replay would answer differently.

Owns: which functions of a definition are read, and what becomes of findings.
Must not know: what is looked for (rules.py), what names stand for (bindings.py), what is forbidden (forbidden.py).

The lint sees calls that are written down: in the workflow, in functions nested in it, and in functions of the same
module that it calls directly. It never raises over odd source: what it cannot read, it leaves to the guard.
"""

from __future__ import annotations

import ast
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from holdfast.authoring.bindings import Scope, World, closure_of, module_scope
from holdfast.authoring.culprit import Origin, origin_of_module, place
from holdfast.authoring.recognition import is_holdfast
from holdfast.authoring.rules import Finding, Reader, decorators_of
from holdfast.authoring.source import plain_function, source_of_code, source_of_file
from holdfast.errors import DefinitionError, HoldfastWarning

__all__ = ["Finding", "lint_class", "lint_file", "lint_function", "lint_module", "raise_for"]


def lint_function(function: Callable[..., Any]) -> list[Finding]:
    """Return what is wrong with a workflow function or a handler; nothing when there is no source to read."""
    return _never_raising(_findings_in_function, function)


def lint_class(cls: type) -> list[Finding]:
    """Return what is wrong with the methods of a workflow class, inherited ones of the user's included."""
    return _never_raising(_findings_in_class, cls)


def lint_module(module: ModuleType | str | os.PathLike[str]) -> list[Finding]:
    """Return what is wrong with the workflows that a module defines, in the order they stand there.

    A path is only read: nothing is imported or run, so names are known by their imports alone.
    """
    return _never_raising(_findings_in_module, module)


def lint_file(file: str | os.PathLike[str]) -> list[Finding]:
    """Return what is wrong with the workflows in a file, which is only read.

    Raises:
        DefinitionError: the file cannot be read, or is no Python.
    """
    path = os.fspath(file)
    try:
        compile(Path(path).read_bytes(), path, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    except OSError as error:
        raise DefinitionError(f"{path} cannot be read: {error.strerror}") from None
    except SyntaxError as error:
        raise DefinitionError(f"{path} is no Python: {error.msg}", place(path, error.lineno or 1)) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise DefinitionError(f"{path} is no Python: {error}") from None
    return _never_raising(_findings_in_module, path)


def raise_for(findings: Iterable[Finding]) -> None:
    """Raise DefinitionError if there are errors among `findings`; warn (HoldfastWarning) of the rest."""
    found = list(findings)
    for each in found:
        if each.severity == "warning":
            text = f"{each.call}: {each.why}. Instead: {each.instead}"
            warnings.warn_explicit(text, HoldfastWarning, each.file, each.line)
    errors = [each for each in found if each.severity == "error"]
    if errors:
        raise DefinitionError(
            what="workflow code calls what a replay would answer differently:\n"
            + "\n".join(f"  {each}" for each in errors),
            remedy="A line that is right as it stands says so in a comment: # holdfast: allow REASON",
        )


def _never_raising(lint: Callable[[Any], list[Finding]], subject: Any) -> list[Finding]:
    # A definition that Python accepts must not fail because the lint stumbles over it: over a proxy object among the
    # globals, say, or over a file that changed after it was imported. Tests run the lint over the standard library
    # without this net.
    with suppress(Exception):
        return lint(subject)
    return []


# --- What is read ------------------------------------------------------------------------------------------------


def _findings_in_function(subject: object) -> list[Finding]:
    function = plain_function(subject)
    if function is None:
        return []
    source = source_of_code(function.__code__, function.__globals__)
    node = None if source is None else source.function(function.__code__)
    if source is None or node is None:
        return []
    reader = Reader(source, function.__globals__)
    reader.read_function(node, World(closure_of(function), function.__globals__))
    return reader.sorted_findings()


def _findings_in_class(cls: type) -> list[Finding]:
    package = cls.__module__.partition(".")[0]
    found: list[Finding] = []
    for base in cls.__mro__:
        file = str(getattr(sys.modules.get(base.__module__), "__file__", None) or "")
        its_package = base.__module__.partition(".")[0]
        if base is cls or its_package == package or origin_of_module(base.__module__, file) is Origin.USER:
            found += _findings_in_body(base)
    return found


def _findings_in_body(cls: type) -> list[Finding]:
    functions = [
        function
        for function in map(plain_function, vars(cls).values())
        if function is not None and function.__module__ == cls.__module__
    ]
    closure = {name: value for function in functions for name, value in closure_of(function).items()}
    for function in functions:
        source = source_of_code(function.__code__, function.__globals__)
        node = None if source is None else source.class_of(cls.__name__, function.__code__.co_firstlineno)
        if source is not None and node is not None:
            reader = Reader(source, function.__globals__)
            reader.read_class(node, World(closure, function.__globals__))
            return reader.sorted_findings()
    return []


def _findings_in_module(module: ModuleType | str | os.PathLike[str]) -> list[Finding]:
    if isinstance(module, ModuleType):
        source = source_of_file(str(module.__file__))
        scope: Scope | World = World(vars(module))
    else:
        source = source_of_file(os.fspath(module))
        scope = World() if source is None else module_scope(source.tree)
    if source is None:
        return []
    reader = Reader(source, vars(module) if isinstance(module, ModuleType) else None)
    for nodes in source.definitions.values():
        for node in nodes:
            if not any(is_holdfast(meaning, "workflow") for meaning in decorators_of(node, scope)):
                continue
            if isinstance(node, ast.ClassDef):
                reader.read_class(node, scope)
            else:
                reader.read_function(node, scope)
    return reader.sorted_findings()
