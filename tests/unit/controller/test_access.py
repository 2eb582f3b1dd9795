"""Who may do what: every route against every kind of key, and paths that try to slip past."""

from __future__ import annotations

import re

import pytest
from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from holdfast.controller import Scope
from holdfast.controller.http import EXEMPT, About, Public, ScopedRoute, check_routes, requires
from holdfast.controller.http.application import ROUTERS
from holdfast.controller.starts import StartOptions
from holdfast.dashboard.doors import PageRoute
from holdfast.errors import DefinitionError, RunConflictError
from holdfast.ports.engine import StartRequest
from holdfast.ports.operations import TERMINATE_EXISTING, USE_EXISTING, IdPolicy
from tests.unit.controller.rig import check_problem, on_loop, serving

EXPECTED = {
    ("POST", "/v1/workflows/{name}/runs"): Scope.START,
    ("GET", "/v1/runs"): Scope.READ,
    ("GET", "/v1/runs/{run_id}"): Scope.READ,
    ("GET", "/v1/runs/{run_id}/result"): Scope.READ,
    ("GET", "/v1/runs/{run_id}/history"): Scope.READ,
    ("GET", "/v1/runs/{run_id}/events"): Scope.READ,
    ("GET", "/v1/runs/{run_id}/stream"): Scope.READ,
    ("GET", "/v1/runs/{run_id}/streams"): Scope.READ,
    ("GET", "/v1/runs/{run_id}/explain"): Scope.READ,
    ("POST", "/v1/runs/{run_id}/cancel"): Scope.OPERATE,
    ("POST", "/v1/runs/{run_id}/terminate"): Scope.OPERATE,
    ("POST", "/v1/runs/{run_id}/pause"): Scope.OPERATE,
    ("POST", "/v1/runs/{run_id}/resume"): Scope.OPERATE,
    ("POST", "/v1/runs/{run_id}/fork"): Scope.OPERATE,
    ("POST", "/v1/bulk"): Scope.OPERATE,
    ("POST", "/v1/bulk/fork"): Scope.OPERATE,
    ("POST", "/v1/runs/{run_id}/signals/{name}"): Scope.SIGNAL,
    ("POST", "/v1/runs/{run_id}/updates/{name}"): Scope.SIGNAL,
    ("GET", "/v1/runs/{run_id}/queries/{name}"): Scope.READ,
    ("POST", "/v1/runs/{run_id}/queries/{name}"): Scope.READ,
    ("GET", "/v1/workflows"): Scope.READ,
    ("GET", "/v1/workflows/{name}"): Scope.READ,
    ("GET", "/v1/workers"): Scope.READ,
    ("GET", "/v1/pools"): Scope.READ,
    ("POST", "/v1/pools/{name}/pause"): Scope.OPERATE,
    ("POST", "/v1/pools/{name}/resume"): Scope.OPERATE,
    ("POST", "/v1/pools/{name}/limit"): Scope.OPERATE,
    ("POST", "/v1/pools/{name}/drain"): Scope.OPERATE,
    ("POST", "/v1/limits/set"): Scope.OPERATE,
    ("GET", "/v1/locks"): Scope.READ,
    ("POST", "/v1/locks/break"): Scope.OPERATE,
    ("GET", "/v1/limits"): Scope.READ,
    ("GET", "/v1/contracts"): Scope.READ,
    ("POST", "/v1/contracts/relearn"): Scope.OPERATE,
    ("GET", "/v1/drifts"): Scope.READ,
    ("POST", "/v1/drifts/{id}/resolve"): Scope.OPERATE,
    ("POST", "/v1/drifts/{id}/accept"): Scope.OPERATE,
    ("GET", "/v1/ai/usage"): Scope.READ,
    ("GET", "/v1/ai/budgets"): Scope.READ,
    ("POST", "/v1/ai/budgets/grant"): Scope.OPERATE,
    ("GET", "/v1/captures"): Scope.READ,
    ("GET", "/v1/notices"): Scope.READ,
    ("POST", "/v1/notices/{id}/resend"): Scope.OPERATE,
    ("GET", "/v1/captures/{name}"): Scope.READ,
    ("POST", "/v1/workflows/{name}/events"): Scope.START,
    ("GET", "/v1/gatherings"): Scope.READ,
    ("GET", "/v1/gatherings/{gathering}"): Scope.READ,
    ("POST", "/v1/gatherings/{gathering}/begin"): Scope.OPERATE,
    ("GET", "/v1/schedules"): Scope.READ,
    ("GET", "/v1/schedules/{name}"): Scope.READ,
    ("PUT", "/v1/schedules/{name}"): Scope.OPERATE,
    ("DELETE", "/v1/schedules/{name}"): Scope.OPERATE,
    ("POST", "/v1/schedules/{name}/pause"): Scope.OPERATE,
    ("POST", "/v1/schedules/{name}/resume"): Scope.OPERATE,
    ("POST", "/v1/schedules/{name}/backfill"): Scope.OPERATE,
    ("POST", "/v1/schedules/{name}/run"): Scope.START,
    ("GET", "/v1/audit"): Scope.ADMIN,
    ("GET", "/v1/events"): Scope.READ,
    ("POST", "/v1/hooks/{name}"): Public.YES,
    ("GET", "/v1/deliveries"): Scope.READ,
    ("GET", "/v1/deliveries/{delivery}"): Scope.READ,
    ("POST", "/v1/deliveries/{delivery}/redeliver"): Scope.OPERATE,
    ("POST", "/v1/deliveries/redeliver"): Scope.OPERATE,
    ("GET", "/v1/keys"): Scope.ADMIN,
    ("POST", "/v1/keys"): Scope.ADMIN,
    ("DELETE", "/v1/keys/{name}"): Scope.ADMIN,
    ("POST", "/v1/keys/{name}/rotate"): Scope.ADMIN,
    ("GET", "/openapi.json"): Scope.READ,
    ("GET", "/metrics"): Scope.READ,
    ("GET", "/healthz"): Public.YES,
    ("POST", "/v1/callbacks/{token}"): Public.YES,
    ("GET", "/readyz"): Public.YES,
    ("GET", "/"): Scope.READ,
    ("GET", "/live"): Scope.READ,
    ("GET", "/runs"): Scope.READ,
    ("GET", "/runs/live"): Scope.READ,
    ("POST", "/runs/bulk"): Scope.OPERATE,
    ("GET", "/runs/{run_id}"): Scope.READ,
    ("GET", "/runs/{run_id}/live"): Scope.READ,
    ("GET", "/runs/{run_id}/events/{event}"): Scope.READ,
    ("POST", "/runs/{run_id}/do/{verb}"): Scope.OPERATE,
    ("POST", "/runs/{run_id}/fork"): Scope.OPERATE,
    ("GET", "/runs/{run_id}/signal/{name}"): Scope.SIGNAL,
    ("POST", "/runs/{run_id}/signal/{name}"): Scope.SIGNAL,
    ("GET", "/runs/{run_id}/update/{name}"): Scope.SIGNAL,
    ("POST", "/runs/{run_id}/update/{name}"): Scope.SIGNAL,
    ("GET", "/runs/{run_id}/query/{name}"): Scope.READ,
    ("POST", "/runs/{run_id}/query/{name}"): Scope.READ,
    ("GET", "/start"): Scope.START,
    ("GET", "/start/{name}"): Scope.START,
    ("POST", "/start/{name}"): Scope.START,
    ("GET", "/fleet"): Scope.READ,
    ("GET", "/fleet/live"): Scope.READ,
    ("POST", "/fleet/pools/{name}/{verb}"): Scope.OPERATE,
    ("POST", "/fleet/locks/break"): Scope.OPERATE,
    ("GET", "/ai"): Scope.READ,
    ("POST", "/ai/budgets/grant"): Scope.OPERATE,
    ("GET", "/drifts"): Scope.READ,
    ("GET", "/drifts/{number}"): Scope.READ,
    ("POST", "/drifts/{number}/resolve"): Scope.OPERATE,
    ("POST", "/drifts/{number}/accept"): Scope.OPERATE,
    ("GET", "/schedules"): Scope.READ,
    ("GET", "/schedules/{name}"): Scope.READ,
    ("POST", "/schedules/{name}/run"): Scope.START,
    ("POST", "/schedules/{name}/do/{verb}"): Scope.OPERATE,
    ("GET", "/deliveries"): Scope.READ,
    ("GET", "/deliveries/{delivery}"): Scope.READ,
    ("POST", "/deliveries/{delivery}/redeliver"): Scope.OPERATE,
    ("GET", "/replay"): Scope.READ,
    ("POST", "/replay"): Scope.READ,
    ("GET", "/replay/{name}"): Scope.READ,
    ("GET", "/replay/{name}/file"): Scope.READ,
    ("GET", "/keys"): Scope.ADMIN,
    ("POST", "/keys"): Scope.ADMIN,
    ("POST", "/keys/{name}/rotate"): Scope.ADMIN,
    ("POST", "/keys/{name}/revoke"): Scope.ADMIN,
    ("GET", "/audit"): Scope.ADMIN,
    ("GET", "/login"): Public.YES,
    ("POST", "/login"): Public.YES,
    ("POST", "/logout"): Public.YES,
    ("GET", "/assets/{name}"): Public.YES,
    ("GET", "/errors/{code}"): Public.YES,
}


