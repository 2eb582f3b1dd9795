"""The description of the API: complete, closed, and with the users' own schemas."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel

from holdfast.authoring import workflow
from holdfast.controller import documents
from holdfast.controller.gatherings import documents as gathering_documents
from holdfast.controller.http.access import Public
from holdfast.controller.schedules import documents as schedule_documents
from holdfast.controller.webhooks import documents as webhook_documents
from tests.unit.controller.rig import DEFINITIONS, Order, on_loop, serving

MODULES = (documents, gathering_documents, schedule_documents, webhook_documents)
KINDS = {name: kind for module in MODULES for name, kind in vars(module).items()}


class Leaf(BaseModel):
    """Another Leaf than the one below."""

    value: int


class Tree(BaseModel):
    """Refers to itself."""

    leaf: Leaf
    children: list[Tree] = []


@workflow
async def grow(tree: Tree, order: Order) -> Tree:
    """Grow a tree."""
    return tree


@workflow(name="odd name:β")
async def odd(leaf: Leaf) -> None:
    """Be called something that no component may be called."""


@dataclass
class Point:
    """A point."""

    x: int


@workflow
async def move(to: Point) -> dict[str, Point]:
    """Move."""
    return {"to": to}


def walk(node):
    """Yield every object in a document."""
    if isinstance(node, dict):
        yield node
        for each in node.values():
            yield from walk(each)
    elif isinstance(node, list):
        for each in node:
            yield from walk(each)


def resolve(document, reference):
    """Return what a reference leads to, or raise KeyError."""
    assert reference.startswith("#/"), reference
    for token in reference.removeprefix("#/").split("/"):
        document = document[token.replace("~1", "/").replace("~0", "~")]
    return document


async def described(api):
    """Return the description as it is served."""
    response = await api.http.get("/openapi.json")
    assert response.status_code == 200
    return response.json()


@on_loop
async def test_every_reference_leads_somewhere(tmp_path):
    """No reference is left dangling, also of models that refer to themselves or share a name."""
    async with serving(tmp_path, definitions=[*DEFINITIONS, grow, move]) as api:
        document = await described(api)
        references = [each["$ref"] for each in walk(document) if isinstance(each.get("$ref"), str)]
        assert len(references) > 50
        for each in references:
            resolve(document, each)
        assert not any("$defs" in each for each in walk(document))


@on_loop
async def test_each_workflow_has_a_path_with_its_own_schema(tmp_path):
    """A workflow's start is there under its own name, with the type of its input and its words."""
    async with serving(tmp_path, definitions=[*DEFINITIONS, grow, move]) as api:
        document = await described(api)
        start = document["paths"]["/v1/workflows/Review/runs"]["post"]
        assert start["operationId"] == "start_Review"
        assert start["description"] == "Wait for an approval."
        assert "name" not in {each["name"] for each in start["parameters"]}
        schema = start["requestBody"]["content"]["application/json"]["schema"]
        assert set(schema["properties"]) == {"order", "note"}
        order = schema["properties"]["order"]
        assert set(order["properties"]) == {"account", "lines"}
        line = resolve(document, order["properties"]["lines"]["items"]["$ref"])
        assert set(line["properties"]) == {"name", "count"}
        greeting = document["paths"]["/v1/workflows/greet/runs"]["post"]["requestBody"]
        assert greeting["content"]["application/json"]["schema"]["type"] == "string"
        assert not any("task:" in path for path in document["paths"])


@on_loop
async def test_every_route_is_described_with_its_scope_and_its_problems(tmp_path):
    """What needs a key says which scope, what can fail says how, and every operation has a name of its own."""
    async with serving(tmp_path) as api:
        document = await described(api)
        paths = document["paths"]
        for each in iter_route_contexts(api.app.routes):
            route = each.original_route
            if not route.include_in_schema:
                continue
            for method in each.methods:
                operation = paths[each.path_format][method.lower()]
                required = route.required
                assert operation["security"] == ([] if required is Public.YES else [{"key": [required.value]}])
                assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
        operations = [each["operationId"] for each in walk(paths) if "operationId" in each]
        assert len(operations) == len(set(operations))


NEEDS_SOMETHING = {"/v1/captures/{name}", "/v1/deliveries/{delivery}", "/v1/gatherings/{gathering}"}


@on_loop
async def test_answers_are_what_the_description_says(tmp_path):
    """Each answer decodes, without a field too many, as the document its route names."""
    async with serving(tmp_path) as api:
        paths = (await described(api))["paths"]
        await api.http.post("/v1/workflows/greet/runs?id=x", json="bob")
        await api.http.put("/v1/schedules/greet", json={"workflow": "greet", "every": "1h", "input": "bob"})
        for path in paths:
            operation = paths[path].get("get")
            concrete = path.replace("{run_id}", "x").replace("{name}", "greet")
            follows = any(each in path for each in ("/queries/", "/events", "/stream"))
            if operation is None or follows or path in NEEDS_SOMETHING:
                continue
            response = await api.http.get(concrete)
            content = operation["responses"][str(response.status_code)]["content"]["application/json"]
            kind = KINDS[content["schema"]["$ref"].rpartition("/")[2]]
            strict = msgspec.defstruct(
                "Strict", [], bases=(kind,), forbid_unknown_fields=True, frozen=True, kw_only=True
            )
            msgspec.json.decode(response.content, type=strict)


@on_loop
async def test_a_name_that_no_component_may_have_is_changed(tmp_path):
    """Components are called by the letters OpenAPI allows."""
    async with serving(tmp_path, definitions=[*DEFINITIONS, odd]) as api:
        document = await described(api)
        assert "start_odd_name__" in {each.get("operationId") for each in walk(document["paths"])}
        assert "/v1/workflows/odd%20name%3A%CE%B2/runs" in document["paths"]
        for name in document["components"]["schemas"]:
            assert re.fullmatch(r"[a-zA-Z0-9._-]+", name)
