"""Log-ins, forms, and what a browser is kept from."""

from __future__ import annotations

import pytest

from holdfast.controller import Scope
from holdfast.controller.sessions import SESSION_SECONDS
from holdfast.dashboard.doors import COOKIE
from tests.unit.controller.rig import on_loop, serving
from tests.unit.dashboard.browser import HERE, Browser


@on_loop
async def test_a_key_becomes_a_session_that_does_not_hold_it(tmp_path):
    """The cookie lets its bearer in, no script reads it, no other site has it sent, and the key is not in it."""
    async with serving(tmp_path) as api:
        secret = (await api.make_keys())["admin"]
        browser = Browser(api)
        assert "Log in" in await browser.open("/runs?status=FAILED", 401)
        answer = await browser.log_in(secret, "/runs?status=FAILED")
        assert (answer.status_code, answer.headers["location"]) == (303, "/runs?status=FAILED")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Path=/" in cookie
        assert secret not in cookie
        assert secret[3:20] not in cookie
        page = await browser.open("/runs")
        assert "Log out" in page
        assert await api.service.sessions.stamp(browser.http.cookies[COOKIE]) in page
        assert (await browser.send("/logout")).status_code == 303
        await browser.open("/runs", 401)


@on_loop
async def test_over_tls_the_cookie_stays_with_tls(tmp_path):
    """Whoever logs in over HTTPS has a cookie that is never sent in the clear."""
    async with serving(tmp_path) as api:
        secret = (await api.make_keys())["read"]
        browser = Browser(api)
        headers = {"Origin": "https://localhost", "Sec-Fetch-Site": "same-origin"}
        answer = await browser.send("/login", headers, key=secret)
        assert "Secure" in answer.headers["set-cookie"]


@on_loop
async def test_a_wrong_key_is_no_log_in(tmp_path):
    """A key that is nobody's, or revoked, gives the same words and no cookie."""
    async with serving(tmp_path) as api:
        secret = (await api.make_keys())["admin"]
        browser = Browser(api)
        await api.service.keys.revoke("admin")
        for key in ("hf_nonsense", secret, ""):
            answer = await browser.log_in(key)
            assert answer.status_code == 401
            assert "This is no key that is valid." in answer.text
            assert "set-cookie" not in answer.headers


@on_loop
async def test_a_session_ends_with_its_key(tmp_path):
    """Revoking a key, or renewing it and letting the overlap pass, ends its sessions; so does time."""
    async with serving(tmp_path) as api:
        browser = Browser(api)
        keys = await api.make_keys()
        await browser.log_in(keys["admin"])
        await api.service.keys.rotate("admin", 60)
        api.clock.time += 59
        await browser.open("/runs")
        api.clock.time += 2
        await browser.open("/runs", 401)
        await browser.log_in(keys["read"])
        await api.service.keys.revoke("read")
        await browser.open("/runs", 401)
        other = await api.service.keys.create("other", [Scope.READ])
        await browser.log_in(other.secret)
        api.clock.time += SESSION_SECONDS + 1
        await browser.open("/runs", 401)


@on_loop
async def test_every_controller_on_the_store_knows_a_session(tmp_path):
    """A session outlives the process that made it: nothing of it is kept there."""
    async with serving(tmp_path) as api:
        token = await api.service.sessions.begin((await api.make_keys())["read"])
    async with serving(tmp_path) as api:
        browser = Browser(api)
        browser.http.cookies.set(COOKIE, token)
        assert "Log out" in await browser.open("/runs")


@on_loop
async def test_a_session_cannot_be_made_up(tmp_path):
    """A token of which one character is another, or that is anything else, is nobody's."""
    async with serving(tmp_path) as api:
        await api.make_keys()
        token = await api.service.sessions.begin(api.secrets["admin"])
        assert (await api.service.sessions.identify(token)).name == "admin"
        middle = token.index(".")
        for place in (0, middle - 1, middle + 1, middle + 20):
            letter = "A" if token[place] != "A" else "B"
            forged = token[:place] + letter + token[place + 1 :]
            assert await api.service.sessions.identify(forged) is None
        for text in ("", ".", "a.b", "é.x", "A" * 5_000, token[:-2], token + "A"):
            assert await api.service.sessions.identify(text) is None


@on_loop
async def test_the_api_knows_no_cookies(tmp_path):
    """What a browser sends by itself opens pages, and nothing that programs use."""
    async with serving(tmp_path) as api:
        browser = Browser(api)
        await browser.log_in((await api.make_keys())["admin"])
        assert (await browser.http.get("/v1/runs")).status_code == 401
        assert (await browser.http.post("/v1/bulk", json={})).status_code == 401