def routes_of(app):
    """Return the scope of every route, by method and path, from the route objects."""
    found = {}
    for each in iter_route_contexts(app.routes):
        for method in each.methods:
            found[method, each.path] = each.original_route.required
    return found


FORMS = {"/login", "/logout"}
"""Public pages that change something: they take forms of their own pages only."""


def is_page(app, method, path):
    """Say whether a route is for people."""
    (route,) = [
        each.original_route for each in iter_route_contexts(app.routes) if each.path == path and method in each.methods
    ]
    return isinstance(route, PageRoute)


def concrete(path):
    """Return a path with something in place of its parameters."""
    path = path.replace("{run_id}", "r-1").replace("{code}", "HF601").replace("{delivery}", "1").replace("{event}", "1")
    return re.sub(r"\{[^}]*\}", "x", path).encode()


@on_loop
async def test_the_table_of_scopes_is_the_one_that_was_agreed(tmp_path):
    """A route that is new, gone or differently scoped shows up here, to be looked at."""
    async with serving(tmp_path) as api:
        assert routes_of(api.app) == EXPECTED
        assert {path for (_, path), scope in EXPECTED.items() if scope is Public.YES} == EXEMPT


@on_loop
async def test_every_route_lets_in_exactly_those_it_should(tmp_path):
    """Each route object, with each kind of key and without: 401, 403, or whatever the route itself answers."""
    async with serving(tmp_path) as api:
        secrets = await api.make_keys()
        gone = await api.service.keys.create("gone", [Scope.ADMIN])
        await api.service.keys.revoke("gone")
        for (method, path), required in routes_of(api.app).items():
            refused = {
                "nothing": {},
                "nonsense": {"authorization": "Bearer nonsense"},
                "no scheme": {"authorization": secrets["admin"]},
                "other scheme": {"authorization": f"Basic {secrets['admin']}"},
                "revoked": {"authorization": f"Bearer {gone.secret}"},
                "half": {"authorization": f"Bearer {secrets['admin'][:-1]}"},
            }
            for words, headers in refused.items():
                reply = await api.raw(method, concrete(path), **headers)
                if required is Public.YES:
                    assert reply.status in ({403, 415} if method == "POST" and path in FORMS else {200, 404}), (
                        method,
                        path,
                        words,
                    )
                elif words == "nothing" and is_page(api.app, method, path):
                    assert reply.status == 401  # in words for people: the log-in
                    assert "text/html" in reply.headers["content-type"]
                else:
                    check_problem(reply, 401, "HF651")
                    assert reply.headers["www-authenticate"] == "Bearer"
            for name, secret in secrets.items():
                reply = await api.raw(method, concrete(path), authorization=f"bearer {secret}")
                if required in {Public.YES, name} or name == "admin":
                    assert reply.status not in {401, 403}, (method, path, name, reply)
                else:
                    assert required.value in check_problem(reply, 403, "HF652")["detail"]


