"""`holdfast.http` in tasks, on a whole stack."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from holdfast import Client, Holdfast
from holdfast.errors import RunFailedError
from holdfast.http import http
from holdfast.ports.operations import AuditFilter, DriftChange, DriftRecord
from holdfast.replay import WorkflowReplayer, load_history
from holdfast.testing.fake_api import Answer, FakeApi, Limit, Request, ResetAfter, TooMany
from tests.acceptance import outbound_tasks
from tests.unit.worker.rig import on_loop, wait_for


@pytest.fixture
def api():
    """Return a fake API that charges, and leave no connection of threads behind."""
    with FakeApi() as found:
        numbers = count(1)
        found.route("POST", "/charges", lambda _: {"id": f"ch-{next(numbers)}"})
        yield found
    http.sync.close()


def stack(tmp_path) -> Holdfast:
    """Return a stack whose tasks may call this machine."""
    return Holdfast([outbound_tasks], f"sqlite:///{tmp_path / 'store.db'}", outbound_allow=("127.0.0.1",))


@on_loop
async def test_an_effect_happens_once_wherever_its_task_runs(api, tmp_path):
    """On the loop, in a thread, in a process: the answer is lost, the key stays, the host does it once."""
    api.play("/charges", ResetAfter())
    url = f"{api.url}/charges"
    async with stack(tmp_path) as app:
        result = await (await app.client.start(outbound_tasks.charge_all, url, id="c-1")).result()
    assert [each["id"] for each in result] == ["ch-1", "ch-2", "ch-3"]
    assert [each["attempt"] for each in result] == [2, 1, 1]
    assert [each.value["by"] for each in api.effects()] == ["loop", "thread", "process"]
    keys = [each.key.rpartition("/")[0] for each in api.effects()]
    assert keys == ["c-1/charge#1", "c-1/charge_in_a_thread#1", "c-1/charge_in_a_process#1"]
    assert api.requests()[0].key == api.requests()[1].key


@on_loop
async def test_a_host_that_one_task_was_told_to_leave_alone_is_left_alone_by_all(api, tmp_path):
    """Also by one in a child process; the waits cost no attempts, and are shown."""
    api.play("/charges", TooMany("1"))
    url = f"{api.url}/charges"
    async with stack(tmp_path) as app:
        handles = [await app.client.start(outbound_tasks.charge_all, url, id="c-1")]
        async with await Client.connect(f"sqlite:///{tmp_path / 'store.db'}") as other:

            async def told() -> list | None:
                return await other.store.limits() or None

            (shown,) = await wait_for(told)
        assert (shown.kind, shown.name, shown.circuit, shown.frozen_by) == ("host", api.host, "closed", "c-1/charge#1")
        handles.append(await app.client.start(outbound_tasks.charge_once, url, id="c-2"))
        results = [await handle.result() for handle in handles]
    assert [each["attempt"] for each in [*results[0], results[1]]] == [1, 1, 1, 1]
    refused, *later = api.requests()
    assert all(each.at >= refused.at + 1.0 for each in later)
    assert len(api.effects()) == 4


@on_loop
async def test_a_fleet_stays_under_what_a_host_announced(api, tmp_path):
    """From its first 429 on, in any window; every run is done once."""
    api.limit("/charges", Limit(20, 1.0))
    async with stack(tmp_path) as app:
        handles = [
            await app.client.start(outbound_tasks.charge_once, f"{api.url}/charges", id=f"c-{number}")
            for number in range(50)
        ]
        for handle in handles:
            assert (await handle.result())["attempt"] == 1
    assert len(api.effects()) == 50
    refused = [each for each in api.requests() if not each.let_in]
    assert refused, "more came at first than it takes"
    # What was under way when the first one was refused was refused as well; nothing since.
    assert refused[-1].at - refused[0].at < 1.0
    assert api.busiest(1.0, since=refused[-1].at) <= 20


@on_loop
async def test_a_refusal_ends_the_run_at_once(api, tmp_path):
    """The same call never succeeds, so it is not made again."""
    api.play("/charges", Answer(422, {"error": "no such account"}))
    async with stack(tmp_path) as app:
        handle = await app.client.start(outbound_tasks.charge_once, f"{api.url}/charges", id="c-1")
        with pytest.raises(RunFailedError, match="no such account"):
            await handle.result()
    assert len(api.requests()) == 1


@on_loop
async def test_a_drift_parks_runs_under_one_report_before_their_next_effect(api, tmp_path):
    """Some runs are through when answers change; nothing is booked for the others until it is mended; then all are."""
    api.route("GET", "/rates", lambda _: {"cents": 9_900})
    bookings = count(1)
    api.route("POST", "/bookings", lambda _: {"id": f"b-{next(bookings)}"})
    api.drift("/rates", "missing", "cents", after=4)
    names = [f"s-{number}" for number in range(12)]
    async with stack(tmp_path) as app:
        handles = []
        for number, name in enumerate(names):
            apart = number % 6 == 5
            handles.append(await app.client.start(outbound_tasks.stay, api.url, apart=apart, id=name))
            if number < 4:
                await handles[-1].result()
        async with await Client.connect(f"sqlite:///{tmp_path / 'store.db'}") as other:

            async def all_parked() -> DriftRecord | None:
                found = await other.store.drifts()
                return found[0] if found and found[0].parked == 8 else None

            report = await wait_for(all_parked)
            assert (report.host, report.endpoint, report.contract) == (api.host, "GET /rates/{}", "Rate")
            assert report.changes == (DriftChange("cents", "a value", "nothing"),)
            assert len(await other.store.drifts()) == 1
            assert len(api.effects("/bookings")) == 4
            # Whoever came when it was known did not call.
            touched = len(api.requests("/rates")) - 4
            assert touched <= 8
            api.mend("/rates")
            told = await asyncio.to_thread(run_cli, tmp_path, "drift", "resolve", str(report.drift))
            assert told["resumed"] == 8
        assert len({await handle.result() for handle in handles}) == 12
    assert len(api.effects("/bookings")) == 12
    assert {effect.value["cents"] for effect in api.effects("/bookings")} == {9_900}


@on_loop
async def test_a_drift_is_found_without_any_type(api, tmp_path):
    """The contract is learned by the fleet; a wrong mapping is refused, a right one lets all go on as before."""
    api.route("GET", "/rates", lambda _: {"cents": 9_900})
    bookings = count(1)
    api.route("POST", "/bookings", lambda _: {"id": f"b-{next(bookings)}"})
    http.host(api.host, private=True, contract="learn", learn_from=3)
    module = "tests.acceptance.outbound_tasks"
    async with stack(tmp_path) as app:
        handles = []
        for number in range(10):
            if number == 4:
                api.drift("/rates", "retyped", "cents")
            handles.append(await app.client.start(outbound_tasks.stay_untyped, api.url, id=f"s-{number}"))
            if number < 4:
                await handles[-1].result()
        async with await Client.connect(f"sqlite:///{tmp_path / 'store.db'}") as other:

            async def all_parked() -> DriftRecord | None:
                found = await other.store.drifts()
                return found[0] if found and found[0].parked == 6 else None

            report = await wait_for(all_parked)
            assert (report.endpoint, report.contract) == ("GET /rates/{}", "its contract, version 1")
            assert report.changes == (DriftChange("cents", "a valid integer", "text"),)
            assert len(api.effects("/bookings")) == 4
            wrong = tmp_path / "wrong.json"
            wrong.write_text('[{"type": "convert", "path": "euros", "to": "number"}]')
            number = str(report.drift)
            with pytest.raises(subprocess.CalledProcessError) as refused:
                await asyncio.to_thread(run_cli, tmp_path, "drift", "accept", number, module, "--mapping", str(wrong))
            assert "still is text" in refused.value.stderr
            told = await asyncio.to_thread(run_cli, tmp_path, "drift", "accept", number, module)
            assert (told["resumed"], told["mapping"]) == (6, "read cents as a number")
            assert len({await handle.result() for handle in handles}) == 10
            (contract,) = [each for each in await other.store.contracts() if each.endpoint == "GET /rates/{}"]
            assert (contract.version, contract.is_learned) == (1, True)
    assert {effect.value["cents"] for effect in api.effects("/bookings")} == {9_900}


@pytest.mark.parametrize("apart", [False, True])
@on_loop
async def test_results_of_tasks_are_learned_wherever_they_run(api, tmp_path, apart):
    """One that breaks what was learned parks its run, and is no result; resolved, it is learned anew."""
    api.route("GET", "/rooms", lambda _: {"rooms": 5})
    name = "count_rooms_in_a_process" if apart else "count_rooms"
    async with stack(tmp_path) as app:
        for number in range(20):
            await (await app.client.start(outbound_tasks.count_all, api.url, apart=apart, id=f"c-{number}")).result()
        api.drift("/rooms", "missing", "rooms")
        handle = await app.client.start(outbound_tasks.count_all, api.url, apart=apart, id="c-x")

        async with await Client.connect(f"sqlite:///{tmp_path / 'store.db'}") as other:

            async def parked() -> DriftRecord | None:
                found = await other.store.drifts()
                return found[0] if found and found[0].parked else None

            report = await wait_for(parked)
        assert (report.host, report.endpoint) == (f"task {name}", "result")
        assert report.changes == (DriftChange("rooms", "a value", "nothing"),)
        await asyncio.to_thread(run_cli, tmp_path, "drift", "resolve", str(report.drift))
        assert await handle.result() == {}


@pytest.mark.parametrize("apart", [False, True])
@on_loop
async def test_what_a_failed_attempt_was_answered_serves_a_replay(api, tmp_path, monkeypatch, apart):
    """A capture holds it without its secrets; `rerun-failed` is answered from there, and nobody is called."""
    api.route("GET", "/rates", lambda _: {"price": {"cents": 9_900}})
    async with stack(tmp_path) as app:
        handle = await app.client.start(outbound_tasks.quote, api.url, apart=apart, id="q-1")
        with pytest.raises(RunFailedError, match="cents"):
            await handle.result()
    await asyncio.to_thread(run_cli, tmp_path, "capture", "pull", "q-1", "--to", str(tmp_path / "pulled"))
    (file,) = (tmp_path / "pulled").iterdir()
    history = load_history(file)
    ((step, (exchange,)),) = history.exchanges.items()
    assert (exchange.method, exchange.status, exchange.body) == ("GET", 200, b'{"price": {"cents": 9900}}')
    assert "tk-5f2c9" not in file.read_text()
    assert "abc" not in str(exchange.headers)
    before = len(api.requests())
    assert before == 3
    replayer = WorkflowReplayer(outbound_tasks.quote, tasks="rerun-failed")
    again = replayer.replay(history)
    assert (again.status, again.ran) == ("FAILED", (step,) * 3)
    monkeypatch.setattr(outbound_tasks, "CENTS", lambda answer: answer["price"]["cents"])
    assert replayer.replay(history).output == 9_900
    assert len(api.requests()) == before


@on_loop
async def test_runs_go_on_by_a_mapping_that_other_runs_have_proven(api, tmp_path):
    """The wrong one is refused by replay, the right one is found by rules; each night is booked once, for its price."""
    gate = threading.Event()

    def rate(_: Request) -> Any:
        gate.wait()  # so that several calls are under way when answers change
        return {"price": {"cents": 9_900}, "currency": "EUR"}

    api.route("GET", "/rates", rate)
    bookings = count(1)
    api.route("POST", "/bookings", lambda _: {"id": f"b-{next(bookings)}"})
    module = outbound_tasks.__name__
    async with stack(tmp_path) as app:
        handles = [await app.client.start(outbound_tasks.stay, api.url, apart=False, id=f"s-{n}") for n in range(8)]
        gate.set()
        async with await Client.connect(f"sqlite:///{tmp_path / 'store.db'}") as other:

            async def all_parked() -> DriftRecord | None:
                found = await other.store.drifts()
                return found[0] if found and found[0].parked == 8 else None

            report = await wait_for(all_parked)
            calls, number = len(api.requests("/rates")), str(report.drift)
            assert len(await other.store.drifted(report.drift, 100)) >= 2
            proposed = await asyncio.to_thread(run_cli, tmp_path, "repair", "--drift", number, module)
            (row,) = proposed["items"]
            assert (row["state"], row["refuted"]) == ("proven", 0)
            assert row["mapping"] == "take cents from price.cents"
            (kept,) = (await other.store.drifts())[0].proposals
            assert (kept.holds, len(kept.proven)) == (True, row["proven"]), "whoever looks at the report sees it"
            wrong = tmp_path / "wrong.json"
            wrong.write_text('[{"type": "move", "source": "currency", "target": "cents"}]')
            with pytest.raises(subprocess.CalledProcessError) as refused:
                await asyncio.to_thread(run_cli, tmp_path, "drift", "accept", number, module, "--mapping", str(wrong))
            assert "is not proven" in refused.value.stdout + refused.value.stderr
            assert len(api.requests("/rates")) == calls, "a proof calls nobody"
            assert api.effects("/bookings") == []
            told = await asyncio.to_thread(run_cli, tmp_path, "drift", "accept", number, module)
            assert (told["mapping"], told["resumed"]) == ("take cents from price.cents", 8)
            (entry,) = (await other.store.audit(AuditFilter(action="accept-drift")))[0]
            assert (entry.target, entry.detail) == (number, "take cents from price.cents")
        assert len({await handle.result() for handle in handles}) == 8
    assert [effect.value["cents"] for effect in api.effects("/bookings")] == [9_900] * 8


def run_cli(tmp_path: Path, *arguments: str) -> Any:
    """Run a verb on the store; return what it says."""
    command = [sys.executable, "-m", "holdfast", *arguments, "--store", f"sqlite:///{tmp_path / 'store.db'}", "--json"]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(told.stdout)
