"""Routes of webhooks and of their inbox.

Owns: these paths, and how a webhook's body is read.
Must not know: signatures, what a delivery means.

Whoever sends a delivery has no key: the signature says who it is. So the body is read as it comes, whatever its headers
say it is, and what cannot be read is answered as what is not signed.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Final, Literal, cast

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from holdfast.authoring import CallSignature
from holdfast.controller.http.access import Doorkeeper, Handler, Public, ScopedRoute, requires
from holdfast.controller.http.openapi import describes, reference, takes
from holdfast.controller.http.parts import Parts, TheBody, ThePrincipal, TheService, json_response, parts_of
from holdfast.controller.http.problems import RefusalError
from holdfast.controller.keys import Scope
from holdfast.controller.strict import read_json
from holdfast.controller.times import seconds_of
from holdfast.controller.webhooks import (
    DELIVERIES_MAX,
    DeliveryTaken,
    InboxDelivery,
    InboxPage,
    Redeliver,
    Redelivered,
    taken_document,
)
from holdfast.errors import SignatureError
from holdfast.ports.operations import DeliveryFilter, NotedDelivery


class HookRoute(ScopedRoute):
    """A route that hands the request to its function as it is, without looking for parameters in it: half the time.

    What there is nothing unusual about does not come this far: see `entrance`.
    """

    def get_route_handler(self) -> Handler:
        """Return the route's handler behind its door."""

        async def serve_if_allowed(request: Request) -> Response:
            doorkeeper = cast("Doorkeeper", request.app.state.doorkeeper)
            await doorkeeper.admit(request, self.required, self.about)
            with doorkeeper.place():
                response: Response = await self.endpoint(request, request.path_params["name"])
                return response

        return serve_if_allowed


hook = APIRouter(route_class=HookRoute, tags=["webhooks"])
router = APIRouter(route_class=ScopedRoute, tags=["webhooks"])

DeliveryNumber = Annotated[int, Path(ge=0, le=2**63 - 1, description="A delivery's number in the inbox.")]


def _redeliver(body: Redeliver = Redeliver()) -> None:  # noqa: B008 - frozen
    """Describe the body of a request to redeliver many."""


_REDELIVER: Final = CallSignature(_redeliver, name="the request")


@hook.post(
    "/v1/hooks/{name}",
    status_code=202,
    responses=describes(DeliveryTaken, 202)
    | {200: {"description": "What the sender asked to be told.", "content": {"application/json": {"schema": {}}}}},
    openapi_extra=takes({"description": "Whatever the sender signed."}),
)
@requires(Public.YES)
async def take_delivery(request: Request, name: str) -> Response:
    """Take a delivery from an outside system. When this answers with 202, it cannot be lost; again, the same answer."""
    parts = parts_of(request.app)
    taken = await parts.service.webhooks.take(name, request.scope["headers"], lambda: read_signed(request, parts))
    return answer_taken(taken)


def answer_taken(taken: NotedDelivery | dict[str, Any]) -> Response:
    """Tell a sender what came of its delivery, or what it asked to be told."""
    if isinstance(taken, dict):
        return json_response(taken)
    return json_response(taken_document(taken), 202)


async def read_signed(request: Request, parts: Parts) -> bytes:
    """Return a body as it was signed. Raises SignatureError: there is none that could be checked."""
    try:
        async with asyncio.timeout(parts.settings.body_seconds_max):
            return await request.body()
    except RefusalError as error:
        raise SignatureError(error.detail) from None
    except TimeoutError:
        raise SignatureError(f"the body did not arrive within {parts.settings.body_seconds_max:g} s") from None


@router.get("/v1/deliveries", responses=describes(InboxPage))
@requires(Scope.READ)
async def list_deliveries(
    service: TheService,
    webhook: Annotated[str | None, Query(max_length=300, description="Only those to this webhook.")] = None,
    state: Annotated[
        Literal["accepted", "ignored", "failed", "refused"] | None, Query(description="Only those of this state.")
    ] = None,
    run_id: Annotated[str | None, Query(max_length=300, description="Only those about this run.")] = None,
    received_from: Annotated[datetime | None, Query(description="Only those that came then or later.")] = None,
    received_before: Annotated[datetime | None, Query(description="Only those that came before.")] = None,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=DELIVERIES_MAX)] = 50,
) -> Response:
    """List what webhooks were sent, newest first, and what came of it."""
    where = DeliveryFilter(
        webhook,
        state,
        run_id,
        seconds_of(received_from),
        seconds_of(received_before),
    )
    return json_response(await service.inbox.page(where, cursor=cursor, limit=limit))


@router.get("/v1/deliveries/{delivery}", responses=describes(InboxDelivery))
@requires(Scope.READ)
async def read_delivery(service: TheService, delivery: DeliveryNumber) -> Response:
    """Read a delivery with its headers and its body, without secrets."""
    return json_response(await service.inbox.delivery(delivery))


@router.post("/v1/deliveries/{delivery}/redeliver", status_code=202, responses=describes(DeliveryTaken, 202))
@requires(Scope.OPERATE)
async def redeliver(
    service: TheService,
    delivery: DeliveryNumber,
    body: TheBody,  # noqa: ARG001 - read and not used
    principal: ThePrincipal,
) -> Response:
    """Carry out a delivery again, by what is declared now; one that was accepted stays as it is."""
    return json_response(await service.inbox.redeliver(delivery, principal.actor), 202)


@router.post("/v1/deliveries/redeliver", responses=describes(Redelivered), openapi_extra=takes(reference(Redeliver)))
@requires(Scope.OPERATE)
async def redeliver_many(service: TheService, body: TheBody, principal: ThePrincipal) -> Response:
    """Carry out the next deliveries that a filter means; those that fail again are listed."""
    read_json(body or b"{}", "the request")
    (wanted,), _ = _REDELIVER.decode_call(body or b"{}")
    assert isinstance(wanted, Redeliver)
    return json_response(await service.inbox.redeliver_many(wanted, principal.actor))
