"""Routes of what language models cost.

Owns: these paths.
Must not know: models, runs.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from holdfast.authoring import CallSignature
from holdfast.controller.documents import BudgetList, Grant, Granted, ModelUsedList
from holdfast.controller.documents.spending import Group
from holdfast.controller.http.access import ScopedRoute, requires
from holdfast.controller.http.openapi import describes, reference, takes
from holdfast.controller.http.parts import TheBody, ThePrincipal, TheService, json_response
from holdfast.controller.keys import Scope
from holdfast.controller.strict import read_json


def _grant(body: Grant) -> None:
    """Describe the body of grant."""


_GRANT: Final = CallSignature(_grant, name="the request")

router = APIRouter(route_class=ScopedRoute, tags=["ai"])


@router.get("/v1/ai/usage", responses=describes(ModelUsedList))
@requires(Scope.READ)
async def read_usage(
    service: TheService,
    by: Annotated[Group, Query(description="What is summed up.")] = "model",
    days: Annotated[int, Query(ge=1, le=100_000, description="Of so many days, today included.")] = 30,
    run: Annotated[str, Query(max_length=512, description="Only of this run, by its steps.")] = "",
) -> Response:
    """Show what requests to language models used and cost, and what caches saved."""
    spending = service.spending
    return json_response(await (spending.run_usage(run) if run else spending.usage(by, days)))


@router.get("/v1/ai/budgets", responses=describes(BudgetList))
@requires(Scope.READ)
async def list_budgets(service: TheService) -> Response:
    """List budgets from which anything was paid: the limit, what was spent, what is set aside."""
    return json_response(await service.spending.budgets())


@router.post("/v1/ai/budgets/grant", responses=describes(Granted), openapi_extra=takes(reference(Grant)))
@requires(Scope.OPERATE)
async def grant_budget(service: TheService, body: TheBody, principal: ThePrincipal) -> Response:
    """Let a budget have more, and runs go on that are parked because it was used up, so many at a time."""
    read_json(body or b"null", "the request")
    (grant,), _ = _GRANT.decode_call(body or b"null")
    return json_response(await service.spending.grant(grant, principal.actor))