@on_loop
async def test_two_authorization_headers_are_none(tmp_path):
    """A request that shows two keys shows none: a proxy may have looked at the other one."""
    async with serving(tmp_path) as api:
        secrets = await api.make_keys()
        headers = [("Authorization", f"Bearer {secrets['admin']}"), ("Authorization", f"Bearer {secrets['read']}")]
        assert (await api.http.get("/v1/runs", headers=headers)).status_code == 401


TRICKS = [
    b"/v1/keys",
    b"//v1/keys",
    b"/v1//keys",
    b"/v1/keys/",
    b"/v1/keys//",
    b"/./v1/keys",
    b"/v1/./keys",
    b"/healthz/../v1/keys",
    b"/healthz/%2e%2e/v1/keys",
    b"/%2e%2e/v1/keys",
    b"/healthz%2f..%2fv1%2fkeys",
    b"/v1%2fkeys",
    b"/v1/%6beys",
    b"/%76%31/keys",
    b"/V1/keys",
    b"/v1/KEYS",
    b"/v1/keys;/healthz",
    b"/healthz;/v1/keys",
    b"/v1/keys;x=1",
    b"/v1/keys%00",
    b"/v1/keys%20",
    b"/v1/keys%0a",
    b"/v1/keys%3f/healthz",
    b"/v1/keys?/healthz",
    b"/v1/keys#/healthz",
    b"/v1/runs/..%2f..%2fhealthz",
    b"/v1\\keys",
    b"/healthz/v1/keys",
    b"/healthz\x00/v1/keys",
    b"/v1/keys/%2e%2e/runs",
    b"/v1/runs/healthz/history",
    b"http://localhost/v1/keys",
    b"*",
    b"",
]


