"""Where a request comes from, while there are no keys.

Owns: keeping web pages of others away from an API that anybody on this machine may use.
Must not know: routes, what is asked.

Theory of operation
===================

A browser on this machine reaches a loopback address too, and lets any page it shows send requests there.

- DNS rebinding: the page's own name is made to point to 127.0.0.1, so that the browser takes the API for a part of the
  page. The name is in the Host header: it has to be one of this machine's.
- Cross-site writes: a page may send forms anywhere without reading the answer. Browsers say where a request comes from
  (Sec-Fetch-Site, Origin), and send JSON across sites only after asking, which nobody answers here (`body.py` takes
  nothing but JSON).

With keys none of this matters: a page does not have one.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.controller.http.access import Doorkeeper
from holdfast.controller.http.problems import RefusalError
from holdfast.controller.http.settings import is_loopback
from holdfast.errors import HoldfastError

LOCAL_NAMES: Final = frozenset({"localhost", "testserver"})
"""Names besides loopback addresses; the second is what test clients call what they talk to without a network."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITES: Final = frozenset({"same-origin", "none"})

PROTECTING_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def decide_admission(method: str, headers: Headers, allowed_hosts: frozenset[str]) -> RefusalError | None:
    """Return why a request to an API without keys is refused, or None.

    Args:
        method: GET, POST, ...
        headers: of the request.
        allowed_hosts: further names it may be addressed by.
    """
    hosts = headers.getlist("host")
    name = host_name(hosts[0]) if len(hosts) == 1 else ""
    if not (is_own_name(name) or name in allowed_hosts):
        return RefusalError(
            421,
            f"without API keys this API answers to names of its own machine only, and this was sent to {name!r}",
        )
    if method in SAFE_METHODS:
        return None
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc.lower() != hosts[0].lower()
    if foreign or (site is not None and site not in OWN_SITES):
        return RefusalError(403, "without API keys this API takes no writes from web pages of other sites")
    return None


def is_own_name(name: str) -> bool:
    """Say whether a name is one of this machine's, as only somebody on it would call it."""
    return is_loopback(name) or name in LOCAL_NAMES


def host_name(host: str) -> str:
    """Return the name in a Host header, empty where there is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


class OriginCheck:
    """Refuses what web pages of others send, and tells browsers to be careful with what is answered."""

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper, allowed_hosts: frozenset[str]) -> None:
        """Wrap `app`."""
        self._app = app
        self._doorkeeper = doorkeeper
        self._allowed_hosts = allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def protect(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [each for each in PROTECTING_HEADERS if each[0] not in present]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        refusal = decide_admission(scope["method"], Headers(scope=scope), self._allowed_hosts)
        if refusal is not None and await self._is_open():
            await refusal.response(scope)(scope, receive, protect)
            return
        await self._app(scope, receive, protect)

    async def _is_open(self) -> bool:
        try:
            return await self._doorkeeper.is_open()
        except HoldfastError:
            return True  # nobody can say whether there are keys: be careful
