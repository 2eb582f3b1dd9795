"""The tasks that a workflow's code can call, and the workflows it can start, by name.

Owns: where they are looked for.
Must not know: what is done with them.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from holdfast.authoring import BoundTask, Module, Registry, TaskDefinition, WorkflowDefinition, find_definition
from holdfast.errors import UnknownNameError


class KnownTasks:
    """Tasks by name: of the modules that were named, and of where the workflow is written."""

    def __init__(self, definition: WorkflowDefinition[Any, Any], modules: Iterable[Module]) -> None:
        """Look for tasks that the code of `definition` can see, and in `modules`.

        Raises:
            DefinitionError: a module cannot be found or imported.
            DuplicateNameError: two definitions of the modules share a name.
        """
        self._module = sys.modules.get(definition.subject.__module__)
        self._registry = Registry.from_modules(*modules)
        self._seen = {each.name: each for each in _seen_from(definition)}

    def task(self, name: str) -> TaskDefinition[Any, Any]:
        """Return a task by name; raises UnknownNameError."""
        found = self._seen.get(name)
        return self._registry.task(name) if found is None else found

    def find(self, name: str) -> TaskDefinition[Any, Any] | None:
        """Return a task by name, or None."""
        try:
            return self.task(name)
        except UnknownNameError:
            return None

    def find_workflow(self, name: str) -> WorkflowDefinition[Any, Any] | None:
        """Return a workflow by name: of the modules, or of where the replayed one is written; or None."""
        try:
            return self._registry.workflow(name)
        except UnknownNameError:
            beside = vars(self._module).values() if self._module is not None else ()
            found = (find_definition(each) for each in list(beside))
            return next((each for each in found if each is not None and each.name == name), None)


def _seen_from(definition: WorkflowDefinition[Any, Any]) -> Iterator[TaskDefinition[Any, Any]]:
    own = getattr(definition, "task", None)
    if isinstance(own, TaskDefinition):  # the workflow of one step that a submitted task is
        yield own
    module = sys.modules.get(definition.subject.__module__)
    functions = [each for each in _functions_of(definition.subject) if isinstance(each, FunctionType)]
    namespaces = {id(each.__globals__): each.__globals__ for each in functions}
    if module is not None:
        namespaces[id(vars(module))] = vars(module)
    for namespace in namespaces.values():
        for value in list(namespace.values()):
            yield from _tasks_in(value)
            if isinstance(value, ModuleType):  # import jobs; ... await jobs.charge(...)
                for inner in list(vars(value).values()):
                    yield from _tasks_in(inner)
    for function in functions:
        for cell in function.__closure__ or ():
            try:
                yield from _tasks_in(cell.cell_contents)
            except ValueError:  # not bound yet
                continue


def _functions_of(subject: Any) -> Iterator[Any]:
    if isinstance(subject, type):
        for base in subject.__mro__:
            for value in vars(base).values():
                yield inspect.unwrap(value) if inspect.isroutine(value) else getattr(value, "__wrapped__", value)
    else:
        yield inspect.unwrap(subject)


def _tasks_in(value: Any) -> Iterator[TaskDefinition[Any, Any]]:
    if isinstance(value, TaskDefinition):
        yield value
    elif isinstance(value, BoundTask):
        yield value.definition
