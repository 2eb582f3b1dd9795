"""`holdfast repair RUN`: proposals are proven on other runs, nothing goes on unasked, and what does is audited."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from holdfast import Holdfast, RunFailedError
from holdfast.app import load_settings
from holdfast.cli import program
from holdfast.cli.asking import ask_for_mappings
from holdfast.cli.output import Output
from holdfast.history import Exchange
from holdfast.http import http
from holdfast.ports.mappings import Translate
from holdfast.ports.operations import DriftChange, DriftRecord
from holdfast.testing.fake_api import FakeApi
from holdfast.testing.models import HostedModel
from tests.acceptance import mended
from tests.unit.worker.rig import wait_for

MODULE = mended.__name__


@pytest.fixture
def url() -> Iterator[str]:
    """Give the address of rates that are not as code expects them, and say at the end that proofs called nobody."""
    with FakeApi() as api:
        api.route("GET", "/rates", lambda _: {"rates": {"eur": 2.0}, "factor": 3})
        mended.BOOKED.clear()
        mended.READ[0] = "rate"
        yield f"{api.url}/rates"
        assert len(api.requests()) == RUNS
    http.sync.close()


RUNS = 4


def stack(folder: Path) -> Holdfast:
    """Return a stack whose tasks may call this machine."""
    return Holdfast([mended], f"sqlite:///{folder / 'store.db'}", outbound_allow=("127.0.0.1",))


def repair(folder: Path, *arguments: str, code: int = 0) -> Any:
    """Run the verb; return what it says, as JSON where it does."""
    store = f"sqlite:///{folder / 'store.db'}"
    result = CliRunner().invoke(program, [*arguments, "--store", store, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if code in (0, 1) else result.output


async def fail(folder: Path, url: str) -> None:
    """Have runs fail: some at an answer, some at what they were started with, one parked by a rule."""
    async with stack(folder) as app:
        for number in range(RUNS):
            await app.client.start(mended.convert, number, url, id=f"c{number}")
            with pytest.raises(RunFailedError, match="KeyError"):
                await app.client.handle(f"c{number}").result()
        for number in range(2):
            await app.client.start("order", {"amount": number, "curency": "EUR"}, id=f"o{number}")
            with pytest.raises(RunFailedError, match="InputError"):
                await app.client.handle(f"o{number}").result()
        parked = await app.client.start(mended.checked, mended.Order(amount=1, currency="EUR"), id="p0")
        await wait_for(lambda: _parked(parked))


async def _parked(handle: Any) -> bool | None:
    return (await handle.describe()).status == "PARKED" or None


async def results(folder: Path, runs: list[str]) -> list[Any]:
    """Return how runs end."""
    async with stack(folder) as app:
        return [await app.client.handle(each).result() for each in runs]


def ask_a_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a model propose, too: what is wrong in it is shown as unproven, what is nothing is left out."""
    changes = [
        {"kind": "result", "result_json": "2.5"},
        {"kind": "result", "result_json": '"two"'},
        {"kind": "result", "result_json": "{"},
        {"kind": "input", "steps": [{"kind": "move", "source": "", "target": ""}]},
    ]
    with HostedModel(lambda _: {"changes": changes}) as provider, monkeypatch.context() as environment:
        environment.setenv("MODEL_KEY", provider.key)
        for name, value in (("", "openai-chat:gpt-4o"), ("_URL", provider.url), ("_KEY", "env:MODEL_KEY")):
            environment.setenv(f"HOLDFAST_REPAIR_MODEL{name}", value)
        proposed = repair(folder, "repair", "c1", MODULE)["items"]
    states = {json.dumps(each["change"].get("result", "code")): each["state"] for each in proposed}
    assert states == {"null": "proven", "2.5": "proven", '"two"': "unproven", '"code"': "unproven"}
    (asked,) = provider.asked
    assert '"factor"' in asked.prompt
    assert "KeyError" in asked.prompt


