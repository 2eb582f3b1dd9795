"""Workflows: code that decides what happens next, as engines and clients see it.

Owns: `@workflow`, the definition of a workflow, finding the definition of what a user holds.
Must not know: engines, histories, stores.

A class stays the class it was: its definition is an attribute, so that it can be subclassed, instantiated in a unit
test and named in `client.start(ReviewBatch, ...)`. A function becomes its definition.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Coroutine, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, Generic, NoReturn, ParamSpec, Protocol, TypeVar, cast, overload

import msgspec

from holdfast.authoring.codec import Schema
from holdfast.authoring.json_schemas import SchemaCheck, SchemaSource, compile_schema
from holdfast.authoring.messages import MessageHandler, Query, Signal, Update
from holdfast.authoring.options import check_name
from holdfast.authoring.places import calling_place, module_name, place_of
from holdfast.authoring.schemas import document
from holdfast.authoring.signature import CallSignature
from holdfast.authoring.task import TaskDefinition
from holdfast.errors import DefinitionError, InputError, OutsideWorkflowError
from holdfast.ports.program import Handler
from holdfast.ports.runtime import current_runtime

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)

ATTRIBUTE: Final = "__holdfast_workflow__"
TASK_WORKFLOW_PREFIX: Final = "task:"
CODE_VERSION_CHARACTERS: Final = 16

_NO_HANDLERS: Final[Mapping[str, Any]] = MappingProxyType({})


class WorkflowDefinition(Generic[P, R]):
    """A workflow: a `holdfast.ports.program.Program`, and what clients need to start one."""

    signals: Mapping[str, Handler] = _NO_HANDLERS
    queries: Mapping[str, Handler] = _NO_HANDLERS
    updates: Mapping[str, Handler] = _NO_HANDLERS
    version = ""
    """The code version that was given by hand."""
    pinned = False
    """Its runs are for code of the version they began with alone."""
    schedules: tuple[Any, ...] = ()
    """When it is started by itself: the `ScheduleDefinition`s that stand above it."""
    _schema: SchemaSource | None = None
    _problems_of: SchemaCheck | None = None

    def __init__(self, subject: Any, run: Callable[..., Any], *, name: str, signature: CallSignature) -> None:
        """Define a workflow; use `@workflow`.

        Args:
            subject: what the user wrote: a class or a function.
            run: the coroutine function that is the run.
            name: the workflow's name in histories.
            signature: how its input and result travel.
        """
        self.name = name
        self.subject = subject
        self.fn = run
        self.signature = signature
        self.module = module_name(subject.__module__)
        self.qualname: str = subject.__qualname__
        self.where = place_of(inspect.unwrap(subject))
        self.__wrapped__ = subject
        self.__doc__ = subject.__doc__
        self.__name__: str = subject.__name__
        self.__qualname__ = subject.__qualname__
        self.__module__ = subject.__module__
        self.encode_input: Callable[[tuple[Any, ...], Mapping[str, Any]], bytes] = signature.encode_call
        self.encode_result = signature.encode_result
        self.decode_result = signature.decode_result

    def start(self, payload: bytes) -> tuple[Any, Coroutine[Any, Any, Any]]:
        """Return (None, the coroutine that is the run).

        Raises:
            InputError: the payload does not fit the workflow's signature.
        """
        args, kwargs = self.signature.decode_call(payload)
        return None, self.fn(*args, **kwargs)

    def __call__(self, *_: P.args, **__: P.kwargs) -> NoReturn:
        """Refuse: a workflow is started, not called.

        Raises:
            OutsideWorkflowError: always.
        """
        if current_runtime.get(None) is None:
            remedy = (
                f"Start it: await client.start({self.__name__}, ...), or holdfast.run({self.__name__}, ...)\n"
                f"In a unit test of its logic alone: await {self.__name__}.fn(...)"
            )
            raise OutsideWorkflowError(f"workflow {self.name!r} was called like a function", calling_place(), remedy)
        raise DefinitionError(
            f"workflow {self.name!r} was called like a function by another workflow",
            calling_place(),
            f"To make it part of this run: await {self.__name__}.fn(...)",
        )

    @cached_property
    def code_version(self) -> str:
        """Version that was given by hand; else a digest of the workflow's source, or of its bytecode."""
        return self.version or _digest_of(self.subject)

    def prepare(self) -> None:
        """Resolve all annotations and make all adapters now; raises DefinitionError."""
        self.signature.prepare()
        for each in (*self.signals.values(), *self.queries.values(), *self.updates.values()):
            cast("MessageHandler[Any, Any]", each).signature.prepare()

    def input_schema(self) -> Schema:
        """Return the JSON Schema (draft 2020-12) of the workflow's input: the one that was given, else its type's."""
        if isinstance(self._schema, Mapping):
            return document(dict(self._schema))
        return self.signature.input_schema()

    def hold_to(self, schema: SchemaSource) -> None:
        """Have inputs fit a JSON Schema besides their type. Raises DefinitionError."""
        self._schema, self._problems_of = schema, compile_schema(schema, f"input_schema of workflow {self.name!r}")
        self.encode_input = self._encode_input

    def check_input(self, payload: bytes) -> None:
        """Find that an input fits the JSON Schema that was given, if one was. Raises InputError."""
        if self._problems_of is not None:
            problems = self._problems_of(msgspec.json.decode(payload))
            if problems:
                raise InputError(f"the input of {self.name}", problems)

    def _encode_input(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        payload = self.signature.encode_call(args, kwargs)
        self.check_input(payload)
        return payload

    def output_schema(self) -> Schema:
        """Return the JSON Schema (draft 2020-12) of the workflow's result."""
        return self.signature.output_schema()

    def __repr__(self) -> str:
        return f"<workflow {self.name!r} ({self.where})>"


class ClassWorkflow(WorkflowDefinition[P, R]):
    """A workflow written as a class: one instance per execution, whose handlers share its state."""

    def __init__(
        self, cls: type, name: str, signature: CallSignature, handlers: list[MessageHandler[Any, Any]]
    ) -> None:
        """Define a workflow; use `@workflow`."""
        super().__init__(cls, cls.run, name=name, signature=signature)  # type: ignore[attr-defined]  # checked before
        self.signals = {each.name: each for each in handlers if isinstance(each, Signal)}
        self.queries = {each.name: each for each in handlers if isinstance(each, Query)}
        self.updates = {each.name: each for each in handlers if isinstance(each, Update)}

    def start(self, payload: bytes) -> tuple[Any, Coroutine[Any, Any, Any]]:
        """Return (a new instance, the coroutine that is its run). See `WorkflowDefinition.start`."""
        args, kwargs = self.signature.decode_call(payload)
        instance = self.subject()
        return instance, instance.run(*args, **kwargs)


class TaskWorkflow(WorkflowDefinition[P, R]):
    """The workflow of one step that makes a single task durable. Payloads pass through it as they are."""

    def __init__(self, task: TaskDefinition[P, R]) -> None:
        """Define the workflow `task:<name>`; use `task_workflow`."""
        super().__init__(task.fn, task.fn, name=TASK_WORKFLOW_PREFIX + task.name, signature=task.signature)
        self.task = task
        self.encode_result = _as_they_are

    def start(self, payload: bytes) -> tuple[Any, Coroutine[Any, Any, Any]]:
        """Return (None, the coroutine that issues the task). See `WorkflowDefinition.start`."""
        self.signature.decode_call(payload)  # refuse what does not fit before there is anything to run
        return None, self._run(bytes(payload))

    async def _run(self, payload: bytes) -> bytes:
        runtime = current_runtime.get()
        result: bytes = await runtime.issue_task(self.task.name, payload, self.task.task_options, None, bytes)
        return result


def _as_they_are(value: Any) -> bytes:
    return cast("bytes", value)


def task_workflow(definition: TaskDefinition[Any, Any]) -> WorkflowDefinition[Any, Any]:
    """Return the one-step workflow `task:<task name>`, as which a client submits a task."""
    return TaskWorkflow(definition)


class WorkflowDecorator(Protocol):
    """What `@workflow(...)` returns."""

    @overload
    def __call__(self, definition: C, /) -> C: ...
    @overload
    def __call__(self, definition: Callable[P, Coroutine[Any, Any, R]], /) -> WorkflowDefinition[P, R]: ...


@overload
def workflow(definition: C, /) -> C: ...
@overload
def workflow(definition: Callable[P, Coroutine[Any, Any, R]], /) -> WorkflowDefinition[P, R]: ...
@overload
def workflow(
    *,
    name: str | None = None,
    version: str | None = None,
    pinned: bool = False,
    input_schema: SchemaSource | None = None,
) -> WorkflowDecorator: ...
def workflow(
    definition: Any = None,
    /,
    *,
    name: str | None = None,
    version: str | None = None,
    pinned: bool = False,
    input_schema: SchemaSource | None = None,
) -> Any:
    """Make a class with `async def run(self, ...)`, or an async function, a workflow.

    ```python
    @workflow
    async def nightly(request: Request) -> Answer:
        return await summarize(request)
    ```

    Args:
        definition: the class or function.
        name: its name in histories, its own by default. Renaming it strands runs that are under way.
        version: names this version of the code; by default a digest of the workflow's own source. A run that has
            diverged goes on by itself when a process with another version joins.
        pinned: a run is for the version it began with alone: no process with another version goes on with it. Keep
            processes of the old version until their runs have ended.
        input_schema: a JSON Schema (draft 2020-12) that whoever starts a run has to fit, besides the type of `run`. It
            refers to nothing outside itself, and its patterns are matched in linear time.

    Raises:
        DefinitionError: it is neither, or its code calls what a replay would answer differently.
    """

    def define(definition: Any) -> Any:
        defined = _define(definition, name)
        known = definition_of(defined)
        known.version = "" if version is None else check_name("version", version, known.where)
        known.pinned = pinned
        if input_schema is not None:
            known.hold_to(input_schema)
        return defined

    return define if definition is None else define(definition)


def definition_of(subject: Any) -> WorkflowDefinition[Any, Any]:
    """Return the definition of a workflow: of a class, a function, or itself.

    Raises:
        DefinitionError: it is no workflow.
    """
    found = find_definition(subject)
    if found is not None:
        return found
    if isinstance(subject, type) and hasattr(subject, ATTRIBUTE):
        raise DefinitionError(
            f"{subject.__qualname__} inherits from a workflow but is none itself",
            place_of(subject),
            "Put @workflow on it.",
        )
    words = getattr(subject, "__qualname__", None) or repr(subject)
    raise DefinitionError(f"{words} is no workflow", remedy="Put @workflow on the class or the async function.")


def find_definition(subject: Any) -> WorkflowDefinition[Any, Any] | None:
    """Return the definition of a workflow, or None when `subject` is none."""
    if isinstance(subject, WorkflowDefinition):
        return subject
    found = vars(subject).get(ATTRIBUTE) if isinstance(subject, type) else None
    return found if isinstance(found, WorkflowDefinition) else None


def _define(subject: Any, name: str | None) -> Any:
    if isinstance(subject, type):
        definition = _define_class(subject, name)
        setattr(subject, ATTRIBUTE, definition)
        return subject
    return _define_function(subject, name)


def _define_function(function: Any, name: str | None) -> WorkflowDefinition[Any, Any]:
    from holdfast.authoring.lint import lint_function, raise_for

    if isinstance(function, WorkflowDefinition):
        raise DefinitionError(f"{function.name!r} is a workflow already", function.where, "Use @workflow once.")
    if isinstance(function, TaskDefinition):
        raise DefinitionError(
            f"{function.name!r} is a task and cannot be a workflow too",
            function.where,
            "A workflow decides, a task does. To run the task alone: app.submit(...).",
        )
    if not inspect.isroutine(function):
        raise DefinitionError(f"@workflow was put on {function!r}, which is neither a class nor a function")
    where = place_of(inspect.unwrap(function))
    if not inspect.iscoroutinefunction(function):
        raise DefinitionError(f"workflow {function.__name__!r} is a sync function", where, _two_lines(function))
    own = check_name("workflow", name or function.__name__, where)
    raise_for(lint_function(function))
    return WorkflowDefinition(function, function, name=own, signature=CallSignature(function, name=own))


def _define_class(cls: type, name: str | None) -> WorkflowDefinition[Any, Any]:
    from holdfast.authoring.lint import lint_class, raise_for

    where = place_of(cls)
    own = check_name("workflow", name or cls.__name__, where)
    run = inspect.getattr_static(cls, "run", None)
    if not inspect.iscoroutinefunction(run):
        what = "has no run method" if run is None else "has a run that is no `async def run(self, ...)`"
        raise DefinitionError(
            f"workflow {own!r} {what}", where, "Give it one: async def run(self, request: Request) -> Answer"
        )
    try:
        inspect.signature(cls).bind()
    except TypeError:
        raise DefinitionError(
            f"workflow {own!r}: __init__ takes more than self",
            where,
            "Input goes to run(self, ...); __init__ only sets up state.",
        ) from None
    except ValueError:
        pass  # no signature to be read: a C base class
    handlers = _handlers_of(cls, own)
    signature = CallSignature(cast("Callable[..., Any]", run), skip_self=True, name=own, namespace=_types_in(cls))
    raise_for(lint_class(cls))
    return ClassWorkflow(cls, own, signature, handlers)


def _handlers_of(cls: type, name: str) -> list[MessageHandler[Any, Any]]:
    found: dict[str, MessageHandler[Any, Any]] = {}
    for base in reversed(cls.__mro__):
        for attribute, value in vars(base).items():
            if isinstance(value, MessageHandler):
                found[attribute] = value
            elif attribute in found:
                kind = found[attribute].kind
                raise DefinitionError(
                    f"{base.__qualname__}.{attribute} overrides a {kind} of workflow {name!r} without being one",
                    place_of(value) if inspect.isroutine(value) else place_of(base),
                    f"Put @{kind} on it.",
                )
    taken: dict[tuple[str, str], MessageHandler[Any, Any]] = {}
    for each in found.values():
        first = taken.setdefault((each.kind, each.name), each)
        if first is not each:
            raise DefinitionError(
                f"workflow {name!r} has two {each.kind} handlers called {each.name!r}",
                each.where,
                f"The other one: {first.where}",
            )
    return list(found.values())


def _types_in(cls: type) -> dict[str, Any]:
    return {
        key: value for base in reversed(cls.__mro__) for key, value in vars(base).items() if isinstance(value, type)
    }


def _two_lines(function: Any) -> str:
    name = function.__name__
    return (
        "Workflow code decides and waits, so it is async; work is done by tasks. The change is two lines:\n"
        f"  - def {name}(...):\n"
        f"  + async def {name}(...):\n"
        "  -     result = work(...)\n"
        "  +     result = await work(...)      # with @task on work\n"
        f"Or is {name} itself the work? Then put @task on it."
    )


def _digest_of(subject: Any) -> str:
    try:
        text = inspect.getsource(subject).encode()
    except (OSError, TypeError, SyntaxError, IndentationError):
        functions = [subject] if not isinstance(subject, type) else [*vars(subject).values()]
        text = b"".join(each.__code__.co_code for each in functions if hasattr(each, "__code__"))
    return hashlib.blake2b(text).hexdigest()[:CODE_VERSION_CHARACTERS]
