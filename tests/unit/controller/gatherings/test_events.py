"""Events over HTTP and by webhooks: they wait, are shown, and are begun by whoever wants it."""

from __future__ import annotations

import msgspec
import pytest

from holdfast import Batch, StandardWebhooks, webhook, workflow
from holdfast.controller.webhooks.configured import read_webhooks
from holdfast.errors import DefinitionError, SettingsError
from holdfast.ports.operations import GatheringState
from tests.unit.controller.rig import START, check_problem, greet, on_loop, serving
from tests.unit.controller.webhooks.senders import SECRETS, standard

pytestmark = pytest.mark.usefixtures("backend")


@workflow
async def digest(names: list[str]) -> str:
    """Put names together."""
    return " ".join(names)


VERIFIER = StandardWebhooks("env:HOOK_STANDARD")
DEFINITIONS = (
    greet,
    digest,
    webhook("names", verify=VERIFIER, start=digest, input="body.name", batch=Batch(2, within="1m"), key="{body.team}"),
    webhook("latest", verify=VERIFIER, start=greet, input="body.name", debounce="30s"),
)


@pytest.fixture(autouse=True)
def _secrets(monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


async def deliver(api, hook, key, **body):
    """Send a delivery, as its sender does."""
    text = msgspec.json.encode(body)
    return await api.http.post(f"/v1/hooks/{hook}", content=text, headers=standard(text, at=int(START), delivery=key))


@on_loop
async def test_events_over_http_wait_and_are_shown(tmp_path):
    """202 with the run that is to be; the same Idempotency-Key is one event; a person may let it begin."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        path, query = "/v1/workflows/digest/events", {"batch": 3, "within": "1m", "key": "t"}
        answers = [
            await api.http.post(path, params=query, json="ann", headers={"Idempotency-Key": "e-1"}) for _ in range(2)
        ]
        assert [each.status_code for each in answers] == [202, 202]
        first, again = (each.json() for each in answers)
        assert first == again
        assert first["events"] == 1
        second = await api.http.post(path, params=query, json="bob")
        assert second.json()["events"] == 2
        (shown,) = (await api.http.get("/v1/gatherings")).json()["gatherings"]
        assert (shown["run_id"], shown["key"], shown["events"]) == (first["run_id"], "t", 2)
        one = f"/v1/gatherings/{first['gathering']}"
        assert (await api.http.post(f"{one}/begin")).json()["state"] == GatheringState.FULL
        assert (await api.http.get(one)).json()["state"] == GatheringState.FULL
        check_problem(await api.http.get("/v1/gatherings/999999"), 404, "HF604")


@on_loop
async def test_what_does_not_fit_is_refused(tmp_path):
    """No way to gather, two ways, an event of another type, no such workflow: one problem each, and nothing waits."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        path = "/v1/workflows/digest/events"
        for query in ({}, {"batch": 2}, {"debounce": "x"}, {"debounce": "1s", "batch": 2, "within": "1s"}):
            check_problem(await api.http.post(path, params=query, json="ann"), 422, "HF402")
        check_problem(await api.http.post(path, params={"batch": 2, "within": "1s"}, json=1), 422, "HF402")
        check_problem(await api.http.post("/v1/workflows/none/events", params={"debounce": "1s"}, json=1), 404, "HF604")
        assert (await api.http.get("/v1/gatherings")).json()["gatherings"] == []


@on_loop
async def test_deliveries_gather_by_key(tmp_path):
    """Each delivery is accepted for the run that it will be in; sent again it is the same one."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        one, two, other = [
            (await deliver(api, "names", key, name=key, team=team)).json()
            for key, team in (("d-1", 7), ("d-2", 7), ("d-3", 8))
        ]
        assert one["state"] == "accepted"
        assert one["run_id"] == two["run_id"] != other["run_id"]
        assert (await deliver(api, "names", "d-1", name="d-1", team=7)).json() == one
        late = [(await deliver(api, "latest", f"l-{n}", name=f"n{n}")).json()["run_id"] for n in range(3)]
        assert len(set(late)) == 1
        states = {each["run_id"]: each["state"] for each in (await api.http.get("/v1/gatherings")).json()["gatherings"]}
        assert states == {one["run_id"]: "full", other["run_id"]: "open", late[0]: "open"}
        check_problem(await deliver(api, "names", "d-4", name=4, team=7), 422, "HF402")


def test_a_webhook_that_gathers_has_no_id_and_no_signal():
    """What cannot be said together is refused where it is written, in code and in settings."""
    for wrong in (
        {"id": "x-{body.id}"},
        {"signal": "go", "id": "x"},
        {"batch": Batch(2, within="1s")},
        {"debounce": None, "key": "{body.id}"},
        {"debounce": None, "batch": {"size": 2}},
    ):
        with pytest.raises(DefinitionError):
            webhook("w", verify=VERIFIER, start="greet", **{"debounce": "1s", **wrong})
    table = {"verify": "standard", "secrets": "env:HOOK_STANDARD", "start": "digest", "key": "{body.team}"}
    (declared,) = read_webhooks({"w": {**table, "batch": {"size": 5, "within": "1m"}}})
    assert declared.gathering == Batch(5, within="1m")
    with pytest.raises(SettingsError):
        read_webhooks({"w": {**table, "batch": 5}})