@pytest.mark.parametrize("path", TRICKS)
@on_loop
async def test_no_spelling_of_a_path_slips_past(tmp_path, path):
    """However a path is spelled, nothing protected is answered without a key, or with one for something else."""
    async with serving(tmp_path) as api:
        secrets = await api.make_keys()
        reply = await api.raw("GET", path)
        assert reply.status in {401, 404}
        assert b"key_hash" not in reply.body
        assert b'"keys"' not in reply.body
        reply = await api.raw("GET", path, authorization=f"Bearer {secrets['start']}")
        assert reply.status in {403, 404}


def spellings(path):
    """Return other ways to write a path, of which some server somewhere made the path itself."""
    head, _, tail = path.rpartition(b"/")
    yield b"/" + path
    yield path + b"/"
    yield path + b"//"
    yield path + b"/."
    yield path + b"/x/%2e%2e"
    yield path + b"/../" + tail
    yield path + b";x"
    yield path + b";/healthz"
    yield path + b"%00"
    yield path + b"%20"
    yield path + b".json"
    yield path + b"?/healthz"
    yield path + b"/healthz"
    yield head + b"//" + tail
    yield head + b"/./" + tail
    yield head + b"/%2e/" + tail
    yield head + b"%2f" + tail
    yield head + b"\\" + tail
    yield b"/healthz/.." + path
    yield b"/healthz/%2e%2e" + path
    yield b"/healthz%2f%2e%2e" + path
    yield path.upper()
    yield path.replace(b"v1", b"%761")


OVERRIDES = {
    "x-http-method-override": "GET",
    "x-http-method": "GET",
    "x-method-override": "GET",
    "x-original-url": "/healthz",
    "x-rewrite-url": "/healthz",
    "x-forwarded-path": "/healthz",
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-user": "admin",
    "forwarded": "for=127.0.0.1;host=localhost",
}


@on_loop
async def test_no_spelling_of_any_route_slips_past(tmp_path):
    """Every route object, spelled in every odd way and with headers that ask for another one: nothing is served."""
    async with serving(tmp_path) as api:
        secrets = await api.make_keys()
        for (method, path), required in routes_of(api.app).items():
            if required is Public.YES:
                continue
            other = secrets["signal" if required is not Scope.SIGNAL else "start"]
            for spelled in (concrete(path), *spellings(concrete(path))):
                for key in ({}, {"authorization": f"Bearer {other}"}):
                    reply = await api.raw(method, spelled, **key, **OVERRIDES)
                    assert reply.status in {401, 403, 404, 405}, (method, spelled, key, reply)


@on_loop
async def test_a_key_for_some_workflows_has_to_do_with_no_other(tmp_path):
    """Each route with a key for another workflow: refused, or as if nothing were there; a new route is closed."""
    async with serving(tmp_path) as api:
        await api.http.post("/v1/workflows/greet/runs?id=r-1", json="bob")
        await api.make_keys()
        issued = await api.service.keys.create("other", [Scope.ADMIN], workflows=["idle"])
        headers = {"authorization": f"Bearer {issued.secret}"}
        abouts = {
            (method, each.path): each.original_route.about
            for each in iter_route_contexts(api.app.routes)
            for method in each.methods
        }
        for (method, path), required in routes_of(api.app).items():
            if required is Public.YES:
                continue
            reply = await api.raw(method, concrete(path), **headers)
            match abouts[method, path]:
                case About.RUN:
                    assert check_problem(reply, 404, "HF601")["detail"].startswith("there is no run 'r-1'")
                case About.SELECTION:
                    expected = {415} if method == "POST" and is_page(api.app, method, path) else {200, 422}
                    assert reply.status in expected, (method, path, reply)
                    assert b"r-1" not in reply.body
                    assert b"greet" not in reply.body
                case _:
                    assert "idle" in check_problem(reply, 403)["detail"], (method, path)
        assert (await api.http.get("/v1/runs/r-1", headers={"authorization": f"Bearer {api.secrets['read']}"})).json()[
            "status"
        ] == "RUNNING"


