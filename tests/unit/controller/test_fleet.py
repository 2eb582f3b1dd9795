"""What people decide about pools and limits over HTTP: it holds at once, is shown, and is in the audit log."""

from __future__ import annotations

import pytest

from tests.unit.controller.rig import check_problem, on_loop, serving

pytestmark = pytest.mark.usefixtures("backend")


@on_loop
async def test_a_limit_is_set_and_lifted(tmp_path):
    """The answer is the limit as it is now; what is no figure of one is a problem, and changes nothing."""
    async with serving(tmp_path) as api:
        path = "/v1/limits/set"
        (shown,) = (await api.http.post(path, json={"kind": "rate", "name": "a/b", "limit": 2.5})).json()["limits"]
        assert (shown["limit"], shown["set_by"]) == (2.5, "local")
        for wrong in (
            {"kind": "concurrency", "name": "crm", "limit": 2.5},
            {"kind": "concurrency", "name": "crm", "limit": 0},
            {"kind": "host", "name": "crm", "limit": 1},
            {"kind": "rate", "name": "crm"},
        ):
            check_problem(await api.http.post(path, json=wrong), 422, "HF402")
        assert len((await api.http.get("/v1/limits")).json()["limits"]) == 1
        assert (await api.http.post(path, json={"kind": "rate", "name": "a/b", "limit": None})).json() == {"limits": []}
        entries = (await api.http.get("/v1/audit")).json()["entries"]
        assert [(each["action"], each["target"]) for each in entries] == [("set-limit", "a/b")] * 2


@on_loop
async def test_a_pool_is_drained(tmp_path):
    """A pool of which nothing is under way is empty at once, and stays paused."""
    async with serving(tmp_path) as api:
        answer = await api.http.post("/v1/pools/gpu/drain", params={"wait": "10s"})
        assert (answer.status_code, answer.json()["paused"], answer.json()["in_flight"]) == (200, True, 0)
        check_problem(await api.http.post("/v1/pools/gpu/drain", params={"wait": "2h"}), 422, "HF402")
