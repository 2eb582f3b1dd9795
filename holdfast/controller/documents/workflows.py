"""Workflows, as the API shows them.

Owns: the catalogue.
Must not know: how schemas are made.
"""

from __future__ import annotations

from typing import Any, Literal

from holdfast.controller.documents.base import Document
from holdfast.controller.documents.messages import Message


class WorkflowSummary(Document, frozen=True):
    """A workflow, as the list of all shows it."""

    name: str
    kind: Literal["workflow", "task"]
    """`task` is the workflow of one step that a submitted task is."""
    description: str
    signals: list[str]
    queries: list[str]
    updates: list[str]


class WorkflowList(Document, frozen=True):
    """All workflows this controller knows, by name."""

    workflows: list[WorkflowSummary]


class Workflow(Document, frozen=True):
    """A workflow with the JSON Schemas (draft 2020-12) of everything that goes in and comes out."""

    name: str
    kind: Literal["workflow", "task"]
    description: str
    where: str
    """Place of its definition."""
    code_version: str
    input: dict[str, Any]
    output: dict[str, Any]
    signals: list[Message]
    queries: list[Message]
    updates: list[Message]