@on_loop
async def test_a_key_for_some_workflows_works_for_those(tmp_path):
    """It starts, reads, finds and operates runs of its own workflows, and bulk touches no others."""
    async with serving(tmp_path) as api:
        issued = await api.service.keys.create("own", [Scope.ADMIN], workflows=["greet", "idle"])
        root = await api.service.keys.create("root", [Scope.ADMIN])
        http = api.http
        mine = {"authorization": f"Bearer {issued.secret}"}
        all_of_it = {"authorization": f"Bearer {root.secret}"}
        order = {"order": {"account": "a"}}
        assert (await http.post("/v1/workflows/Review/runs?id=o-1", json=order, headers=all_of_it)).status_code == 201
        assert (await http.post("/v1/workflows/greet/runs?id=g-1", json="bob", headers=mine)).status_code == 201
        assert (await http.post("/v1/workflows/idle/runs?id=i-1", headers=mine)).status_code == 201
        listed = (await http.get("/v1/runs", headers=mine)).json()["runs"]
        assert [each["run_id"] for each in listed] == ["i-1", "g-1"]
        listed = (await http.get("/v1/runs?workflow=greet", headers=mine)).json()["runs"]
        assert [each["run_id"] for each in listed] == ["g-1"]
        assert (await http.get("/v1/runs?workflow=Review", headers=mine)).json()["runs"] == []
        names = [each["name"] for each in (await http.get("/v1/workflows", headers=mine)).json()["workflows"]]
        assert names == ["greet", "idle"]
        assert (await http.get("/v1/runs/g-1/history", headers=mine)).status_code == 200
        bulk = {"verb": "pause", "where": {}}
        done = (await http.post("/v1/bulk", json=bulk, headers=mine)).json()
        assert (done["matched"], sorted(done["done"])) == (2, ["g-1", "i-1"])
        assert (await http.get("/v1/runs/o-1", headers=all_of_it)).json()["status"] == "RUNNING"
        for policy in ("use_existing", "terminate_existing"):
            path = f"/v1/workflows/greet/runs?id=o-1&id_conflict_policy={policy}"
            check_problem(await http.post(path, json="bob", headers=mine), 409, "HF603")
        assert (await http.get("/v1/runs/o-1", headers=all_of_it)).json()["status"] == "RUNNING"


@on_loop
async def test_whose_run_it_is_is_looked_at_in_the_commit(tmp_path):
    """A run of another workflow that comes between a start and its commit is neither given away nor ended."""
    async with serving(tmp_path) as api:
        for name, conflict, signal in (("a", USE_EXISTING, None), ("b", TERMINATE_EXISTING, None), ("c", "", "go")):

            async def overtake(run_id=name):
                await api.engine.start([StartRequest("greet", run_id, b'"ann"')])

            api.service.starts._backlog.check, check = overtake, api.service.starts._backlog.check
            try:
                options = StartOptions(
                    policy=IdPolicy(conflict=conflict) if conflict else None,
                    signal=None if signal is None else (signal, b"1"),
                )
                with pytest.raises(RunConflictError):
                    await api.service.starts.start("idle", b"", name, options, only=["idle"])
            finally:
                api.service.starts._backlog.check = check
            record = await api.store.run(name)
            assert (record.workflow, record.execution, record.status) == ("greet", name, "RUNNING")
            assert await api.store.execution_inbox(record.execution_id) == []


