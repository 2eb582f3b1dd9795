"""Routes of notices: who is told that runs have ended, and what came of it.

Owns: these paths.
Must not know: how a notice is sent.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from holdfast.controller.documents import Notice, NoticePage
from holdfast.controller.http.access import ScopedRoute, requires
from holdfast.controller.http.openapi import describes
from holdfast.controller.http.parts import ThePrincipal, TheService, json_response
from holdfast.controller.keys import Scope
from holdfast.controller.notices.outbox import NOTICES_MAX, NoticeStatus

router = APIRouter(route_class=ScopedRoute, tags=["notices"])


@router.get("/v1/notices", responses=describes(NoticePage))
@requires(Scope.READ)
async def list_notices(
    service: TheService,
    run: Annotated[str, Query(max_length=300, description="Only those of this run.")] = "",
    status: Annotated[NoticeStatus | None, Query(description="Only those of this status.")] = None,
    cursor: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=NOTICES_MAX)] = 50,
) -> Response:
    """List who is told that runs have ended, the newest first."""
    return json_response(await service.notices.page(run_id=run, status=status or "", cursor=cursor, limit=limit))


@router.post("/v1/notices/{id}/resend", status_code=202, responses=describes(Notice, 202))
@requires(Scope.OPERATE)
async def resend_notice(
    service: TheService,
    id: Annotated[int, Path(ge=1, le=2**63 - 1, description="A notice's number.")],
    principal: ThePrincipal,
) -> Response:
    """Send a notice again that was heard or given up."""
    return json_response(await service.notices.resend(id, principal.actor), 202)
