"""The route at which outside systems answer callbacks.

Owns: this path.
Must not know: how a token is made, who waits for the answer.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from holdfast.controller.documents import Taken
from holdfast.controller.http.access import Public, ScopedRoute, requires
from holdfast.controller.http.openapi import describes, takes
from holdfast.controller.http.parts import TheBody, TheService, json_response
from holdfast.ports.callbacks import TOKEN_CHARACTERS_MAX

router = APIRouter(route_class=ScopedRoute, tags=["messages"])


@router.post(
    "/v1/callbacks/{token}",
    status_code=202,
    responses=describes(Taken, 202),
    openapi_extra=takes({"description": "Any JSON: the answer."}),
)
@requires(Public.YES)
async def answer_callback(
    service: TheService,
    token: Annotated[str, Path(description="The last part of the callback's URL.", max_length=TOKEN_CHARACTERS_MAX)],
    body: TheBody,
) -> Response:
    """Answer a callback, once. The token is all it takes; when this answers, the answer cannot be lost."""
    await service.messages.answer_callback(token, body)
    return json_response(Taken(), 202)
