"""Routes of drifts: answers of hosts that are not as code expects them.

Owns: these paths.
Must not know: how a drift is found.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from holdfast.authoring import CallSignature
from holdfast.controller.documents import AcceptedMapping, DriftList, ResolvedDrift
from holdfast.controller.http.access import ScopedRoute, requires
from holdfast.controller.http.openapi import describes, reference, takes
from holdfast.controller.http.parts import TheBody, ThePrincipal, TheService, json_response
from holdfast.controller.keys import Scope
from holdfast.controller.strict import read_json

RESUMED_MAX: Final = 1_000
"""How many runs one request lets go on."""

Number: TypeAlias = Annotated[int, Path(ge=1, le=2**63 - 1, description="A report's number.")]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=RESUMED_MAX, description="How many runs go on now, at most.")]


def _accepted(body: AcceptedMapping) -> None:
    """Describe the body of accept."""


_ACCEPTED: Final = CallSignature(_accepted, name="the request")

router = APIRouter(route_class=ScopedRoute, tags=["fleet"])


@router.get("/v1/drifts", responses=describes(DriftList))
@requires(Scope.READ)
async def list_drifts(service: TheService) -> Response:
    """List answers that are not as code expects them, the newest first, and how many runs are parked under each."""
    return json_response(await service.drifts.newest())


@router.post("/v1/drifts/{id}/resolve", responses=describes(ResolvedDrift))
@requires(Scope.OPERATE)
async def resolve_drift(
    service: TheService, id: Number, principal: ThePrincipal, limit: Limit = RESUMED_MAX
) -> Response:
    """Say that the code, or the host, was mended: calls are made again, and parked runs go on, so many at a time."""
    return json_response(await service.drifts.resolve(id, limit, principal.actor))


@router.post(
    "/v1/drifts/{id}/accept", responses=describes(ResolvedDrift), openapi_extra=takes(reference(AcceptedMapping))
)
@requires(Scope.OPERATE)
async def accept_mapping(
    service: TheService, id: Number, body: TheBody, principal: ThePrincipal, limit: Limit = RESUMED_MAX
) -> Response:
    """Read answers of the new shape by a mapping that is proposed and proven; parked runs go on, so many at a time."""
    read_json(body or b"null", "the request")
    (wanted,), _ = _ACCEPTED.decode_call(body or b"null")
    return json_response(await service.drifts.accept(id, wanted.mapping, limit, principal.actor))
