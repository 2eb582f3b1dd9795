"""Starting a run.

Owns: the form that a workflow's type makes, and what else a start may say.
Must not know: how inputs are validated, how runs are started.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from holdfast.controller import Scope, describe_workflow, list_workflows
from holdfast.controller.http import About, ThePrincipal, TheService, requires
from holdfast.dashboard.asking import Asked, answer, ask, ask_again
from holdfast.dashboard.doors import PageRoute
from holdfast.dashboard.forms import Form, TheForm
from holdfast.dashboard.pages import show
from holdfast.dashboard.words import segment
from holdfast.errors import InputError

router = APIRouter(route_class=PageRoute, include_in_schema=False)

WorkflowName = Annotated[str, Path(max_length=300)]


@router.get("/start")
@requires(Scope.START, About.SELECTION)
async def choose(request: Request, service: TheService, principal: ThePrincipal) -> Response:
    """Show what can be started."""
    known = [each for each in list_workflows(service.registry).workflows if principal.may_see(each.name)]
    return show(
        request,
        "start.html",
        workflows=[each for each in known if each.kind == "workflow"],
        tasks=[each for each in known if each.kind == "task"],
    )


@router.get("/start/{name}")
@requires(Scope.START, About.WORKFLOW)
async def read_form(request: Request, service: TheService, name: WorkflowName) -> Response:
    """Ask for the input of a workflow."""
    workflow = describe_workflow(service.registry, name)
    return _form(request, workflow, ask(workflow.input), Form([]))


@router.post("/start/{name}")
@requires(Scope.START, About.WORKFLOW)
async def start(
    request: Request, service: TheService, name: WorkflowName, principal: ThePrincipal, form: TheForm
) -> Response:
    """Start a run; or show the form again, with another line, or with what is wrong."""
    workflow = describe_workflow(service.registry, name)
    if form["press"] or form["to"]:
        return _form(request, workflow, ask_again(workflow.input, form), form)
    try:
        text = answer(workflow.input, form)
        run, _ = await service.starts.start(
            name,
            text,
            form["id"].strip() or None,
            key=form["operation"] or None,
            by=principal.actor,
            only=principal.workflows,
        )
    except InputError as error:
        return _form(request, workflow, ask_again(workflow.input, form, error), form, 422)
    return RedirectResponse(f"/runs/{segment(run.run_id)}", 303)


def _form(request: Request, workflow: Any, asked: Asked, form: Form, status: int = 200) -> Response:
    return show(request, "start_form.html", status, workflow=workflow, asked=asked, run_id=form["id"])
