"""Captures over HTTP."""

from __future__ import annotations

import os

from holdfast.history import CapturedFailure, CaptureNote, WorkflowStarted, to_json
from holdfast.replay import load_history
from holdfast.replay.captures import CaptureFolder
from tests.unit.controller.rig import check_problem, on_loop, serving

NOTE = CaptureNote(
    reason="failed",
    status="FAILED",
    captured_at="2026-11-29T12:00:00Z",
    created_at="2026-11-29T11:00:00Z",
    code_version="c1",
    failure=CapturedFailure("ValueError", "no"),
)


def put(folder: CaptureFolder, run_id: str, *, captured_at: str = NOTE.captured_at) -> bytes:
    """Write a capture; return its content."""
    note = CaptureNote(**{name: getattr(NOTE, name) for name in NOTE.__struct_fields__} | {"captured_at": captured_at})
    start = WorkflowStarted(1.0, 0, "W", run_id, run_id, b'{"a": 1}', 1, 0, "c1", "3.11")
    content = to_json([start], capture=note)
    folder.put(f"W.{run_id}.1", content)
    return content


@on_loop
async def test_a_capture_is_listed_and_handed_out(tmp_path):
    """The list says what happened; the file comes as it is, by its name or its run, and is read by load_history."""
    async with serving(tmp_path) as api:
        assert (await api.http.get("/v1/captures")).json() == {"captures": [], "next": None}
        content = put(CaptureFolder(tmp_path / "captures"), "r-1")
        assert (await api.http.get("/v1/captures")).json()["captures"] == [
            {
                "name": "W.r-1.1",
                "workflow": "W",
                "run_id": "r-1",
                "execution": "r-1",
                "reason": "failed",
                "status": "FAILED",
                "captured_at": "2026-11-29T12:00:00.000000Z",
                "failure": {"type": "ValueError", "message": "no"},
                "code_version": "c1",
                "size_bytes": len(content),
                "problem": None,
            }
        ]
        for name in ("W.r-1.1", "r-1"):
            response = await api.http.get(f"/v1/captures/{name}")
            assert response.content == content
            assert response.headers["content-disposition"] == 'attachment; filename="W.r-1.1.json"'
        assert load_history(content).capture == NOTE
        check_problem(await api.http.get("/v1/captures/r-2"), 404)


@on_loop
async def test_lists_page(tmp_path):
    """Newest first, cut into pages that miss nothing; a cursor that is none is refused."""
    async with serving(tmp_path) as api:
        for number in range(5):
            put(CaptureFolder(tmp_path / "captures"), f"r-{number}", captured_at=f"2026-11-29T12:00:0{number}Z")
        found, cursor = [], None
        while True:
            parameters = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await api.http.get("/v1/captures", params=parameters)).json()
            found += [each["run_id"] for each in page["captures"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert found == ["r-4", "r-3", "r-2", "r-1", "r-0"]
        check_problem(await api.http.get("/v1/captures", params={"cursor": "x"}), 422)


@on_loop
async def test_names_reach_no_other_file(tmp_path):
    """A name is looked for among the captures: it is no path."""
    (tmp_path / "secret.json").write_bytes(to_json([WorkflowStarted(1.0, 0, "W", "s", "s", b"1", 1, 0, "", "3.11")]))
    async with serving(tmp_path) as api:
        put(CaptureFolder(tmp_path / "captures"), "r-1")
        for name in (
            b"..%2Fsecret",
            b"..%2Fsecret.json",
            b"%2E%2E",
            os.fsencode(tmp_path / "secret").replace(b"/", b"%2F"),
        ):
            assert (await api.raw("GET", b"/v1/captures/" + name)).status == 404, name
