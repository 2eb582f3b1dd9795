"""What was learned of answers is listed over HTTP, and learned anew."""

from __future__ import annotations

from holdfast.ports.contracts import Contract, Difference, Kind, Learned, encode_learned
from holdfast.ports.operations import AuditFilter, ContractRecord, KeepContract, NoteRetirement
from tests.unit.controller.rig import check_problem, on_loop, serving


@on_loop
async def test_contracts_are_listed_and_learned_anew(tmp_path):
    """With their schema, and how they differ from the version before; who had one learned anew is in the audit log."""
    async with serving(tmp_path) as api:
        await api.make_keys()
        headers = {"Authorization": f"Bearer {api.secrets['operate']}"}
        reads = {"Authorization": f"Bearer {api.secrets['read']}"}
        learned = Learned(
            Contract(20, (200,), ("application/json",), {"type": "object"}),
            (Difference(Kind.WIDENED, "id", "a valid string", "null"),),
        )
        record = ContractRecord("h", "GET /x/{}", 1, 1, is_learned=True, answers=20, body=encode_learned(learned))
        await api.store.write([KeepContract(record), NoteRetirement("h", "GET /x/{}", 0.0, 86_400.0, "", "r-1")])
        listed = (await api.http.get("/v1/contracts", headers=reads)).json()
        (contract,), (retirement,) = listed["contracts"], listed["retirements"]
        assert (contract["version"], contract["state"], contract["answers"]) == (1, "learned", 20)
        assert (contract["json_schema"], contract["types"]) == ({"type": "object"}, ["application/json"])
        assert contract["changes"][0]["kind"] == "widened"
        assert retirement["sunset_at"] == "1970-01-02T00:00:00.000000Z"
        where = {"host": "h", "endpoint": "GET /x/{}"}
        anew = (await api.http.post("/v1/contracts/relearn", params=where, headers=headers)).json()
        assert (anew["version"], anew["state"], anew["answers"]) == (2, "learning", 0)
        entries, _ = await api.store.audit(AuditFilter(action="relearn-contract"), limit=10)
        assert [(each.target, each.detail) for each in entries] == [("h", "GET /x/{}")]
        nowhere = {"host": "h", "endpoint": "GET /y"}
        check_problem(await api.http.post("/v1/contracts/relearn", params=nowhere, headers=headers), 404, "HF604")
