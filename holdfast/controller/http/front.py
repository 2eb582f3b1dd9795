"""The pages that explain errors, and the description of the API.

Owns: what a person reads of the API in a browser.
Must not know: runs.
"""

from __future__ import annotations

import html
import inspect
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from holdfast import errors
from holdfast.controller.http.access import Public, ScopedRoute, requires
from holdfast.controller.http.openapi import describe_api
from holdfast.controller.http.parts import TheService, json_response
from holdfast.controller.http.problems import RefusalError, treatment_of
from holdfast.controller.keys import Scope
from holdfast.errors import HoldfastError

router = APIRouter(route_class=ScopedRoute, include_in_schema=False)

CONTENT_SECURITY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem }}
  code {{ background: #8882; padding: 0 .3em }}
  :root {{ color-scheme: light dark }}
</style>
<h1>{title}</h1>
{body}
</html>
"""

_BY_CODE: Final = {
    each.code: each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, HoldfastError)
}


@router.get("/errors/{code}")
@requires(Public.YES)
async def read_error_page(code: str) -> Response:
    """Say what an error means: where a problem's `type` leads."""
    kind = _BY_CODE.get(code)
    if kind is None:
        raise RefusalError(404, "there is no error of this code")
    words = html.escape(inspect.cleandoc(kind.__doc__ or "")).replace("\n\n", "</p><p>")
    status = treatment_of(kind).status
    return _page(f"{code}: {kind.__name__}", f"<p>{words}</p><p>Over HTTP its status is {status}.</p>")


@router.get("/openapi.json")
@requires(Scope.READ)
async def read_description(request: Request, service: TheService) -> Response:
    """Describe the API, with the schemas of the workflows this controller knows."""
    return json_response(describe_api(request.app, service.registry))


def _page(title: str, body: str) -> Response:
    page = _PAGE.format(title=html.escape(title), body=body)
    return HTMLResponse(page, headers={"Content-Security-Policy": CONTENT_SECURITY})
