"""Web pages of others stay away from an API without keys, and an API without keys stays on its machine."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from holdfast.controller import Scope
from holdfast.controller.http import check_bind, is_loopback
from holdfast.controller.http.origin import decide_admission
from holdfast.errors import SettingsError
from tests.unit.controller.rig import check_problem, on_loop, raw_request, serving

OWN = ["localhost", "LOCALHOST:8765", "127.0.0.1", "127.0.0.1:1", "127.9.9.9:80", "[::1]", "[::1]:8765", "testserver"]
FOREIGN = [
    "evil.test",
    "evil.test:8765",
    "localhost.evil.test",
    "127.0.0.1.evil.test",
    "192.0.2.1",
    "0.0.0.0",
    "[::]",
    "",
    "localhost@evil.test",
    "[::1",
    "local host",
    "evil.test\\localhost",
]


def decide(method="GET", allowed=(), **headers):
    """Return the status of a refusal, or None."""
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    refusal = decide_admission(method, Headers(raw=pairs), frozenset(allowed))
    return refusal.status if refusal is not None else None


@pytest.mark.parametrize("host", OWN)
def test_names_of_this_machine_are_served(host):
    """Whoever asks for this machine is served."""
    assert decide(host=host) is None


@pytest.mark.parametrize("host", FOREIGN)
def test_other_names_are_refused(host):
    """A name that somebody else's DNS may have pointed here is refused, whatever it looks like."""
    assert decide(host=host) == 421


def test_a_name_that_was_allowed_is_served():
    """A name in the settings is served, and no name that only contains it."""
    assert decide(host="box.test:80", allowed=["box.test"]) is None
    assert decide(host="x.box.test", allowed=["box.test"]) == 421


def test_host_is_given_once():
    """No Host header, or two of them, is nobody's name."""
    assert decide_admission("GET", Headers(raw=[]), frozenset()).status == 421
    two = Headers(raw=[(b"host", b"localhost"), (b"host", b"localhost")])
    assert decide_admission("GET", two, frozenset()).status == 421


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {}, None),
        ("POST", {"origin": "http://localhost:8765", "sec_fetch_site": "same-origin"}, None),
        ("POST", {"sec_fetch_site": "none"}, None),
        ("GET", {"origin": "http://evil.test", "sec_fetch_site": "cross-site"}, None),
        ("POST", {"origin": "http://evil.test"}, 403),
        ("POST", {"origin": "null"}, 403),
        ("POST", {"origin": "http://localhost:9999"}, 403),
        ("POST", {"sec_fetch_site": "cross-site"}, 403),
        ("POST", {"sec_fetch_site": "same-site"}, 403),
        ("POST", {"origin": "http://localhost:8765", "sec_fetch_site": "cross-site"}, 403),
        ("DELETE", {"origin": "http://evil.test"}, 403),
        ("PROPFIND", {"origin": "http://evil.test"}, 403),
    ],
)
def test_pages_of_others_may_not_write(method, headers, status):
    """A write has to come from a page of ours, or from no page at all."""
    assert decide(method, host="localhost:8765", **headers) == status


@on_loop
async def test_the_check_is_on_while_there_are_no_keys(tmp_path):
    """Without keys the check is in force; with keys a page cannot know one, and the name does not matter."""
    async with serving(tmp_path) as api:
        rebound = await raw_request(api.app, "GET", b"/v1/runs", headers=[("host", "evil.test")])
        assert "evil.test" in check_problem(rebound, 421)["detail"]
        written = await api.raw("POST", b"/v1/keys", origin="http://evil.test")
        check_problem(written, 403)
        issued = await api.service.keys.create("ci", [Scope.READ])
        headers = [("host", "holdfast.example.com"), ("authorization", f"Bearer {issued.secret}")]
        assert (await raw_request(api.app, "GET", b"/v1/runs", headers=headers)).status == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
@on_loop
async def test_what_a_form_can_send_is_not_taken(tmp_path, content_type):
    """The content types that browsers send across sites without asking are refused, also without a body."""
    async with serving(tmp_path) as api:
        for path in ("/v1/runs/x/terminate", "/v1/workflows/idle/runs", "/v1/runs/x/resume"):
            answer = await api.http.post(path, headers={"content-type": content_type})
            check_problem(answer, 415)


@on_loop
async def test_answers_tell_browsers_to_be_careful(tmp_path):
    """Every answer, refusals included, may not be sniffed, framed or kept."""
    async with serving(tmp_path) as api:
        for path in ("/", "/v1/runs", "/nothing"):
            headers = (await api.http.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["cache-control"] == "no-store"
        refused = await raw_request(api.app, "GET", b"/", headers=[("host", "evil.test")])
        assert refused.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_loopback_may_be_bound_without_keys(host):
    """Only this machine reaches it."""
    assert is_loopback(host)
    check_bind(host, keys_exist=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "box.test", "localhost.evil.test", "*"])
def test_other_addresses_need_keys(host):
    """Others reach it: there have to be keys, and the error says how to make one."""
    with pytest.raises(SettingsError, match="holdfast keys create"):
        check_bind(host, keys_exist=False)
    check_bind(host, keys_exist=True)
