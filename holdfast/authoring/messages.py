"""Messages to a running workflow: its signal, query and update handlers.

Owns: `@signal`, `@query`, `@update` with their validators, and handlers as values.
Must not know: workflows' definitions, engines, how a message arrives.

A handler is a descriptor: on an instance it is the bound method, on the class it is the handler itself, which knows
its name and how its arguments travel - `handle.signal(ReviewBatch.approve, by="ops")`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from holdfast.authoring.codec import Schema
from holdfast.authoring.options import check_name
from holdfast.authoring.places import place_of
from holdfast.authoring.signature import CallSignature
from holdfast.errors import DefinitionError

P = ParamSpec("P")
R = TypeVar("R")
"""What calling the method returns: a coroutine where it is async."""
V = TypeVar("V", bound=Callable[..., None])


class MessageHandler(Generic[P, R]):
    """A method of a workflow that answers messages of one name. See `holdfast.ports.program.Handler`."""

    kind = "message"

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        """Define a handler; use `@signal`, `@query` or `@update`."""
        if isinstance(function, staticmethod | classmethod) or not inspect.isroutine(function):
            raise DefinitionError(
                f"@{self.kind} was put on {function!r}, which is no method",
                remedy=f"@{self.kind}\ndef name(self, ...): ...",
            )
        self.where = place_of(inspect.unwrap(function))
        self.name = check_name(self.kind, name or function.__name__, self.where)
        self.fn = function
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise DefinitionError(f"{self.kind} {self.name!r} is a generator", self.where, "Return a value.")
        self.signature = CallSignature(function, skip_self=True, name=f"{self.kind} {self.name}")
        self.__wrapped__ = function
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Callable[P, R]: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> Any:
        """Return the handler itself from the class, the bound method from an instance."""
        return self if instance is None else MethodType(self.fn, instance)

    def call(self, instance: Any, payload: bytes) -> Any:
        """Call the handler with a payload (JSON text); return its result, or a coroutine of it.

        Raises:
            InputError: the payload does not fit the handler's signature.
        """
        args, kwargs = self.signature.decode_call(payload)
        return self.fn(instance, *args, **kwargs)

    def validate(self, instance: Any, payload: bytes) -> None:  # noqa: ARG002 - only updates have validators
        """Raise InputError when the payload does not fit."""
        self.signature.decode_call(payload)

    def encode_result(self, value: Any) -> bytes:
        """Return what the handler returned as JSON text; raises EncodeError."""
        return self.signature.encode_result(value)

    def input_schema(self) -> Schema:
        """Return the JSON Schema (draft 2020-12) of the message."""
        return self.signature.input_schema()

    def output_schema(self) -> Schema:
        """Return the JSON Schema (draft 2020-12) of the answer."""
        return self.signature.output_schema()

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name!r} ({self.where})>"


class Signal(MessageHandler[P, R]):
    """A handler of messages that get no answer; sync or async."""

    kind = "signal"


class Query(MessageHandler[P, R]):
    """A handler that only reads; sync."""

    kind = "query"

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        """Define a query; use `@query`."""
        super().__init__(function, name)
        if inspect.iscoroutinefunction(function):
            raise DefinitionError(
                f"query {self.name!r} is async, and a query cannot wait",
                self.where,
                "A query only reads what the run knows: make it `def`. For an answer that takes work, use @update.",
            )


class Update(MessageHandler[P, R]):
    """A handler of requests with an answer, which a validator may refuse; sync or async."""

    kind = "update"

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        """Define an update; use `@update`."""
        super().__init__(function, name)
        self.validator_fn: Callable[..., None] | None = None

    def validator(self, function: V) -> V:
        """Let a method refuse requests, by raising, before anything is recorded. It takes the update's arguments.

        Its own name does not matter: several validators of a class may all be called `_`.

        Raises:
            DefinitionError: there is a validator already, or it is async.
        """
        where = place_of(inspect.unwrap(function))
        if self.validator_fn is not None:
            raise DefinitionError(f"update {self.name!r} has a validator already", where)
        if inspect.iscoroutinefunction(function):
            raise DefinitionError(
                f"the validator of update {self.name!r} is async, and it cannot wait", where, "Make it `def`."
            )
        self.validator_fn = function
        # Written like a property's setter it has the update's own name, which has to stay the update.
        return cast("V", self) if function.__name__ == self.__name__ else function

    def validate(self, instance: Any, payload: bytes) -> None:
        """Raise InputError when the payload does not fit, and whatever the validator raises."""
        args, kwargs = self.signature.decode_call(payload)
        if self.validator_fn is not None:
            self.validator_fn(instance, *args, **kwargs)


@overload
def signal(method: Callable[Concatenate[Any, P], R], /) -> Signal[P, R]: ...
@overload
def signal(*, name: str | None = None) -> Callable[[Callable[Concatenate[Any, P], R]], Signal[P, R]]: ...
def signal(method: Any = None, /, *, name: str | None = None) -> Any:
    """Make a method of a workflow handle signals: messages that are delivered once, in order per sender.

    Args:
        method: a sync or async method.
        name: the signal's name, the method's own by default.

    Raises:
        DefinitionError: it is no method, or may not be called that.
    """
    return (lambda method: Signal(method, name)) if method is None else Signal(method, name)


@overload
def query(method: Callable[Concatenate[Any, P], R], /) -> Query[P, R]: ...
@overload
def query(*, name: str | None = None) -> Callable[[Callable[Concatenate[Any, P], R]], Query[P, R]]: ...
def query(method: Any = None, /, *, name: str | None = None) -> Any:
    """Make a method of a workflow answer queries: it reads, changes nothing and leaves nothing in history.

    Args:
        method: a sync method.
        name: the query's name, the method's own by default.

    Raises:
        DefinitionError: it is async, no method, or may not be called that.
    """
    return (lambda method: Query(method, name)) if method is None else Query(method, name)


@overload
def update(method: Callable[Concatenate[Any, P], R], /) -> Update[P, R]: ...
@overload
def update(*, name: str | None = None) -> Callable[[Callable[Concatenate[Any, P], R]], Update[P, R]]: ...
def update(method: Any = None, /, *, name: str | None = None) -> Any:
    """Make a method of a workflow answer updates: validated requests with a result, recorded in history.

    ```python
    @update
    async def add(self, document: str) -> int: ...
    @add.validator
    def _(self, document: str) -> None: ...
    ```

    Args:
        method: a sync or async method.
        name: the update's name, the method's own by default.

    Raises:
        DefinitionError: it is no method, or may not be called that.
    """
    return (lambda method: Update(method, name)) if method is None else Update(method, name)
