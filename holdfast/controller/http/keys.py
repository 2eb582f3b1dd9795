"""Routes of API keys.

Owns: these paths.
Must not know: how keys are made or checked.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

from holdfast.authoring import CallSignature
from holdfast.controller.documents import KeyList, KeyRequest, KeyRotation, NewKey, RotatedKey, key_document
from holdfast.controller.http.access import ScopedRoute, requires
from holdfast.controller.http.openapi import describes, reference, takes
from holdfast.controller.http.parts import TheBody, ThePrincipal, TheService, json_response
from holdfast.controller.keys import Scope
from holdfast.controller.strict import read_json
from holdfast.controller.times import iso_time_or_none
from holdfast.observe import logger

router = APIRouter(route_class=ScopedRoute, tags=["keys"])
log = logger("holdfast.controller")


def _create(key: KeyRequest) -> None:
    """Describe the body of a request for a key."""


def _rotate(body: KeyRotation = KeyRotation()) -> None:  # noqa: B008 - frozen
    """Describe the body of a request for another secret."""


_CREATE: Final = CallSignature(_create, name="the key")
_ROTATE: Final = CallSignature(_rotate, name="the request")


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
async def create_key(service: TheService, body: TheBody, principal: ThePrincipal) -> Response:
    """Make an API key. It is shown this once."""
    read_json(body, "the key")
    (wanted,), _ = _CREATE.decode_call(body)
    assert isinstance(wanted, KeyRequest)
    expires_at = None if wanted.expires_at is None else wanted.expires_at.timestamp()
    issued = await service.keys.create(
        wanted.name,
        wanted.scopes,
        expires_at,
        workflows=wanted.workflows,
        rate_limit=wanted.rate_limit,
        by=principal.actor,
    )
    log.info("API key made", key=issued.stored.name, scopes=list(issued.stored.scopes))
    made = NewKey(
        name=issued.stored.name,
        scopes=list(issued.stored.scopes),
        expires_at=iso_time_or_none(expires_at),
        key=issued.secret,
        workflows=list(issued.stored.workflows),
        rate_limit=issued.stored.rate_limit,
    )
    return json_response(made, 201)


@router.post("/v1/keys/{name}/rotate", responses=describes(RotatedKey), openapi_extra=takes(reference(KeyRotation)))
@requires(Scope.ADMIN)
async def rotate_key(service: TheService, name: str, body: TheBody, principal: ThePrincipal) -> Response:
    """Give an API key another secret, shown this once; the one it has stays good for a while."""
    wanted = KeyRotation()
    if body:
        read_json(body, "the request")
        (wanted,), _ = _ROTATE.decode_call(body)
    renewed = await service.keys.rotate(name, wanted.overlap_seconds, principal.actor)
    log.info("API key renewed", key=name, overlap_seconds=wanted.overlap_seconds)
    (old_until,) = (each.old_until for each in await service.keys.records() if each.name == name)
    until = iso_time_or_none(old_until or None)
    return json_response(RotatedKey(name=name, key=renewed.secret, old_secret_until=until))


@router.delete("/v1/keys/{name}", status_code=204)
@requires(Scope.ADMIN)
async def revoke_key(service: TheService, name: str, principal: ThePrincipal) -> Response:
    """Make an API key invalid for good."""
    await service.keys.revoke(name, principal.actor)
    log.info("API key revoked", key=name)
    return Response(status_code=204)
