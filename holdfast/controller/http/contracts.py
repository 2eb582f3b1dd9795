"""Routes of contracts: what answers have been like so far.

Owns: these paths.
Must not know: how a contract is learned.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from holdfast.controller.documents import ContractList, LearnedContract
from holdfast.controller.http.access import ScopedRoute, requires
from holdfast.controller.http.openapi import describes
from holdfast.controller.http.parts import ThePrincipal, TheService, json_response
from holdfast.controller.keys import Scope

NAME_CHARACTERS_MAX: Final = 2_000

router = APIRouter(route_class=ScopedRoute, tags=["fleet"])


@router.get("/v1/contracts", responses=describes(ContractList))
@requires(Scope.READ)
async def list_contracts(service: TheService) -> Response:
    """List what the fleet has learned of answers, and what hosts say they give up, by host and endpoint."""
    return json_response(await service.fleet.contracts())


@router.post("/v1/contracts/relearn", responses=describes(LearnedContract))
@requires(Scope.OPERATE)
async def relearn_contract(
    service: TheService,
    host: Annotated[str, Query(max_length=NAME_CHARACTERS_MAX, description="A host, as the list has it.")],
    endpoint: Annotated[str, Query(max_length=NAME_CHARACTERS_MAX, description="What is called, as the list has it.")],
    principal: ThePrincipal,
) -> Response:
    """Learn a contract anew, from the next answers: until there are enough, nothing is held against it."""
    return json_response(await service.fleet.relearn_contract(host, endpoint, principal.actor))
