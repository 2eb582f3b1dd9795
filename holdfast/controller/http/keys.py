"""Routes of API keys.

Owns: these paths.
Must not know: how keys are made or checked.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from holdfast.authoring import CallSignature
from holdfast.controller.documents import KeyList, KeyRequest, NewKey, key_document
from holdfast.controller.http.access import ScopedRoute, requires
from holdfast.controller.http.openapi import describes, reference, takes
from holdfast.controller.http.parts import TheBody, TheService, json_response
from holdfast.controller.keys import Scope
from holdfast.controller.strict import read_json
from holdfast.controller.times import iso_time_or_none
from holdfast.observe import logger

router = APIRouter(route_class=ScopedRoute, tags=["keys"])
log = logger("holdfast.controller")


def _create(key: KeyRequest) -> None:
    """Describe the body of a request for a key."""


_CREATE: Final = CallSignature(_create, name="the key")


@router.get("/v1/keys", responses=describes(KeyList))
@requires(Scope.ADMIN)
async def list_keys(service: TheService) -> Response:
    """List the API keys, revoked ones included, without their secrets."""
    return json_response(KeyList(keys=[key_document(each) for each in await service.keys.records()]))


@router.post(
    "/v1/keys",
    status_code=201,
    responses=describes(NewKey, 201),
    openapi_extra=takes(reference(KeyRequest), required=True),
)
@requires(Scope.ADMIN)
async def create_key(service: TheService, body: TheBody) -> Response:
    """Make an API key. It is shown this once."""
    read_json(body, "the key")
    (wanted,), _ = _CREATE.decode_call(body)
    assert isinstance(wanted, KeyRequest)
    expires_at = None if wanted.expires_at is None else wanted.expires_at.timestamp()
    issued = await service.keys.create(wanted.name, wanted.scopes, expires_at)
    log.info("API key made", key=issued.stored.name, scopes=list(issued.stored.scopes))
    made = NewKey(
        name=issued.stored.name,
        scopes=list(issued.stored.scopes),
        expires_at=iso_time_or_none(expires_at),
        key=issued.secret,
    )
    return json_response(made, 201)


@router.delete("/v1/keys/{name}", status_code=204)
@requires(Scope.ADMIN)
async def revoke_key(service: TheService, name: str) -> Response:
    """Make an API key invalid for good."""
    await service.keys.revoke(name)
    log.info("API key revoked", key=name)
    return Response(status_code=204)
