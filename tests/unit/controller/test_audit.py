"""The audit log: who did what, noted with the act or not at all."""

from __future__ import annotations

import inspect

import pytest
from fastapi.routing import iter_route_contexts

from holdfast.client import audited
from holdfast.controller import Scope
from holdfast.errors import StoreError
from holdfast.ports.operations import AuditFilter, Deliver, KeepSecret, PruneAudit
from tests.unit.controller.rig import START, check_problem, on_loop, serving
from tests.unit.controller.test_access import routes_of

ORDER = {"order": {"account": "a"}}


async def log_of(api, **filters):
    """Return (actor, action, target, detail) of all entries, oldest first."""
    entries, _ = await api.store.audit(AuditFilter(**filters), limit=1_000)
    return [(each.actor, each.action, each.target, each.detail) for each in reversed(entries)]


@on_loop
async def test_every_act_is_noted_with_who_did_it(tmp_path):
    """Starts, messages, operations, forks, locks and keys, each by the key that was used; reads leave no trace."""
    async with serving(tmp_path) as api:
        http = api.http
        root = (await http.post("/v1/keys", json={"name": "root", "scopes": ["admin"]})).json()["key"]
        http.headers["authorization"] = f"Bearer {root}"
        for path, body in (
            ("/v1/workflows/Review/runs?id=r", ORDER),
            ("/v1/workflows/Review/runs?id=s&id_reuse_policy=allow_duplicate", ORDER),
            ("/v1/runs/r/signals/approve", "me"),
            ("/v1/runs/r/updates/add?timeout=1ms", {"name": "pen"}),
            ("/v1/runs/r/pause", {"reason": "lunch"}),
            ("/v1/runs/r/resume", None),
            ("/v1/runs/r/fork", {"at": "start", "id": "f"}),
            ("/v1/runs/r/cancel", {"reason": "secret"}),
            ("/v1/runs/s/terminate", None),
            ("/v1/bulk", {"verb": "pause", "where": {}}),
            ("/v1/keys", {"name": "ci", "scopes": ["read", "start"]}),
            ("/v1/keys/ci/rotate", None),
        ):
            answer = await http.post(path, json=body) if body is not None else await http.post(path)
            assert answer.status_code < 300 or "updates" in path, (path, answer.text)
        assert (await http.delete("/v1/keys/ci")).status_code == 204
        for path in ("/v1/runs", "/v1/runs/r", "/v1/runs/r/history", "/v1/keys", "/v1/audit"):
            assert (await http.get(path)).status_code == 200
        assert await log_of(api) == [
            ("local", "create-key", "root", "admin"),
            ("root", "start", "r", "Review"),
            ("root", "start", "s", "Review"),
            ("root", "signal", "r", "approve"),
            ("root", "update", "r", "add"),  # asked for; nobody is here to answer
            ("root", "pause", "r", ""),
            ("root", "resume", "r", ""),
            ("root", "fork", "f", "r"),
            ("root", "cancel", "r", ""),
            ("root", "terminate", "s", ""),
            ("root", "pause", "f", ""),
            ("root", "pause", "r", ""),
            ("root", "create-key", "ci", "read start"),
            ("root", "rotate-key", "ci", ""),
            ("root", "revoke-key", "ci", ""),
        ]
        assert "secret" not in (await http.get("/v1/audit")).text


@on_loop
async def test_what_did_nothing_is_not_noted(tmp_path):
    """A start that found its run, an act that was refused, a key nobody has: no entry."""
    async with serving(tmp_path) as api:
        http = api.http
        for _ in range(2):
            assert (await http.post("/v1/workflows/greet/runs?id=r", json="bob")).status_code in {200, 201}
        assert (await http.post("/v1/workflows/greet/runs?id=r", json="eve")).status_code == 409
        assert (await http.post("/v1/runs/nobody/cancel")).status_code == 404
        assert (await http.post("/v1/runs/r/resume")).status_code == 409
        assert (await http.delete("/v1/keys/nobody")).status_code == 404
        assert (await http.post("/v1/locks/break", json={"name": "free"})).json()["holder"] is None
        assert await log_of(api) == [("local", "start", "r", "greet")]


@on_loop
async def test_an_act_and_its_note_are_one_commit(tmp_path):
    """Either both are there or neither: what undoes the one undoes the other."""
    async with serving(tmp_path) as api:
        await api.service.starts.start("greet", b'"bob"', "r")
        store = audited(api.store, "ci")
        api.store._writer._sql = {
            **api.store._writer._sql,
            "put_audit": "INSERT INTO nowhere VALUES (?1, ?2, ?3, ?4, ?5)",
        }
        with pytest.raises(StoreError, match="nowhere"):
            await store.write([Deliver("r", "signal", "x", b"1", "op")])
        assert await api.store.execution_inbox(1) == []
        assert await log_of(api) == []


@on_loop
async def test_what_is_no_act_passes_unnoted(tmp_path):
    """Operations that nobody answers for go through as they are."""
    async with serving(tmp_path) as api:
        assert await audited(api.store, "ci").write([KeepSecret("n", b"v")]) == [b"v"]
        assert await log_of(api) == []


@on_loop
async def test_the_log_is_read_by_pages_and_filters(tmp_path):
    """Newest first, by whom, what and to what; an odd cursor is refused; what is old is let go."""
    async with serving(tmp_path) as api:
        http = api.http
        for number in range(5):
            await http.post(f"/v1/workflows/greet/runs?id=r-{number}", json="bob")
            api.clock.time += 1.0
        await http.post("/v1/runs/r-1/cancel")
        seen, cursor = [], ""
        while cursor is not None:
            page = (await http.get("/v1/audit", params={"limit": 4, **({"cursor": cursor} if cursor else {})})).json()
            seen += [each["target"] for each in page["entries"]]
            cursor = page["next"]
        assert seen == ["r-1", "r-4", "r-3", "r-2", "r-1", "r-0"]
        assert await log_of(api, target="r-1") == [("local", "start", "r-1", "greet"), ("local", "cancel", "r-1", "")]
        assert len(await log_of(api, action="start")) == 5
        assert await log_of(api, actor="somebody") == []
        check_problem(await http.get("/v1/audit?cursor=x"), 422, "HF402")
        check_problem(await http.get(f"/v1/audit?cursor={'9' * 30}"), 422, "HF402")
        assert await api.store.write([PruneAudit(START + 3.0, 2)]) == [2]
        assert await api.store.write([PruneAudit(START + 3.0, 2)]) == [1]
        assert [target for _, _, target, _ in await log_of(api)] == ["r-3", "r-4", "r-1"]


WRITES_NOTHING_OF_THEIRS = {
    ("POST", "/v1/runs/{run_id}/queries/{name}"),  # reads
    ("POST", "/replay"),  # looks at a file that is handed in
}


@on_loop
async def test_every_route_that_changes_something_hands_on_who_does_it(tmp_path):
    """A route with a scope that writes asks for the principal, from the route objects: a new one is looked at here."""
    async with serving(tmp_path) as api:
        for (method, path), required in routes_of(api.app).items():
            if method == "GET" or not isinstance(required, Scope) or (method, path) in WRITES_NOTHING_OF_THEIRS:
                continue
            route = next(
                each.original_route
                for each in iter_route_contexts(api.app.routes)
                if each.path == path and method in each.methods
            )
            assert "principal" in inspect.signature(route.endpoint).parameters, (method, path)
