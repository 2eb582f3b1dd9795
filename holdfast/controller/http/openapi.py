"""The OpenAPI description, with the users' own schemas.

Owns: what is said about the API: documents, problems, scopes, and one entry for each workflow's start.
Must not know: what routes do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from holdfast.authoring import Registry
from holdfast.controller import catalogue, documents
from holdfast.controller.documents import Document
from holdfast.controller.gatherings import documents as gathering_documents
from holdfast.controller.http.access import Public, ScopedRoute
from holdfast.controller.http.problems import MEDIA_TYPE, Problem
from holdfast.controller.keys import Scope
from holdfast.controller.schedules import documents as schedule_documents
from holdfast.controller.webhooks import documents as webhook_documents
from holdfast.errors import DefinitionError

START_PATH: Final = "/v1/workflows/{name}/runs"

_LOCAL: Final = "#/$defs/"
_SHARED: Final = "#/components/schemas/"
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9._-]")


def reference(document: type[Document]) -> dict[str, Any]:
    """Return the schema of a document, as a reference."""
    return {"$ref": _SHARED + document.__name__}


def describes(document: type[Document], status: int = 200, words: str = "") -> dict[int | str, dict[str, Any]]:
    """Return what a route says about an answer, for its `responses`."""
    description = words or (document.__doc__ or "").partition("\n")[0]
    return {status: {"description": description, "content": {"application/json": {"schema": reference(document)}}}}


def takes(schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    """Return what a route says about its body, for its `openapi_extra`."""
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}


def describe_api(app: FastAPI, registry: Registry) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of `app`, with a concrete path for each workflow of `registry`."""
    described = get_openapi(
        title="Holdfast",
        version="1",
        summary="Start durable runs, talk to them, read them, operate them.",
        routes=app.routes,
    )
    components: dict[str, Any] = described.setdefault("components", {})
    components["schemas"] = _schemas()
    components["responses"] = {
        "Problem": {
            "description": "Why the request was not served (RFC 9457).",
            "content": {MEDIA_TYPE: {"schema": {"$ref": _SHARED + "Problem"}}},
        }
    }
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": "An API key: hf_..."}}
    for operation, required in _operations(app, described):
        operation["responses"].pop("422", None)
        operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
        operation["security"] = [{"key": [required.value]}] if isinstance(required, Scope) else []
    _add_workflows(described, registry)
    return described


def _operations(app: FastAPI, described: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Scope | Public | None]]:
    for each in iter_route_contexts(app.routes):
        route = each.original_route
        operations = described["paths"].get(each.path_format, {})
        for method in each.methods or ():
            if isinstance(route, ScopedRoute) and method.lower() in operations:
                yield operations[method.lower()], route.required


def _schemas() -> dict[str, Any]:
    kinds = [
        each
        for module in (documents, gathering_documents, schedule_documents, webhook_documents)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Document) and each is not Document
    ]
    _, schemas = msgspec.json.schema_components([*dict.fromkeys(kinds), Problem], ref_template=_SHARED + "{name}")
    return schemas


def _add_workflows(described: dict[str, Any], registry: Registry) -> None:
    start = described["paths"][START_PATH]["post"]
    for name in sorted(registry.workflows):
        if name.startswith(catalogue.TASK_PREFIX) or "/" in name:
            continue  # every function of every module is a task: the catalogue has them. A slash fits into no path
        try:
            workflow = catalogue.describe_workflow(registry, name)
        except DefinitionError:
            continue  # it cannot be started either, and says why then
        prefix = _NOT_IN_NAMES.sub("_", name)
        schemas = described["components"]["schemas"]
        operation = {
            **start,
            "summary": f"Start {name}",
            "description": workflow.description,
            "operationId": f"start_{prefix}",
            "parameters": [each for each in start["parameters"] if each["name"] != "name"],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": _share(workflow.input, prefix, schemas)}},
            },
        }
        schemas[f"{prefix}.output"] = _share(workflow.output, prefix, schemas)
        described["paths"][START_PATH.replace("{name}", quote(name))] = {"post": operation}


def _share(schema: dict[str, Any], prefix: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return a schema whose own definitions were moved to `schemas`, under names that begin with `prefix`."""
    own: dict[str, Any] = schema.get("$defs", {})
    names = {each: f"{prefix}.{_NOT_IN_NAMES.sub('_', each)}" for each in own}
    for each, definition in own.items():
        schemas[names[each]] = _renamed(definition, names)
    rest = {key: value for key, value in schema.items() if key not in {"$defs", "$schema"}}
    renamed: dict[str, Any] = _renamed(rest, names)
    return renamed


def _renamed(node: Any, names: dict[str, str]) -> Any:
    match node:
        case dict():
            return {key: _renamed(value, names) for key, value in node.items()}
        case list():
            return [_renamed(each, names) for each in node]
        case str() if node.startswith(_LOCAL) and node.removeprefix(_LOCAL) in names:
            return _SHARED + names[node.removeprefix(_LOCAL)]
        case _:
            return node
