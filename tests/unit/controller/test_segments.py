"""Ids with a slash in them: an encoded one is part of what a path names."""

from __future__ import annotations

from tests.unit.controller.rig import on_loop, serving

IDS = ("order/17", "/", "a/history", "a/b/c", "50%/2F", "%2F", "ü/\U000f002f")


def encoded(run_id):
    """Return an id as one part of a path."""
    return "".join(f"%{each:02X}" if each in b"/%" or each > 127 else chr(each) for each in run_id.encode())


@on_loop
async def test_a_slash_that_is_encoded_belongs_to_the_id(tmp_path):
    """Runs are started, read and cancelled by ids with slashes, and none is taken for another."""
    async with serving(tmp_path) as api:
        for run_id in ("a", *IDS):
            reply = await api.http.post("/v1/workflows/idle/runs", params={"id": run_id})
            assert reply.status_code in {200, 201, 202}, reply.text
        for run_id in IDS:
            reply = await api.http.get(f"/v1/runs/{encoded(run_id)}")
            assert reply.json()["run_id"] == run_id
            history = await api.http.get(f"/v1/runs/{encoded(run_id)}/history")
            assert history.status_code == 200, history.text
        assert (await api.http.post("/v1/runs/order%2f17/cancel")).is_success
        assert (await api.http.post("/v1/runs/a%2Fcancel")).status_code == 405
        entries = (await api.http.get("/v1/audit")).json()["entries"]
        assert [each["target"] for each in entries if each["action"] == "cancel"] == ["order/17"]
        assert (await api.http.get("/v1/runs/order/17")).status_code == 404


@on_loop
async def test_an_encoded_slash_parts_nothing(tmp_path):
    """A path whose parts are joined by encoded slashes is none of ours."""
    async with serving(tmp_path) as api:
        for path in ("/v1%2Fruns", "/v1%2fworkflows/idle/runs", "/v1/runs%2Fa"):
            assert (await api.http.get(path)).status_code == 404, path
