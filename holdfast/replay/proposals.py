"""What may let a run go on that failed or is parked, by rules.

Owns: the rules.
Must not know: whether a proposal is right, which replays find out.

Only what stands in the input is used, and of results only the one that says nothing. Nothing is made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from holdfast.authoring import TaskDefinition, WorkflowDefinition
from holdfast.history import History
from holdfast.ports.operations import DriftChange
from holdfast.replay.repairing import Change

DEPTH_MAX: Final = 8
"""How deep in an input is looked."""
CODE: Final = Change("code")


def propose_changes(
    history: History, workflow: WorkflowDefinition[Any, Any], task: TaskDefinition[Any, Any] | None
) -> list[Change]:
    """Return changes that may let a run go on, the likeliest first.

    Args:
        history: the run.
        workflow: today's code of its workflow.
        task: today's code of the task that failed; None where the run's own code did, or where it is not known.
    """
    from holdfast.http import propose_mappings

    found = [CODE]
    payload = history.started.input
    if isinstance(payload, bytes):
        try:
            value = msgspec.json.decode(payload)
        except msgspec.DecodeError:
            value = None
        changes = tuple(differences_from(workflow.input_schema(), value)) if value is not None else ()
        found += [Change("input", steps) for steps in propose_mappings(changes, value)]
    if task is not None and _may_be_null(task.output_schema()):
        found.append(Change("result", result=msgspec.Raw(b"null")))
    return found


def differences_from(schema: dict[str, Any], value: Any) -> Iterator[DriftChange]:
    """Yield in what a JSON value differs from what a JSON Schema says of it: fields, types and known texts."""
    definitions = schema.get("$defs", {})

    def look(node: Any, value: Any, path: str, depth: int) -> Iterator[DriftChange]:
        node = _resolved(node, definitions)
        if depth > DEPTH_MAX or not isinstance(node, dict):
            return
        known = node.get("enum")
        if isinstance(known, list) and isinstance(value, str) and value not in known:
            yield DriftChange(path, " or ".join(repr(each) for each in known), repr(value))
        wanted = node.get("type")
        if wanted == "object" and isinstance(value, dict):
            properties = node.get("properties", {})
            for name in node.get("required", ()):
                if name not in value:
                    yield DriftChange(f"{path}.{name}".lstrip("."), "a value", "nothing")
            for name, inner in properties.items():
                if name in value:
                    yield from look(inner, value[name], f"{path}.{name}".lstrip("."), depth + 1)
        elif wanted == "array" and isinstance(value, list):
            for each in value[:1]:
                yield from look(node.get("items"), each, f"{path}[]", depth + 1)
        elif wanted in ("integer", "number") and isinstance(value, str | dict):
            yield DriftChange(path, f"a valid {wanted}", "text" if isinstance(value, str) else "an object")
        elif wanted == "string" and isinstance(value, int | float | dict) and not isinstance(value, bool):
            yield DriftChange(path, "a valid string", "an object" if isinstance(value, dict) else "a number")

    yield from look(schema, value, "", 0)


def _resolved(node: Any, definitions: dict[str, Any]) -> Any:
    for _ in range(DEPTH_MAX):
        reference = node.get("$ref") if isinstance(node, dict) else None
        if not isinstance(reference, str):
            break
        node = definitions.get(reference.rpartition("/")[2])
    return node


def _may_be_null(schema: dict[str, Any]) -> bool:
    choices = schema.get("anyOf", ())
    return schema.get("type") == "null" or any(each.get("type") == "null" for each in choices)
