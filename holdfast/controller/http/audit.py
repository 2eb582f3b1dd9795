"""Route of the audit log: who did what.

Owns: this path.
Must not know: how acts are noted.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from holdfast.controller.audit import AUDIT_MAX
from holdfast.controller.documents import AuditPage
from holdfast.controller.http.access import ScopedRoute, requires
from holdfast.controller.http.openapi import describes
from holdfast.controller.http.parts import TheService, json_response
from holdfast.controller.keys import Scope
from holdfast.ports.operations import AuditFilter

router = APIRouter(route_class=ScopedRoute, tags=["audit"])


@router.get("/v1/audit", responses=describes(AuditPage))
@requires(Scope.ADMIN)
async def read_audit(
    service: TheService,
    actor: Annotated[str | None, Query(max_length=300, description="Only what this one did.")] = None,
    action: Annotated[str | None, Query(max_length=300, description="Only acts of this kind, such as cancel.")] = None,
    target: Annotated[
        str | None, Query(max_length=300, description="Only what was done to this run, lock or key.")
    ] = None,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=AUDIT_MAX)] = 50,
) -> Response:
    """Read who did what, newest first."""
    return json_response(await service.audit.page(AuditFilter(actor, action, target), cursor=cursor, limit=limit))
