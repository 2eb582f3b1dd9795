"""What a caller may name: a definition, or only its name.

Owns: turning either into a name and payloads.
Must not know: who sends the payload, or where.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from holdfast.authoring.messages import MessageHandler
from holdfast.authoring.plain import PlainCodec
from holdfast.authoring.task import BoundTask, TaskDefinition, plain_task
from holdfast.authoring.workflow import TASK_WORKFLOW_PREFIX, definition_of, task_workflow
from holdfast.errors import DefinitionError


class Startable(NamedTuple):
    """What it takes to start a run."""

    name: str
    encode_call: Callable[[tuple[Any, ...], Mapping[str, Any]], bytes]
    decode_result: Callable[[bytes], Any]
    code_version: str
    pin: str = ""
    """The only code version that may have its runs; '' is any."""


def startable(subject: Any, *, as_task: bool = False) -> Startable:
    """Return how to start a workflow, or with `as_task` a task or plain function on its own.

    Args:
        subject: a definition, a decorated class, a plain function (as a task), or a registered name.
        as_task: whether a name or function means a task.

    Raises:
        DefinitionError: it is none of these.
    """
    if isinstance(subject, str):
        name = TASK_WORKFLOW_PREFIX + subject if as_task else subject
        return Startable(name, encode_untyped, msgspec.json.decode, "")
    if isinstance(subject, BoundTask):
        raise DefinitionError(
            f"task {subject.definition.name!r} was given with options for one call",
            remedy="Options belong to a call inside a workflow. Submit the task itself.",
        )
    if isinstance(subject, TaskDefinition):
        definition = task_workflow(subject)
    elif as_task and inspect.isfunction(subject):
        definition = task_workflow(plain_task(subject))
    else:
        definition = definition_of(subject)
    version = definition.code_version
    pin = version if definition.pinned else ""
    return Startable(definition.name, definition.encode_input, definition.decode_result, version, pin)


def encode_message(
    reference: MessageHandler[Any, Any] | str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[str, bytes]:
    """Return the name and payload of a message to a handler such as `ReviewBatch.approve`, or to one by name."""
    if isinstance(reference, str):
        return reference, encode_untyped(args, kwargs)
    if not isinstance(reference, MessageHandler):
        raise DefinitionError(
            f"{reference!r} is no signal, query or update",
            remedy="Give the handler, such as ReviewBatch.approve, or its name.",
        )
    return reference.name, reference.signature.encode_call(args, kwargs)


def encode_untyped(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
    """Return the payload of a call to something known by name only: nothing, one value, or named values.

    Raises:
        DefinitionError: several arguments by position: their names are not known here.
    """
    codec = PlainCodec("an argument")
    if kwargs and not args:
        return codec.encode(dict(kwargs))
    if not args:
        return b"null"
    if len(args) == 1 and not kwargs:
        return codec.encode(args[0])
    raise DefinitionError(
        "several arguments were given by position to something known by its name only",
        remedy="Name them, or give the definition instead of its name.",
    )