STRANGERS = [
    {"Origin": "http://evil.test", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "http://evil.test"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "same-site"},
    {},
]


@pytest.mark.parametrize("headers", STRANGERS)
@pytest.mark.parametrize("has_keys", [True, False])
@on_loop
async def test_forms_of_other_sites_are_refused(tmp_path, headers, has_keys):
    """A form that does not say it comes from here is refused, stamp or not, with keys and without."""
    async with serving(tmp_path) as api:
        browser = Browser(api)
        if has_keys:
            await browser.log_in((await api.make_keys())["admin"])
        answer = await browser.send("/runs/bulk", headers, verb="cancel", sure="yes")
        assert answer.status_code == 403


@on_loop
async def test_a_form_needs_the_stamp_of_its_session(tmp_path):
    """The stamp of another session, of nobody's, or none, is no stamp."""
    async with serving(tmp_path) as api:
        secrets = await api.make_keys()
        one, other = Browser(api), Browser(api)
        await one.log_in(secrets["admin"])
        await other.log_in(secrets["operate"])
        stamps = ["", "x", await api.service.sessions.stamp("")]
        stamps.append(await api.service.sessions.stamp(other.http.cookies[COOKIE]))
        for stamp in stamps:
            answer = await one.http.post("/runs/bulk", data={"stamp": stamp, "verb": "cancel"}, headers=HERE)
            assert answer.status_code == 403


@on_loop
async def test_buttons_are_there_for_those_who_may_press_them(tmp_path):
    """Who may only read sees no form that changes anything; a form made up by hand is refused all the same."""
    async with serving(tmp_path) as api:
        secrets = await api.make_keys()
        await api.http.post(
            "/v1/workflows/greet/runs?id=a", json="x", headers={"Authorization": f"Bearer {secrets['start']}"}
        )
        reader, operator = Browser(api), Browser(api)
        await reader.log_in(secrets["read"])
        await operator.log_in(secrets["admin"])
        assert "/runs/bulk" not in await reader.open("/runs")
        assert "/runs/bulk" in await operator.open("/runs")
        answer = await reader.send("/runs/bulk", verb="cancel")
        assert answer.status_code == 403
        assert "operate" in answer.text


@on_loop
async def test_a_log_in_leads_nowhere_else(tmp_path):
    """Where to go after a log-in is a path of ours, whatever the address says."""
    async with serving(tmp_path) as api:
        secret = (await api.make_keys())["read"]
        for goal in ("//evil.test/", "http://evil.test/", "/\\evil.test", "javascript:alert(1)", "/a\nb", ""):
            answer = await Browser(api).log_in(secret, goal)
            assert answer.headers["location"] == "/"


@on_loop
async def test_a_page_may_load_what_is_ours_and_nothing_else(tmp_path):
    """Every page has the strict policy, and holds no script and no style of its own."""
    async with serving(tmp_path) as api:
        for path in ("/", "/runs", "/runs/bulk"):
            response = await api.http.get(path)
            policy = response.headers.get("content-security-policy", "")
            if response.status_code == 200:
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert "<style" not in response.text
                assert " style=" not in response.text
                assert "<script>" not in response.text
                assert " onclick" not in response.text


@on_loop
async def test_assets_are_kept_and_nothing_else_is_read(tmp_path):
    """Style and script are there for everybody; no name leads to another file."""
    async with serving(tmp_path) as api:
        await api.make_keys()
        found = await api.http.get("/assets/style.css")
        assert found.headers["content-type"].startswith("text/css")
        assert "immutable" in found.headers["cache-control"]
        for name in (b"nothing.css", b"..%2fpages.py", b"%2e%2e%2fpages.py"):
            assert (await api.raw("GET", b"/assets/" + name)).status == 404


@on_loop
async def test_a_cookie_that_somebody_planted_is_worth_nothing(tmp_path):
    """A log-in makes a session of its own, whatever cookie was there before; nobody else can know it."""
    async with serving(tmp_path) as api:
        secrets = await api.make_keys()
        thief, victim = Browser(api), Browser(api)
        await thief.log_in(secrets["read"])
        for planted in (thief.http.cookies[COOKIE], "made.up"):
            victim.http.cookies.clear()
            victim.http.cookies.set(COOKIE, planted, domain="localhost.local")
            stamp = await api.service.sessions.stamp(planted)
            answer = await victim.http.post("/login", data={"stamp": stamp, "key": secrets["admin"]}, headers=HERE)
            begun = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
            assert begun != planted
            assert (await api.service.sessions.identify(begun)).name == "admin"
            found = await api.service.sessions.identify(planted)
            assert found is None or found.name == "read"
