"""Who may do what.

Owns: the scope of every route, and that no route is without one.
Must not know: paths. A route is allowed or refused by what it declares, after routing has found it; how its path was
spelled does not come into it.

Deny by default: a route whose function declares nothing is refused at start-up, and would refuse every request.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any, Final, TypeVar, cast

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response

from holdfast.controller.http.problems import RefusalError
from holdfast.controller.http.settings import is_loopback
from holdfast.controller.keys import ANYBODY, Keyring, Principal, Scope
from holdfast.errors import DefinitionError

ATTRIBUTE: Final = "__holdfast_scope__"
EXEMPT: Final = frozenset({"/", "/errors/{code}", "/healthz", "/readyz", "/v1/callbacks/{token}"})
"""The routes that anybody may use: they tell nothing about runs, or a token in the path says who may.

Each also says so itself, by Public.YES.
"""

Function = TypeVar("Function", bound=Callable[..., Any])
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Public(Enum):
    """Says that a route needs no key."""

    YES = "public"


def requires(scope: Scope | Public) -> Callable[[Function], Function]:
    """Declare what a route's function needs.

    ```python
    @router.get("/v1/runs")
    @requires(Scope.READ)
    async def list_runs(...): ...
    ```
    """

    def declare(function: Function) -> Function:
        setattr(function, ATTRIBUTE, scope)
        return function

    return declare


class ScopedRoute(APIRoute):
    """A route that lets nobody in but those its function's scope allows."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Read the scope that `requires` left on `endpoint`; the rest is `APIRoute`'s."""
        self.required: Scope | Public | None = getattr(endpoint, ATTRIBUTE, None)
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """Return the route's handler behind its door."""
        serve = super().get_route_handler()

        async def serve_if_allowed(request: Request) -> Response:
            await cast("Doorkeeper", request.app.state.doorkeeper).admit(request, self.required)
            return await serve(request)

        return serve_if_allowed


class Doorkeeper:
    """Decides whether a request may pass."""

    def __init__(self, keys: Keyring, host: str) -> None:
        """Ask `keys`; `host` is where the server listens."""
        self._keys = keys
        self._loopback = is_loopback(host)

    async def is_open(self) -> bool:
        """Say whether everybody who gets here may do everything: only this machine does, and no key was ever made."""
        return self._loopback and not await self._keys.exist()

    async def admit(self, request: Request, required: Scope | Public | None) -> None:
        """Let a request pass, and note on it who it comes from.

        Raises:
            RefusalError: 401 without a valid key, 403 with one that does not allow it.
        """
        if required is Public.YES:
            return
        if required is None:
            raise RefusalError(403, "this route does not say who may use it, so nobody may")
        principal = ANYBODY if await self.is_open() else await self._identify(request)
        assert isinstance(required, Scope)
        if not principal.may(required):
            detail = f"key {principal.name!r} does not have the scope {required.value!r} that this needs"
            raise RefusalError(403, detail, {"WWW-Authenticate": 'Bearer error="insufficient_scope"'})
        request.state.principal = principal

    async def _identify(self, request: Request) -> Principal:
        given = request.headers.getlist("authorization")
        scheme, _, secret = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        principal = await self._keys.identify(secret.strip()) if scheme.lower() == "bearer" else None
        if principal is None:
            detail = "this needs an API key that is valid: Authorization: Bearer hf_..."
            raise RefusalError(401, detail, {"WWW-Authenticate": "Bearer"})
        return principal


def check_routes(app: FastAPI) -> None:
    """Make sure that every route of `app` declares who may use it.

    Raises:
        DefinitionError: one does not, or claims to be public without being in EXEMPT.
    """
    for each in iter_route_contexts(app.routes):
        route = each.original_route
        path = each.path or repr(route)
        required = route.required if isinstance(route, ScopedRoute) else None
        if required is None:
            raise DefinitionError(
                f"route {path} does not declare who may use it",
                remedy="Put @requires(Scope....) on its function, and add it through a router of "
                "APIRouter(route_class=ScopedRoute).",
            )
        if required is Public.YES and path not in EXEMPT:
            raise DefinitionError(f"route {path} is public but not among the exempt ones: {', '.join(sorted(EXEMPT))}")
