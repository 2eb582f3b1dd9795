"""A browser, as far as the server sees one: cookies, where a form comes from, the stamp of its page.

Owns: sending forms the way pages do.
Must not know: what any test is about.
"""

from __future__ import annotations

from typing import Any

import httpx

from holdfast.dashboard.doors import COOKIE
from tests.unit.controller.rig import Api

HERE = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}


class Browser:
    """Opens pages, and sends the forms on them."""

    def __init__(self, api: Api) -> None:
        """Open pages of `api`, with cookies of its own."""
        self.api = api
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://localhost")

    async def open(self, path: str, status: int = 200, **headers: str) -> str:
        """Return a page's text, of this status."""
        response = await self.http.get(path, headers=headers)
        assert response.status_code == status, (path, response.status_code, response.text)
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        return response.text

    async def send(self, path: str, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
        """Send a form as a page that was served to this session would."""
        stamp = await self.api.service.sessions.stamp(self.http.cookies.get(COOKIE, ""))
        return await self.http.post(path, data={"stamp": stamp, **fields}, headers=HERE if headers is None else headers)

    async def log_in(self, key: str, goal: str = "/") -> httpx.Response:
        """Log in with an API key."""
        return await self.send("/login", key=key, goal=goal)
