"""The workflows and tasks that a process knows, by name.

Owns: finding definitions in modules, and that no name means two things.
Must not know: decorators' internals, who runs what.

Nothing registers itself: importing a module changes nothing until a registry is told to look into it.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final, TypeAlias

from holdfast.authoring.places import module_name
from holdfast.authoring.task import TaskDefinition, plain_name, plain_task
from holdfast.authoring.workflow import TASK_WORKFLOW_PREFIX, WorkflowDefinition, find_definition, task_workflow
from holdfast.errors import DefinitionError, DuplicateNameError, UnknownNameError

Module: TypeAlias = ModuleType | str | Path
"""A module, its dotted name, or the path of its file."""

KNOWN_MAX: Final = 50
"""How many names an error lists."""

_SKIPPED: Final = ("__main__", "conftest", "setup", "tests")
"""Modules of a package that are run, not imported."""


class Registry:
    """Workflows and tasks by name.

    ```python
    registry = Registry.from_modules("automations", "jobs/nightly.py")
    registry.workflow("ReviewBatch")
    ```
    """

    def __init__(self, *definitions: Any) -> None:
        """Know some workflows, tasks and plain functions.

        Raises:
            DuplicateNameError: two of them share a name.
            DefinitionError: one is none of these.
        """
        self._workflows: dict[str, WorkflowDefinition[Any, Any]] = {}
        self._tasks: dict[str, TaskDefinition[Any, Any]] = {}
        self._functions: dict[str, FunctionType] = {}
        self.workflows: Mapping[str, WorkflowDefinition[Any, Any]] = _Workflows(self)
        """Workflows by name; `task:NAME` is the workflow of one step that a submitted task is."""
        self.tasks: Mapping[str, TaskDefinition[Any, Any]] = _Tasks(self)
        """Tasks by name; `module:function` is a plain function of a module that was registered."""
        for each in definitions:
            self.add(each)

    @classmethod
    def from_modules(cls, *modules: Module, plain_functions: bool = True) -> Registry:
        """Return what is defined in some modules, and in the modules of packages among them.

        Args:
            modules: modules, their dotted names, or paths of `.py` files.
            plain_functions: whether the modules' own public functions may be submitted as `module:function` too.

        Raises:
            DefinitionError: a module cannot be found or imported.
            DuplicateNameError: two definitions share a name.
        """
        registry = cls()
        for each in modules:
            registry.add_module(each, plain_functions=plain_functions)
        return registry

    def add(self, definition: Any) -> None:
        """Know a workflow, a task, or a plain function as a task.

        Raises:
            DuplicateNameError: its name means something else already.
            DefinitionError: it is none of these.
        """
        workflow = find_definition(definition)
        if workflow is not None:
            _put(self._workflows, workflow, "workflow")
        elif isinstance(definition, TaskDefinition) or inspect.isfunction(definition):
            self.add_task(definition)
        else:
            raise DefinitionError(
                f"{definition!r} is neither a workflow nor a task", remedy="Put @workflow or @task on it."
            )

    def add_task(self, definition: Any) -> None:
        """Know a task, or a plain function as one; a name is known already or it is not known here, so it stays a name.

        Raises:
            DuplicateNameError: its name means something else already.
            DefinitionError: it cannot be a task.
        """
        if isinstance(definition, str):
            self.task(definition)
            return
        if not isinstance(definition, TaskDefinition):
            name = plain_name(definition) if inspect.isfunction(definition) else None
            known = self._tasks.get(name) if name is not None else None
            if known is not None and known.fn is definition:
                return
        _put(self._tasks, plain_task(definition), "task")

    def add_module(self, module: Module, *, plain_functions: bool = True) -> None:
        """Know what a module defines or imports, and what the modules of a package do. See `from_modules`."""
        for each in _with_submodules(_load(module)):
            for value in list(vars(each).values()):
                if isinstance(value, TaskDefinition) or find_definition(value) is not None:
                    self.add(value)
                elif plain_functions and _is_plain(value, each):
                    self._functions[plain_name(value)] = value

    def workflow(self, name: str) -> WorkflowDefinition[Any, Any]:
        """Return a workflow by name; raises UnknownNameError."""
        found = self._workflows.get(name)
        if found is not None:
            return found
        task = self._task(name.removeprefix(TASK_WORKFLOW_PREFIX)) if name.startswith(TASK_WORKFLOW_PREFIX) else None
        if task is None:
            raise UnknownNameError("workflow", name, _some(self._workflows))
        found = self._workflows[name] = task_workflow(task)
        return found

    def task(self, name: str) -> TaskDefinition[Any, Any]:
        """Return a task by name; raises UnknownNameError."""
        found = self._task(name)
        if found is None:
            raise UnknownNameError("task", name, _some(self._tasks))
        return found

    def prepare(self) -> None:
        """Resolve every annotation and make every adapter now, rather than when the first run needs it.

        Raises:
            DefinitionError: the values of a workflow or task cannot travel.
        """
        for workflow in list(self._workflows.values()):
            workflow.prepare()
        for task in list(self._tasks.values()):
            task.signature.prepare()

    def __repr__(self) -> str:
        return f"<Registry: {len(self._workflows)} workflows, {len(self._tasks)} tasks>"

    def _task(self, name: str) -> TaskDefinition[Any, Any] | None:
        found = self._tasks.get(name)
        if found is None and name in self._functions:
            found = self._tasks[name] = plain_task(self._functions[name])
        return found

    def task_names(self) -> Iterator[str]:
        """Yield the names of all tasks, and of the plain functions that can be one."""
        yield from self._tasks
        yield from (name for name in self._functions if name not in self._tasks)

    def workflow_names(self) -> Iterator[str]:
        """Yield the names of all workflows, the one-step workflow of every task included."""
        yield from (name for name in self._workflows if not name.startswith(TASK_WORKFLOW_PREFIX))
        yield from (TASK_WORKFLOW_PREFIX + name for name in self.task_names())


class _Workflows(Mapping[str, WorkflowDefinition[Any, Any]]):
    """All workflows, those of one step made when they are looked at."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __getitem__(self, name: str) -> WorkflowDefinition[Any, Any]:
        try:
            return self._registry.workflow(name)
        except UnknownNameError as error:
            raise KeyError(name) from error

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._registry.workflow_names()))

    def __len__(self) -> int:
        return sum(1 for _ in self._registry.workflow_names())


