"""Routes of schedules.

Owns: these paths.
Must not know: when anything is due.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from holdfast.authoring import CallSignature
from holdfast.controller.documents import Reason
from holdfast.controller.http.access import ScopedRoute, requires
from holdfast.controller.http.openapi import describes, reference, takes
from holdfast.controller.http.parts import TheBody, TheOperationId, ThePrincipal, TheService, json_response
from holdfast.controller.keys import Scope
from holdfast.controller.once import operation_id as once_id
from holdfast.controller.schedules.documents import (
    Backfilling,
    BackfillRequest,
    RunWanted,
    ScheduleDocument,
    ScheduleList,
    ScheduleRequest,
)
from holdfast.controller.strict import read_json

router = APIRouter(route_class=ScopedRoute, tags=["schedules"])

Name = Annotated[str, Path(description="Name of the schedule.", max_length=300)]
Payloads = Annotated[bool, Query(description="Also give its input, and the results of its runs.")]


def _schedule(schedule: ScheduleRequest) -> None:
    """Describe the body of put."""


def _range(backfill: BackfillRequest) -> None:
    """Describe the body of backfill."""


def _why(body: Reason) -> None:
    """Describe the body of pause."""


_SCHEDULE: Final = CallSignature(_schedule, name="the schedule")
_RANGE: Final = CallSignature(_range, name="the backfill")
_WHY: Final = CallSignature(_why, name="the request")


@router.get("/v1/schedules", responses=describes(ScheduleList))
@requires(Scope.READ)
async def list_schedules(service: TheService, payloads: Payloads = False) -> Response:  # noqa: FBT002 - a query parameter
    """List the schedules, each with its next ten times."""
    return json_response(await service.schedules.all(payloads=payloads))


@router.get("/v1/schedules/{name}", responses=describes(ScheduleDocument))
@requires(Scope.READ)
async def read_schedule(service: TheService, name: Name, payloads: Payloads = False) -> Response:  # noqa: FBT002 - as above
    """Read a schedule: its next ten times, what came of the last ones, what runs now, why it is paused."""
    return json_response(await service.schedules.show(name, payloads=payloads))


@router.put(
    "/v1/schedules/{name}",
    responses=describes(ScheduleDocument) | describes(ScheduleDocument, 201, "It was created."),
    openapi_extra=takes(reference(ScheduleRequest), required=True),
)
@requires(Scope.OPERATE)
async def put_schedule(service: TheService, name: Name, body: TheBody, principal: ThePrincipal) -> Response:
    """Create a schedule, or change one that was created so. Other times count from now on."""
    read_json(body or b"null", "the schedule")
    (wanted,), _ = _SCHEDULE.decode_call(body or b"null")
    document, created = await service.schedules.acting_as(principal.actor).put(name, wanted)
    return json_response(document, 201 if created else 200)


@router.delete("/v1/schedules/{name}", status_code=204)
@requires(Scope.OPERATE)
async def delete_schedule(service: TheService, name: Name, principal: ThePrincipal) -> Response:
    """Delete a schedule. Its runs stay; one that is in code comes back when a process with that code starts."""
    await service.schedules.acting_as(principal.actor).delete(name)
    return Response(status_code=204)


@router.post(
    "/v1/schedules/{name}/pause", responses=describes(ScheduleDocument), openapi_extra=takes(reference(Reason))
)
@requires(Scope.OPERATE)
async def pause_schedule(service: TheService, name: Name, body: TheBody, principal: ThePrincipal) -> Response:
    """Keep a schedule from starting anything; times that come meanwhile are let go."""
    body = body or b"{}"
    read_json(body, "the request")
    (why,), _ = _WHY.decode_call(body)
    return json_response(await service.schedules.acting_as(principal.actor).pause(name, principal.name, why.reason))


@router.post("/v1/schedules/{name}/resume", responses=describes(ScheduleDocument))
@requires(Scope.OPERATE)
async def resume_schedule(service: TheService, name: Name, principal: ThePrincipal) -> Response:
    """Let a schedule go on with the times that are yet to come."""
    return json_response(await service.schedules.acting_as(principal.actor).resume(name))


@router.post(
    "/v1/schedules/{name}/backfill",
    status_code=202,
    responses=describes(Backfilling, 202),
    openapi_extra=takes(reference(BackfillRequest), required=True),
)
@requires(Scope.OPERATE)
async def backfill_schedule(service: TheService, name: Name, body: TheBody, principal: ThePrincipal) -> Response:
    """Start runs for times that are over; those that were started before are found, and not started again."""
    read_json(body or b"null", "the backfill")
    (wanted,), _ = _RANGE.decode_call(body or b"null")
    return json_response(await service.schedules.acting_as(principal.actor).backfill(name, wanted), 202)


@router.post("/v1/schedules/{name}/run", status_code=202, responses=describes(RunWanted, 202))
@requires(Scope.START)
async def run_schedule(
    service: TheService, name: Name, operation_id: TheOperationId, principal: ThePrincipal
) -> Response:
    """Start a run of a schedule now, as its overlap policy allows."""
    named = None if operation_id is None else once_id(principal.actor, operation_id)
    return json_response(await service.schedules.acting_as(principal.actor).run_now(name, named), 202)
