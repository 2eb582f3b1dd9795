"""Telling a run something, and asking it.

Owns: the forms of signals, updates and queries, and showing what was answered.
Must not know: how messages are validated or delivered.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from holdfast.controller import Scope, describe_workflow
from holdfast.controller.http import About, RunId, ThePrincipal, TheService, requires
from holdfast.dashboard.asking import Asked, answer, ask, ask_again
from holdfast.dashboard.doors import PageRoute
from holdfast.dashboard.forms import TheForm
from holdfast.dashboard.pages import show
from holdfast.dashboard.words import pretty, segment
from holdfast.errors import InputError, QueryError, UnknownNameError, UpdateFailedError, UpdateRejectedError

ANSWER_SECONDS: Final = 10.0
"""How long a page waits for an answer."""

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Name = Annotated[str, Path(max_length=300)]


@router.get("/runs/{run_id}/signal/{name}")
@requires(Scope.SIGNAL, About.RUN)
async def ask_signal(request: Request, service: TheService, run_id: RunId, name: Name) -> Response:
    """Ask for what is to be signalled."""
    return await _ask(request, service, run_id, "signal", name)


@router.get("/runs/{run_id}/update/{name}")
@requires(Scope.SIGNAL, About.RUN)
async def ask_update(request: Request, service: TheService, run_id: RunId, name: Name) -> Response:
    """Ask for what is to be updated."""
    return await _ask(request, service, run_id, "update", name)


@router.get("/runs/{run_id}/query/{name}")
@requires(Scope.READ, About.RUN)
async def ask_query(request: Request, service: TheService, run_id: RunId, name: Name) -> Response:
    """Ask for what is to be queried."""
    return await _ask(request, service, run_id, "query", name)


@router.post("/runs/{run_id}/signal/{name}")
@requires(Scope.SIGNAL, About.RUN)
async def signal(
    request: Request, service: TheService, run_id: RunId, name: Name, principal: ThePrincipal, form: TheForm
) -> Response:
    """Send a signal."""
    return await _send(request, service, run_id, "signal", name, principal.actor, form)


@router.post("/runs/{run_id}/update/{name}")
@requires(Scope.SIGNAL, About.RUN)
async def update(
    request: Request, service: TheService, run_id: RunId, name: Name, principal: ThePrincipal, form: TheForm
) -> Response:
    """Send an update and show its answer."""
    return await _send(request, service, run_id, "update", name, principal.actor, form)


@router.post("/runs/{run_id}/query/{name}")
@requires(Scope.READ, About.RUN)
async def query(
    request: Request, service: TheService, run_id: RunId, name: Name, principal: ThePrincipal, form: TheForm
) -> Response:
    """Ask a query and show its answer."""
    return await _send(request, service, run_id, "query", name, principal.actor, form)


async def _handler(service: Any, run_id: str, kind: str, name: str) -> Any:
    workflow = describe_workflow(service.registry, await service.runs.workflow_of(run_id))
    handlers = {"signal": workflow.signals, "update": workflow.updates, "query": workflow.queries}[kind]
    found = next((each for each in handlers if each.name == name), None)
    if found is None:
        raise UnknownNameError(kind, name, tuple(each.name for each in handlers))
    return found


async def _ask(request: Request, service: Any, run_id: str, kind: str, name: str) -> Response:
    handler = await _handler(service, run_id, kind, name)
    return _form(request, run_id, kind, handler, ask(handler.input))


async def _send(request: Request, service: Any, run_id: str, kind: str, name: str, by: str, form: Any) -> Response:
    handler = await _handler(service, run_id, kind, name)
    if form["press"] or form["to"]:
        return _form(request, run_id, kind, handler, ask_again(handler.input, form))
    messages = service.messages
    try:
        text = answer(handler.input, form)
        match kind:
            case "signal":
                await messages.signal(run_id, name, text, form["operation"] or None, by)
                return RedirectResponse(f"/runs/{segment(run_id)}", 303)
            case "update":
                found = await messages.update(run_id, name, text, ANSWER_SECONDS, form["operation"] or None, by)
            case _:
                found = await messages.query(run_id, name, text, ANSWER_SECONDS)
    except InputError as error:
        return _form(request, run_id, kind, handler, ask_again(handler.input, form, error), 422)
    except (UpdateRejectedError, UpdateFailedError, QueryError) as error:
        return _form(request, run_id, kind, handler, ask_again(handler.input, form), 422, said=error.message())
    told = pretty(service.webhooks.redaction.body(msgspec.json.encode(found.result)))
    return _form(request, run_id, kind, handler, ask_again(handler.input, form), answered=told)


def _form(
    request: Request,
    run_id: str,
    kind: str,
    handler: Any,
    asked: Asked,
    status: int = 200,
    *,
    said: str = "",
    answered: str = "",
) -> Response:
    return show(
        request,
        "message.html",
        status,
        run_id=run_id,
        kind=kind,
        handler=handler,
        asked=asked,
        said=said,
        answered=answered,
    )
