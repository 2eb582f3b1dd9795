"""Who may see a page and press its buttons.

Owns: the session's cookie, that a form comes from a page of ours, and refusals as pages.
Must not know: what pages show.

Theory of operation
===================

A browser sends cookies along with whatever any page makes it send. So the API knows nothing of them: they open pages
alone. And a page that changes something asks for three things besides:

- the request says that it comes from here (`Origin`, `Sec-Fetch-Site`);
- the form carries its session's stamp, which only pages that were served to that session have;
- the cookie is `SameSite=Strict`, so that a browser keeps it to itself when another site sends it here.

Without keys, on this machine, there is no session and everybody may do everything, as with the API. The first two
still hold: they are what keeps other people's pages out.

A request with an `Authorization` header comes from a program: it is let in by its key, has answers for programs, and
needs no stamp, since no page can make a browser send that header.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from holdfast.controller import Principal
from holdfast.controller.http import (
    OWN_SITES,
    SAFE_METHODS,
    Doorkeeper,
    Handler,
    Public,
    RefusalError,
    ScopedRoute,
    parts_of,
    treatment_of,
)
from holdfast.dashboard.forms import read_form
from holdfast.dashboard.pages import show
from holdfast.errors import HoldfastError, InputError
from holdfast.observe import logger

COOKIE: Final = "holdfast-session"
STAMP: Final = "stamp"
"""The field of a form that carries it."""

log = logger("holdfast.dashboard")


class PageRoute(ScopedRoute):
    """A route for people: it knows sessions, takes forms of its own pages only, and refuses in words."""

    def get_route_handler(self) -> Handler:
        """Return the route's handler behind its door."""
        serve = super().get_route_handler()

        async def serve_page(request: Request) -> Response:
            sessions = parts_of(request.app).service.sessions
            request.state.session = request.cookies.get(COOKIE, "")
            try:
                request.state.stamp = await sessions.stamp(request.state.session)
                if self.required is Public.YES and not is_program(request):
                    await check_form(request)
                return await serve(request)
            except (RefusalError, HoldfastError, HTTPException, RequestValidationError) as error:
                if is_program(request):
                    raise
                return refuse(request, error)

        return serve_page

    async def let_in(self, request: Request, doorkeeper: Doorkeeper) -> None:
        """Let a request pass that shows a session or a key."""
        if is_program(request):
            await doorkeeper.admit(request, self.required, self.about)
            return
        await doorkeeper.admit(request, self.required, self.about, identify_session)
        if self.required is not Public.YES:
            await check_form(request)


def is_program(request: Request) -> bool:
    """Say whether a request comes from a program, by what it shows."""
    return "authorization" in request.headers


async def identify_session(request: Request) -> Principal:
    """Return whose session a request shows. Raises RefusalError: 401, it shows none that is good."""
    principal = await parts_of(request.app).service.sessions.identify(request.state.session)
    if principal is None:
        raise RefusalError(401, "log in with an API key to see this", {"WWW-Authenticate": "Bearer"})
    return principal


async def check_form(request: Request) -> None:
    """Make sure that what changes something comes from a page of ours. Raises RefusalError."""
    if request.method in SAFE_METHODS:
        return
    host = request.headers.get("host", "").lower()
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    if origin is None and site is None:
        raise RefusalError(403, "a form has to say where it comes from, and this one did not (Origin)")
    if (origin is not None and urlsplit(origin).netloc.lower() != host) or (site is not None and site not in OWN_SITES):
        raise RefusalError(403, "this form was sent from a page of another site")
    if (await read_form(request))[STAMP] != request.state.stamp:
        raise RefusalError(
            403, "this form is of another session, or of none: load its page again, and send it from there"
        )


def refuse(request: Request, error: Exception) -> Response:
    """Return a page that says why there is no other."""
    title, detail, status, code, headers = _words_of(request, error)
    if status == 401:
        return show(request, "login.html", 401, why=detail, goal=_goal(request))
    page = show(request, "refused.html", status, title=title, detail=detail, code=code, back=_back(request))
    page.headers.update({name: value for name, value in headers.items() if name != "WWW-Authenticate"})
    return page


def _back(request: Request) -> str:
    """Return the page that a form was on, as far as the browser says so."""
    came_from = urlsplit(request.headers.get("referer", ""))
    if came_from.netloc.lower() != request.headers.get("host", "").lower() or not came_from.path.startswith("/"):
        return "/"
    return came_from.path + (f"?{came_from.query}" if came_from.query else "")


def _goal(request: Request) -> str:
    """Return where somebody wanted to go, if it was somewhere to look."""
    if request.method != "GET":
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def _words_of(request: Request, error: Exception) -> tuple[str, str, int, str, dict[str, Any]]:
    match error:
        case RefusalError():
            return "This was refused", error.detail, error.status, "", error.headers
        case InputError():
            return "Something does not fit", error.message(), 422, error.code, {}
        case HoldfastError():
            treatment = treatment_of(type(error))
            title = (type(error).__doc__ or "").partition("\n")[0].rstrip(".")
            if treatment.hidden:
                log.error(
                    "page failed",
                    route=request.scope.get("route", None) and request.scope["route"].path,
                    exc_info=error,
                )
                return title, "The server could not do this; its log says why.", treatment.status, error.code, {}
            return title, error.message(), treatment.status, error.code, {}
        case RequestValidationError():
            items = [f"{each['loc'][-1]}: {each['msg']}" for each in error.errors()]
            return "Something does not fit", "\n".join(items), 422, InputError.code, {}
        case _:
            status = getattr(error, "status_code", 500)
            return "This was refused", str(getattr(error, "detail", "")), status, "", {}
