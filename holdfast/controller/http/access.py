"""Who may do what.

Owns: the scope of every route, and that no route is without one; how many requests are served at a time.
Must not know: paths. A route is allowed or refused by what it declares, after routing has found it; how its path was
spelled does not come into it.

Deny by default: a route whose function declares nothing is refused at start-up, and would refuse every request. A key
that is for some workflows only may use the routes that say what of theirs belongs to a workflow, and no others.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterator
from enum import Enum
from typing import Any, Final, TypeVar, cast

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response

from holdfast.controller.http.limits import NOTE
from holdfast.controller.http.parameters import check_names, names_of
from holdfast.controller.http.problems import RETRY_SECONDS, RefusalError
from holdfast.controller.http.segments import SegmentRoute
from holdfast.controller.http.settings import HttpSettings, is_loopback
from holdfast.controller.keyring import Keyring
from holdfast.controller.keys import ANYBODY, Principal, Scope
from holdfast.controller.quota import Quotas, parse_rate
from holdfast.errors import DefinitionError, RunNotFoundError

ATTRIBUTE: Final = "__holdfast_scope__"
ABOUT: Final = "__holdfast_about__"
LOOK_SECONDS: Final = 1.0
"""How often a request that goes on is looked at again: as old as what is known of keys may be."""
EXEMPT: Final = frozenset(
    {
        "/assets/{name}",
        "/errors/{code}",
        "/healthz",
        "/login",
        "/logout",
        "/readyz",
        "/v1/callbacks/{token}",
        "/v1/hooks/{name}",
    }
)
"""The routes that anybody may use: they tell nothing about runs, or a token or a signature says who may.

Each also says so itself, by Public.YES.
"""

Function = TypeVar("Function", bound=Callable[..., Any])
Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Identify = Callable[[Request], Coroutine[Any, Any, Principal]]


class Public(Enum):
    """Says that a route needs no key."""

    YES = "public"


class About(Enum):
    """What a route has to do with workflows, for keys that are for some of them only."""

    EVERYTHING = "everything"
    """Such keys may not use it."""
    WORKFLOW = "workflow"
    """Its path names a workflow, `{name}`."""
    RUN = "run"
    """Its path names a run, `{run_id}`."""
    SELECTION = "selection"
    """Its function looks at the key itself, and leaves out what is not its business."""


def requires(scope: Scope | Public, about: About = About.EVERYTHING) -> Callable[[Function], Function]:
    """Declare what a route's function needs, and what of it belongs to a workflow.

    ```python
    @router.get("/v1/runs/{run_id}")
    @requires(Scope.READ, About.RUN)
    async def read_run(...): ...
    ```
    """

    def declare(function: Function) -> Function:
        setattr(function, ATTRIBUTE, scope)
        setattr(function, ABOUT, about)
        return function

    return declare


class ScopedRoute(SegmentRoute):
    """A route that lets nobody in but those its function's scope allows."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Read the scope that `requires` left on `endpoint`; the rest is `APIRoute`'s."""
        self.required: Scope | Public | None = getattr(endpoint, ATTRIBUTE, None)
        self.about: About = getattr(endpoint, ABOUT, About.EVERYTHING)
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """Return the route's handler behind its door."""
        serve = super().get_route_handler()
        parameters = names_of(self.dependant)

        async def serve_if_allowed(request: Request) -> Response:
            doorkeeper = cast("Doorkeeper", request.app.state.doorkeeper)
            await self.let_in(request, doorkeeper)
            if self.required is Public.YES:
                return await serve(request)  # whoever asks how this process is gets an answer, however busy it is
            check_names(request, parameters)
            with doorkeeper.place():
                return await serve(request)

        return serve_if_allowed

    async def let_in(self, request: Request, doorkeeper: Doorkeeper) -> None:
        """Let a request pass, or raise what refuses it. Routes that are not for programs ask in another way."""
        await doorkeeper.admit(request, self.required, self.about)


