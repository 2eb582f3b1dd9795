"""The workflows, tasks and webhooks that a process knows, by name.

Owns: finding definitions in modules, and that no name means two things.
Must not know: decorators' internals, who runs what.

Nothing registers itself: importing a module changes nothing until a registry is told to look into it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from holdfast.authoring.modules import Module, load_module, with_submodules
from holdfast.authoring.task import TaskDefinition, plain_name, plain_task
from holdfast.authoring.webhooks import Webhook, webhooks_of
from holdfast.authoring.workflow import TASK_WORKFLOW_PREFIX, WorkflowDefinition, find_definition, task_workflow
from holdfast.errors import DefinitionError, DuplicateNameError, UnknownNameError

if TYPE_CHECKING:
    from holdfast.authoring.schedules.definition import ScheduleDefinition

KNOWN_MAX: Final = 50
"""How many names an error lists."""


class Registry:
    """Workflows and tasks by name.

    ```python
    registry = Registry.from_modules("automations", "jobs/nightly.py")
    registry.workflow("ReviewBatch")
    ```
    """

    def __init__(self, *definitions: Any) -> None:
        """Know some workflows, tasks, webhooks and plain functions.

        Raises:
            DuplicateNameError: two of them share a name.
            DefinitionError: one is none of these.
        """
        self._workflows: dict[str, WorkflowDefinition[Any, Any]] = {}
        self._tasks: dict[str, TaskDefinition[Any, Any]] = {}
        self._functions: dict[str, FunctionType] = {}
        self._webhooks: dict[str, list[Webhook]] = {}
        self.workflows: Mapping[str, WorkflowDefinition[Any, Any]] = _Workflows(self)
        """Workflows by name; `task:NAME` is the workflow of one step that a submitted task is."""
        self.tasks: Mapping[str, TaskDefinition[Any, Any]] = _Tasks(self)
        """Tasks by name; `module:function` is a plain function of a module that was registered."""
        self.webhooks: Mapping[str, Sequence[Webhook]] = self._webhooks
        """What is declared for each webhook, in its order."""
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
        """Know a workflow with the webhooks that start it, a task, a webhook, or a plain function as a task.

        Raises:
            DuplicateNameError: its name means something else already.
            DefinitionError: it is none of these.
        """
        workflow = find_definition(definition)
        webhooks = webhooks_of(definition)
        for each in webhooks:
            self._put_webhook(each)
        if workflow is not None:
            _put(self._workflows, workflow, "workflow")
        elif webhooks:
            pass
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
        for each in with_submodules(load_module(module)):
            for value in list(vars(each).values()):
                if isinstance(value, TaskDefinition | Webhook) or find_definition(value) is not None:
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

    def _put_webhook(self, declared: Webhook) -> None:
        known = self._webhooks.setdefault(declared.name, [])
        # One file imported under two names makes every declaration twice.
        if not any(each is declared or _what_it_is(each) == _what_it_is(declared) for each in known):
            known.append(declared)

    @property
    def schedules(self) -> Mapping[str, ScheduleDefinition]:
        """The schedules that stand above workflows and tasks, by name; raises DuplicateNameError."""
        found: dict[str, ScheduleDefinition] = {}
        definitions: list[Any] = [*self._workflows.values(), *self._tasks.values()]
        for definition in definitions:
            for each in definition.schedules:
                first = found.setdefault(each.name, each)
                if first is not each and (first.where, first.module) != (each.where, each.module):
                    raise DuplicateNameError(
                        f"two schedules are called {each.name!r}",
                        f"{first.where}; {each.where}",
                        "Give one another name: it begins the ids of the runs.",
                    )
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


def _what_it_is(declared: Webhook) -> tuple[Any, ...]:
    return declared.where, declared.on, declared.id, declared.start, declared.verify


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
