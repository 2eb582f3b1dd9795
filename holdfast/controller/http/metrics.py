"""The route for Prometheus and whatever reads its formats.

Owns: this path.
Must not know: what is measured.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from holdfast.controller.http.access import ScopedRoute, requires
from holdfast.controller.http.parts import TheService
from holdfast.controller.keys import Scope

router = APIRouter(route_class=ScopedRoute, include_in_schema=False)


@router.get("/metrics")
@requires(Scope.READ)
async def read_metrics(request: Request, service: TheService) -> Response:
    """Return all metrics: OpenMetrics for those that accept it, else Prometheus's own text."""
    page, content_type = await service.publisher.page(request.headers.get("accept", ""))
    return Response(page, headers={"Content-Type": content_type})
