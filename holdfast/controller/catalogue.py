"""The workflows a controller knows, as documents.

Owns: what is told about a workflow.
Must not know: HTTP, runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Literal, cast

from msgspec import UNSET

from holdfast.authoring import MessageHandler, Registry, WorkflowDefinition
from holdfast.controller.documents import Message, Workflow, WorkflowList, WorkflowSummary

TASK_PREFIX = "task:"
"""Begins the name of the workflow of one step that a submitted task is."""


def list_workflows(registry: Registry) -> WorkflowList:
    """Return every workflow, by name, without schemas."""
    return WorkflowList(workflows=[_summary(registry.workflow(name)) for name in sorted(registry.workflows)])


def describe_workflow(registry: Registry, name: str) -> Workflow:
    """Return a workflow with its schemas.

    Raises:
        UnknownNameError: there is none of this name.
        DefinitionError: its values cannot travel.
    """
    definition = registry.workflow(name)
    return Workflow(
        name=definition.name,
        kind=_kind(definition),
        description=_description(definition),
        where=definition.where,
        code_version=definition.code_version,
        input=definition.input_schema(),
        output=definition.output_schema(),
        signals=[_message(each, answers=False) for each in handlers_of(definition.signals)],
        queries=[_message(each, answers=True) for each in handlers_of(definition.queries)],
        updates=[_message(each, answers=True) for each in handlers_of(definition.updates)],
    )


def handlers_of(handlers: Mapping[str, Any]) -> list[MessageHandler[Any, Any]]:
    """Return a definition's handlers of one kind, by name."""
    return [cast("MessageHandler[Any, Any]", handlers[name]) for name in sorted(handlers)]


def _summary(definition: WorkflowDefinition[Any, Any]) -> WorkflowSummary:
    return WorkflowSummary(
        name=definition.name,
        kind=_kind(definition),
        description=_description(definition),
        signals=sorted(definition.signals),
        queries=sorted(definition.queries),
        updates=sorted(definition.updates),
    )


def _message(handler: MessageHandler[Any, Any], *, answers: bool) -> Message:
    return Message(
        name=handler.name,
        description=_description(handler),
        input=handler.input_schema(),
        output=handler.output_schema() if answers else UNSET,
    )


def _kind(definition: WorkflowDefinition[Any, Any]) -> Literal["workflow", "task"]:
    return "task" if definition.name.startswith(TASK_PREFIX) else "workflow"


def _description(definition: Any) -> str:
    return inspect.cleandoc(definition.__doc__ or "")