class Doorkeeper:
    """Decides whether a request may pass."""

    def __init__(
        self,
        keys: Keyring,
        settings: HttpSettings,
        workflow_of: Callable[[str], Coroutine[Any, Any, str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask `keys`.

        Args:
            keys: who there is.
            settings: where the server listens, and its limits.
            workflow_of: returns the workflow of a run, or raises RunNotFoundError.
            clock: what rates are counted by.

        Raises:
            SettingsError: `rate_limit` is no rate.
        """
        self._keys = keys
        self._loopback = is_loopback(settings.host)
        self._requests_max = settings.requests_max
        self._requests = 0
        self._rate = parse_rate(settings.rate_limit)
        self._quotas = Quotas(clock)
        self._workflow_of = workflow_of

    async def is_open(self) -> bool:
        """Say whether everybody who gets here may do everything: only this machine does, and no key was ever made."""
        return self._loopback and not await self._keys.exist()

    async def admit(
        self, request: Request, required: Scope | Public | None, about: About, identify: Identify | None = None
    ) -> None:
        """Let a request pass, and note on it who it comes from.

        Args:
            request: as it came.
            required: what its route needs.
            about: what its route has to do with workflows.
            identify: says who sends it, or raises RefusalError; None asks for an API key.

        Raises:
            RefusalError: 401 without a valid key, 429 when it has asked too often, 403 when it is not allowed to.
            RunNotFoundError: the run is none that it has to do with.
        """
        if required is Public.YES:
            return
        if required is None:
            raise RefusalError(403, "this route does not say who may use it, so nobody may")
        request.state.identify = identify = identify or self.identify
        principal = ANYBODY if await self.is_open() else await identify(request)
        request.state.principal = principal  # first of all: whoever is refused is in the log, too
        self._count(request, principal)
        assert isinstance(required, Scope)
        if not principal.may(required):
            detail = f"key {principal.name!r} does not have the scope {required.value!r} that this needs"
            raise RefusalError(403, detail, {"WWW-Authenticate": 'Bearer error="insufficient_scope"'})
        if principal.is_restricted:
            await self._check_workflow(request, principal, about)

    async def wait_shut(self, request: Request) -> None:
        """Return once a request that was admitted would not be any more: its key was revoked, or its time is up."""
        with contextlib.suppress(RefusalError):
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                if not await self.is_open():
                    await request.state.identify(request)

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Hold one of the places for requests that are served at a time. Raises RefusalError: there is none."""
        if self._requests >= self._requests_max:
            detail = f"{self._requests_max} requests are being served already (requests_max)"
            raise RefusalError(503, detail, {"Retry-After": str(RETRY_SECONDS)})
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    def _count(self, request: Request, principal: Principal) -> None:
        rate = principal.rate or self._rate
        if rate is None:
            return
        quota = self._quotas.take(principal.name, rate)
        setattr(request.state, NOTE, quota)
        if quota.wait_seconds:
            detail = f"key {principal.name!r} may make {rate.requests} requests in {rate.seconds} s (rate_limit)"
            raise RefusalError(429, detail, {"Retry-After": str(quota.wait_seconds)})

    async def _check_workflow(self, request: Request, principal: Principal, about: About) -> None:
        match about:
            case About.SELECTION:
                return
            case About.RUN:
                run_id = request.path_params["run_id"]
                if principal.may_see(await self._workflow_of(run_id)):
                    return
                raise RunNotFoundError(run_id)  # as if it were not there
            case About.WORKFLOW if principal.may_see(request.path_params["name"]):
                return
        allowed = ", ".join(sorted(principal.workflows))
        raise RefusalError(403, f"key {principal.name!r} is for these workflows only: {allowed}")

    async def identify(self, request: Request) -> Principal:
        """Return whose API key a request shows. Raises RefusalError: 401, it shows none that is valid."""
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
