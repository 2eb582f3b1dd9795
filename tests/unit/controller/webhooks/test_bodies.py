"""Bodies of webhooks have contracts: what breaks one starts nothing, and is reported once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from holdfast import Stripe, webhook, workflow
from holdfast.errors import DefinitionError
from holdfast.ports.mappings import Move
from holdfast.ports.operations import SettleDrift
from tests.unit.controller.rig import START, check_problem, on_loop, serving
from tests.unit.controller.webhooks.senders import SECRETS, stripe


class Payment(BaseModel):
    """What is sent."""

    id: str
    cents: int


@workflow
async def paid(body: dict[str, Any]) -> None:
    """Start with the whole body."""


DEFINITIONS = (
    paid,
    webhook("typed", verify=Stripe("env:HOOK_STRIPE"), start=paid, contract=Payment),
    webhook("learned", verify=Stripe("env:HOOK_STRIPE"), start=paid, contract="learn", matches=["state"]),
)


@pytest.fixture(autouse=True)
def _secrets(monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


async def send(api, name, number, **body):
    """Send a delivery, as its sender does."""
    text = msgspec.json.encode({"id": f"evt_{number}", "type": "charge", **body})
    return await api.http.post(f"/v1/hooks/{name}", content=text, headers=stripe(text, at=int(START)))


@on_loop
async def test_a_body_that_is_not_of_the_type_starts_nothing_and_is_reported_once(tmp_path):
    """Its sender is told where; the deliveries wait in the inbox."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        assert (await send(api, "typed", 1, cents=5)).status_code == 202
        for number in (2, 3):
            problem = check_problem(await send(api, "typed", number, cents="5 EUR"), 422, "HF402")
            assert "/cents" in str(problem)
            assert "EUR" not in str(problem)
        (report,) = await api.store.drifts()
        assert (report.host, report.endpoint, report.contract) == ("webhook typed", "charge", "Payment")
        assert [(each.path, each.found) for each in report.changes] == [("cents", "text")]
        assert (report.runs, report.parked) == (0, 0)
        kept = (await api.http.get("/v1/deliveries", params={"state": "failed"})).json()["deliveries"]
        assert len(kept) == 2


@on_loop
async def test_what_bodies_are_like_is_learned_for_each_event(tmp_path):
    """After the first 20; when the report is settled it is learned anew, and the delivery can be carried out."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        for number in range(20):
            assert (await send(api, "learned", number, cents=number, state="paid")).status_code == 202
        assert (await send(api, "learned", 20, cents=1, state="paid", more=1)).status_code == 202
        assert (await send(api, "learned", 21, cents=1, state="lost")).status_code == 422
        assert (await send(api, "learned", 22, type="refund", text="anything")).status_code == 202
        (report,) = await api.store.drifts()
        assert (report.host, report.endpoint) == ("webhook learned", "charge")
        assert [(each.path, each.found) for each in report.changes] == [("state", "'lost'")]
        assert {each.endpoint for each in await api.store.contracts()} == {"charge", "refund"}
        await api.http.post(f"/v1/drifts/{report.drift}/resolve")
        (kept,) = (await api.http.get("/v1/deliveries", params={"state": "failed"})).json()["deliveries"]
        again = await api.http.post(f"/v1/deliveries/{kept['delivery']}/redeliver")
        assert again.json()["state"] == "accepted"


@on_loop
async def test_bodies_are_read_by_a_mapping_that_was_accepted(tmp_path):
    """Those that wait are carried out; what the mapping does not mend is a report of its own."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        assert (await send(api, "typed", 1, price={"cents": 5})).status_code == 422
        (report,) = await api.store.drifts()
        mapping = (Move("price.cents", "cents"),)
        await api.store.write([SettleDrift(report.drift, "ada", 100, mapping)])
        assert (await send(api, "typed", 2, price={"cents": 7})).status_code == 202
        (kept,) = (await api.http.get("/v1/deliveries", params={"state": "failed"})).json()["deliveries"]
        again = await api.http.post(f"/v1/deliveries/{kept['delivery']}/redeliver")
        assert again.json()["state"] == "accepted"
        assert len(await api.store.drifts()) == 1
        assert (await send(api, "typed", 3, price="gone")).status_code == 422
        assert len(await api.store.drifts()) == 2


@pytest.mark.parametrize("wrong", [{"contract": object()}, {"contract": "learn", "matches": "state"}])
def test_what_cannot_be_a_contract_is_refused_where_it_is_written(wrong):
    """Types that nobody can read, and one text for several paths."""
    with pytest.raises(DefinitionError):
        webhook("x", verify=Stripe("env:HOOK_STRIPE"), start=paid, **wrong)