def test_a_run_goes_on_by_what_others_have_proven(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Today's code, another input, a result; a wrong one is shown as unproven, and not applied."""
    asyncio.run(fail(tmp_path, url))
    proposed = repair(tmp_path, "repair", "c1", MODULE)["items"]
    assert [(each["state"], each["proven"], each["refuted"]) for each in proposed] == [
        ("proven", 3, 0),
        ("unproven", 0, 4),
    ]
    assert [each["change"] for each in proposed] == [{"kind": "result", "result": None}, {"kind": "code"}]

    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"kind": "result", "result": "three"}')
    (shown,) = repair(tmp_path, "repair", "c1", MODULE, "--change", str(wrong), code=1)["items"]
    assert (shown["state"], shown["refuted"]) == ("unproven", 4)
    refused = repair(tmp_path, "repair", "c1", MODULE, "--change", str(wrong), "--accept", "1", code=5)
    assert "is not proven" in refused

    mended.READ[0] = "factor"  # the code is mended, and that is proven against what was answered then
    first = repair(tmp_path, "repair", "c1", MODULE)["items"][0]
    assert (first["change"], first["proven"]) == ({"kind": "code"}, 4)

    mended.READ[0] = "rate"
    ask_a_model(tmp_path, monkeypatch)
    told = repair(tmp_path, "repair", "c1", MODULE, "--accept", "1", "--all", "--rate", "1000")
    forks = {each["run_id"]: each["goes_on_as"] for each in told["done"]}
    assert sorted(forks) == ["c0", "c1", "c2", "c3"]
    (by_rules, _) = repair(tmp_path, "repair", "o1", MODULE)["items"]
    assert by_rules["change"]["steps"] == [{"type": "move", "source": "curency", "target": "currency"}]
    order = repair(tmp_path, "repair", "o1", MODULE, "--accept", "1")["done"][0]["goes_on_as"]
    unproven = repair(tmp_path, "repair", "p0", MODULE, "--accept", "1", code=5)
    assert "made no calls that are recorded" in unproven
    told = repair(tmp_path, "repair", "p0", MODULE, "--accept", "1", "--unproven")
    assert told["done"] == [{"run_id": "p0", "goes_on_as": "p0"}]
    mended.BOOKED.append(0.0)  # the desk is open
    assert asyncio.run(results(tmp_path, [forks["c1"], order, "p0"])) == ["booked 1", "booked 1", "checked"]
    entries = repair(tmp_path, "audit", "--action", "fork")["items"]
    assert {each["target"] for each in entries} == {*forks.values(), order}
    assert "is COMPLETED" in repair(tmp_path, "repair", "p0", MODULE, code=2)


def test_a_model_proposes_mappings(monkeypatch: pytest.MonkeyPatch) -> None:
    """From an answer of the new shape and what differs; a model that does not answer is none."""
    record = DriftRecord(1, "h", "GET /x", "X", (DriftChange("state", "'ok'", "'fine'"),), 0.0, "r", 1, 1, None, "")
    call = Exchange("GET", "https://api.example.com/x", 200, body=b'{"state": "fine"}')
    step = {"kind": "translate", "path": "state", "renamed": [{"new": "fine", "old": "ok"}]}
    with HostedModel(lambda _: {"mappings": [[step], [{"kind": "translate", "path": "state"}]]}) as provider:
        monkeypatch.setenv("MODEL_KEY", provider.key)
        settings = load_settings(
            repair_model="openai-chat:gpt-4o", repair_model_url=provider.url, repair_model_key="env:MODEL_KEY"
        )
        output = Output(as_json=True)
        asked = asyncio.run(ask_for_mappings(settings, output, record, call))
        assert asked == [(Translate("state", {"fine": "ok"}),)]
        provider.give_trouble("unknown model")
        assert asyncio.run(ask_for_mappings(settings, output, record, call)) == []
