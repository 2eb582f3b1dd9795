"""Pages: templates filled in, and what a browser is told about them. The only door to Jinja.

Owns: the templates' surroundings, and the headers of every page.
Must not know: what any page is about.

Everything that is put into a template is escaped, and made harmless before (`words`), without the template asking for
it: there is nothing to forget. The few places that need a text exactly as it is - what a form sends back - say
`exact`, and are escaped as well.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from holdfast.controller import Scope
from holdfast.dashboard import words
from holdfast.dashboard.assets import EDITION

CONTENT_SECURITY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing but what the controller itself serves, and nothing that is written into a page."""

PLACES: Final = (
    # address, what it is called, what it takes, whether keys for some workflows only have a use for it
    ("/", "Overview", Scope.READ, False),
    ("/runs", "Runs", Scope.READ, True),
    ("/start", "Start", Scope.START, True),
    ("/fleet", "Fleet", Scope.READ, False),
    ("/ai", "AI", Scope.READ, False),
    ("/drifts", "Drifts", Scope.READ, False),
    ("/schedules", "Schedules", Scope.READ, False),
    ("/deliveries", "Deliveries", Scope.READ, False),
    ("/replay", "Replay", Scope.READ, False),
    ("/keys", "Keys", Scope.ADMIN, False),
    ("/audit", "Audit", Scope.ADMIN, False),
)
"""What there is to go to, in the order of the bar at the top."""


def _shown(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return words.harmless(words.cut(value))
    return value


def _exact(value: object) -> Markup:
    return escape(value)


def _whole(text: str) -> Markup:
    """Return a text that was cut already where it had to be."""
    return escape(words.harmless(text))


def _took(times: tuple[str, str]) -> str:
    """Return how long something took, from two moments."""
    return words.span((words.moment(times[1]) - words.moment(times[0])).total_seconds())


def _time(iso: str | None, now: datetime) -> Markup:
    """Return a moment: how long ago it was, with the moment itself to be looked at."""
    if iso is None:
        return Markup('<span class="none">never</span>')
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(iso, words.clock(iso), words.ago(iso, now))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "brief": words.brief,
        "cut": words.cut,
        "dollars": words.dollars,
        "clock": words.clock,
        "exact": _exact,
        "number": "{:,}".format,
        "plain": "{:,g}".format,
        "pretty": words.pretty,
        "segment": words.segment,
        "size": words.size,
        "span": words.span,
        "time": _time,
        "took": _took,
        "whole": _whole,
    }
    environment.globals["edition"] = EDITION
    environment.globals["m"] = environment.get_template("macros.html").module
    environment.globals["fields"] = environment.get_template("fields.html").module
    return environment


_ENVIRONMENT: Final = _environment()


def show(request: Request, template: str, status: int = 200, **context: Any) -> Response:
    """Return a page.

    Args:
        request: what it answers; who sent it decides which buttons there are.
        template: its file in `templates`.
        status: of the answer.
        context: what it is filled with.
    """
    who = getattr(request.state, "principal", None)
    text = _ENVIRONMENT.get_template(template).render(
        context,
        who=who,
        may=lambda scope: who is not None and who.may(Scope(scope)),
        places=[]
        if who is None
        else [each for each in PLACES if who.may(each[2]) and (each[3] or not who.is_restricted)],
        here=request.url.path,
        stamp=getattr(request.state, "stamp", ""),
        has_session=bool(getattr(request.state, "session", "")),
        now=datetime.now(UTC),
    )
    headers = {"Content-Security-Policy": CONTENT_SECURITY, "Referrer-Policy": "same-origin"}
    return HTMLResponse(text.encode("utf-8", "replace"), status, headers)