class _Tasks(Mapping[str, TaskDefinition[Any, Any]]):
    """All tasks, plain functions made into tasks when they are looked at."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __getitem__(self, name: str) -> TaskDefinition[Any, Any]:
        try:
            return self._registry.task(name)
        except UnknownNameError as error:
            raise KeyError(name) from error

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._registry.task_names()))

    def __len__(self) -> int:
        return sum(1 for _ in self._registry.task_names())


def _put(known: dict[str, Any], definition: Any, kind: str) -> None:
    first = known.setdefault(definition.name, definition)
    if first is definition or _is_same(first, definition):
        return
    raise DuplicateNameError(
        f"two {kind}s are called {definition.name!r}",
        f"{first.where}; {definition.where}",
        f'Give one another name: @{kind}(name="..."). It is how runs under way find their code.',
    )


def _is_same(first: Any, second: Any) -> bool:
    # One file imported under two names, such as a script and the module it also is, makes every definition twice.
    return bool(first.where == second.where and first.qualname == second.qualname and first.module == second.module)


def _is_plain(value: Any, module: ModuleType) -> bool:
    return (
        isinstance(value, FunctionType)
        and value.__module__ == module.__name__
        and not value.__name__.startswith("_")
        and "<" not in value.__qualname__
        and not inspect.isgeneratorfunction(value)
        and not inspect.isasyncgenfunction(value)
    )


def _some(names: Iterable[str]) -> tuple[str, ...]:
    known = sorted(names)
    return (*known[:KNOWN_MAX], f"and {len(known) - KNOWN_MAX:,} more") if len(known) > KNOWN_MAX else tuple(known)


# --- Modules -----------------------------------------------------------------------------------------------------


def _load(module: Module) -> ModuleType:
    if isinstance(module, ModuleType):
        return module
    text = str(module)
    if isinstance(module, Path) or text.endswith(".py"):
        return _load_file(Path(text))
    if text != "__main__" and text == module_name("__main__") and "__main__" in sys.modules:
        return sys.modules["__main__"]  # a second copy would make every definition twice
    return _import(text)


def _load_file(path: Path) -> ModuleType:
    file = path.resolve()
    for each in list(sys.modules.values()):
        loaded = getattr(each, "__file__", None)
        if loaded is not None and Path(loaded).resolve() == file:
            return each
    if not file.is_file():
        raise DefinitionError(
            f"there is no file {str(path)!r}", remedy="Give the path of a .py file, or a module's name."
        )
    name = file.stem
    if name in sys.modules:
        raise DefinitionError(
            f"{str(path)!r} would be the module {name!r}, and another one is called that already",
            str(getattr(sys.modules[name], "__file__", "")),
            "Rename the file, or give the module's dotted name.",
        )
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise DefinitionError(f"{str(path)!r} is no Python file")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[name]
        raise
    return loaded


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name != missing and not name.startswith(f"{missing}."):
            raise  # the module is there; something it imports is not
        raise DefinitionError(
            f"there is no module {name!r}",
            remedy=f"Looked in: {', '.join(each or '.' for each in sys.path)}\n"
            "Run this where the module is, install it, or give the path of its file: automations/reviews.py",
        ) from None
    except (TypeError, ValueError) as error:  # "", "..", ".relative"
        raise DefinitionError(f"{name!r} is no module name: {error}") from None


def _with_submodules(module: ModuleType) -> Iterator[ModuleType]:
    yield module
    for each in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if each.name not in _SKIPPED and not each.name.startswith("test_"):
            yield from _with_submodules(_import(f"{module.__name__}.{each.name}"))