@on_loop
async def test_methods_do_not_slip_past_either(tmp_path):
    """A method that a path does not have is refused, also when a header asks to take it for another."""
    async with serving(tmp_path) as api:
        secrets = await api.make_keys()
        for method in ("HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "get", "CONNECT", "X"):
            assert (await api.raw(method, b"/v1/keys")).status == 405
        headers = {"authorization": f"Bearer {secrets['read']}", "x-http-method-override": "DELETE"}
        assert (await api.raw("GET", b"/v1/keys/read", **headers)).status == 405
        assert (await api.raw("GET", b"/v1/runs", **headers)).status == 200


@on_loop
async def test_without_keys_all_is_open_on_loopback_only(tmp_path):
    """No key, no question, as long as only this machine gets here; the first key closes the door at once."""
    async with serving(tmp_path) as api:
        assert (await api.raw("GET", b"/v1/keys")).status == 200
        await api.service.keys.create("read", [Scope.READ])
        assert (await api.raw("GET", b"/v1/keys")).status == 401
        await api.service.keys.revoke("read")
        assert (await api.raw("GET", b"/v1/keys")).status == 401
    (tmp_path / "public").mkdir()
    async with serving(tmp_path / "public", host="192.0.2.1") as api:
        assert (await api.raw("GET", b"/v1/keys")).status == 401
        assert (await api.raw("GET", b"/healthz")).status == 200


# --- Routes without a scope --------------------------------------------------------------------------------------


async def dummy():
    """Answer something nobody should see."""
    return PlainTextResponse("secret")


@requires(Public.YES)
async def shameless():
    """Claim to be public."""
    return PlainTextResponse("secret")


@requires(Scope.READ)
async def declared():
    """Declare a scope on a route that does not look at it."""
    return PlainTextResponse("secret")


@requires(Scope.OPERATE)
async def name_of(name: str):
    """Answer with a part of the path."""
    return PlainTextResponse(name)


def router_with(add, **options):
    """Return a router that `add` was applied to."""
    router = APIRouter(**options)
    add(router)
    return router


FORGETFUL = {
    "a plain route": router_with(lambda router: router.get("/dummy")(dummy)),
    "a scoped route without a scope": router_with(lambda router: router.get("/dummy")(dummy), route_class=ScopedRoute),
    "a plain route with a scope nobody enforces": router_with(lambda router: router.get("/dummy")(declared)),
    "a public route that is not exempt": router_with(
        lambda router: router.get("/dummy")(shameless), route_class=ScopedRoute
    ),
    "a mounted application": router_with(lambda router: router.routes.append(Mount("/dummy", app=dummy))),
    "a bare route": router_with(lambda router: router.routes.append(Route("/dummy", dummy))),
    "a web socket": router_with(lambda router: router.add_api_websocket_route("/dummy", dummy)),
    "a router in a router": router_with(
        lambda router: router.include_router(router_with(lambda inner: inner.get("/dummy")(dummy)), prefix="/v1")
    ),
}


@pytest.mark.parametrize("router", FORGETFUL.values(), ids=FORGETFUL.keys())
@on_loop
async def test_a_route_without_a_scope_stops_the_start(tmp_path, router):
    """A route that does not say who may use it is found when the application is made, however it was added."""
    with pytest.raises(DefinitionError, match="dummy"):
        async with serving(tmp_path, routers=[router]):
            pass


@on_loop
async def test_a_route_added_later_is_closed_and_found_at_start_up(tmp_path):
    """A route added to the finished application answers nobody, and its server does not start."""
    async with serving(tmp_path) as api:
        check_routes(api.app)
        api.app.get("/dummy")(dummy)
        reply = await api.raw("GET", b"/dummy")
        check_problem(reply, 403)
        assert b"secret" not in reply.body
        with pytest.raises(DefinitionError):
            check_routes(api.app)


@on_loop
async def test_a_router_of_somebody_else_is_served_behind_its_scope(tmp_path):
    """Whoever builds on the controller adds routes that declare a scope, and they are enforced."""
    router = router_with(
        lambda router: router.get("/{name}")(name_of),
        route_class=ScopedRoute,
        prefix="/extra",
    )
    async with serving(tmp_path, routers=[router]) as api:
        assert (await api.raw("GET", b"/extra/x")).body == b"x"
        secrets = await api.make_keys()
        assert (await api.raw("GET", b"/extra/x")).status == 401
        assert (await api.raw("GET", b"/extra/x", authorization=f"Bearer {secrets['read']}")).status == 403
        assert (await api.raw("GET", b"/extra/x", authorization=f"Bearer {secrets['operate']}")).body == b"x"


def test_every_router_is_of_scoped_routes():
    """No router of ours is of plain routes, so that a forgotten scope is at least a closed door."""
    assert all(issubclass(each.route_class, ScopedRoute) for each in ROUTERS)
