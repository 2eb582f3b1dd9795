"""Routes of the catalogue: which workflows there are, and what they take.

Owns: these paths.
Must not know: runs.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from holdfast.controller import catalogue
from holdfast.controller.documents import Workflow, WorkflowList
from holdfast.controller.http.access import About, ScopedRoute, requires
from holdfast.controller.http.openapi import describes
from holdfast.controller.http.parts import ThePrincipal, TheService, json_response
from holdfast.controller.keys import Scope

router = APIRouter(route_class=ScopedRoute, tags=["workflows"])


@router.get("/v1/workflows", responses=describes(WorkflowList))
@requires(Scope.READ, About.SELECTION)
async def list_workflows(service: TheService, principal: ThePrincipal) -> Response:
    """List the workflows this controller knows."""
    found = catalogue.list_workflows(service.registry).workflows
    return json_response(WorkflowList(workflows=[each for each in found if principal.may_see(each.name)]))


@router.get("/v1/workflows/{name}", responses=describes(Workflow))
@requires(Scope.READ, About.WORKFLOW)
async def read_workflow(service: TheService, name: str) -> Response:
    """Read a workflow with the JSON Schemas of its input, output, signals, queries and updates."""
    return json_response(catalogue.describe_workflow(service.registry, name))
