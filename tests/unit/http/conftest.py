"""A fake API for the tests of calls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast.http import Http
from holdfast.testing.fake_api import FakeApi


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """Return a fake API that charges."""
    with FakeApi() as found:
        charged: list[int] = []

        def charge(request):
            charged.append(len(charged) + 1)
            return {"id": f"ch-{len(charged)}", "status": "paid"}

        found.route("POST", "/charges", charge)
        found.route("GET", "/charges", lambda request: {"id": request.path, "status": "paid"})
        found.route("DELETE", "/charges", lambda _: None)
        yield found


@pytest.fixture
def http(api: FakeApi) -> Iterator[Http]:
    """Return what calls it, without rules from other tests."""
    calls = Http()
    calls.host(api.host, private=True)
    yield calls
    calls.sync.close()
