"""Schedules as a person meets them: over HTTP, on the command line, in `holdfast.toml` and in code."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from typer.testing import CliRunner

from holdfast import Holdfast, schedule, workflow
from holdfast.app import make_key
from holdfast.cli import program
from holdfast.cli.output import Exit
from holdfast.controller import ControllerService
from holdfast.controller.http import HttpSettings, create_app, serve
from holdfast.errors import DefinitionError, DuplicateNameError, SettingsError
from holdfast.ports.bus import SCHEDULES
from tests.acceptance.test_http import on_loop
from tests.backends import store_of

pytestmark = pytest.mark.usefixtures("backend")

WAIT = 20.0


@workflow
async def report(what: str = "nothing") -> str:
    """Report."""
    return f"reported {what}"


@workflow
async def waiting() -> None:
    """Wait for a day."""
    await asyncio.sleep(86_400)


@schedule("coded", cron="0 3 1 1 *", timezone="Europe/Riga", input="the year")
@workflow
async def yearly(what: str) -> str:
    """Report once a year."""
    return what


@asynccontextmanager
async def api(folder, **options):
    """Give a client of a stack that is served on a free port."""
    store = store_of(folder)
    async with Holdfast(store=store, definitions=[report, waiting, yearly], tune_gc=False, **options) as app:
        stack = app.stack
        service = ControllerService(stack.engine, stack.registry, stack.store, stack.clock)
        server = await serve(create_app(service, settings=HttpSettings(port=0)))
        try:
            async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
                client.stack = stack
                yield client
        finally:
            await server.stop()


async def until(client, path, holds):
    """Read a document again and again, each time that something has happened, until `holds` says so."""
    rung = asyncio.Event()
    stop = client.stack.bus.listen(lambda _: rung.set())
    try:
        async with asyncio.timeout(WAIT):
            while not holds(found := (await client.get(path)).json()):
                rung.clear()
                client.stack.bus.ring([SCHEDULES])
                await rung.wait()
            return found
    finally:
        stop()


def has_result(found):
    """Say whether the first run of a schedule has its result: it is told of before that."""
    return found["fires"] and "result" in (found["fires"][-1]["run"] or {})


def is_done(found):
    """Say whether all runs of a schedule have ended, and were started."""
    return found["fires"] and not found["running"] and not found["backfilling"]


@on_loop
async def test_a_schedule_is_put_read_and_deleted(tmp_path):
    """It is shown with its next ten times in its own time zone, and with everything that was said about it."""
    async with api(tmp_path) as client:
        wanted = {
            "workflow": "report",
            "cron": "30 3 * * *",
            "timezone": "Europe/Riga",
            "input": "all",
            "start": "2027-03-26",
            "jitter": "5m",
        }
        made = await client.put("/v1/schedules/nightly", json=wanted)
        assert made.status_code == 201
        shown = made.json()
        assert shown["next"][:4] == [
            "2027-03-26T03:30:00+02:00",
            "2027-03-27T03:30:00+02:00",
            "2027-03-28T04:00:00+03:00",
            "2027-03-29T03:30:00+03:00",
        ]
        assert len(shown["next"]) == 10
        assert (shown["input"], shown["overlap"], shown["jitter"]) == ("all", "skip", 300.0)
        assert (shown["fires"], shown["running"], shown["paused"]) == ([], [], None)
        again = await client.put("/v1/schedules/nightly", json=wanted | {"overlap": "allow"})
        assert (again.status_code, again.json()["overlap"]) == (200, "allow")
        listed = (await client.get("/v1/schedules")).json()["schedules"]
        assert [(each["name"], each["source"]) for each in listed] == [("coded", "code"), ("nightly", "api")]
        assert "input" not in listed[1]
        assert (await client.delete("/v1/schedules/nightly")).status_code == 204
        assert (await client.get("/v1/schedules/nightly")).status_code == 404
        assert (await client.delete("/v1/schedules/nightly")).status_code == 404


@on_loop
async def test_what_cannot_be_is_refused_field_by_field(tmp_path):
    """A problem for each field, an unknown workflow, an input that it does not take, a name that is no path."""
    async with api(tmp_path) as client:
        wrong = {"workflow": "report", "cron": "61 * * * *", "timezone": "Europe/Rigga", "overlap": "maybe"}
        refused = await client.put("/v1/schedules/s", json=wrong)
        assert refused.status_code == 422
        assert {each["pointer"] for each in refused.json()["errors"]} == {"/cron", "/timezone", "/overlap"}
        for name, body, status in (
            ("s", {"workflow": "reprot", "every": "1h"}, 404),
            ("s", {"workflow": "report", "every": "1h", "input": 3}, 422),
            ("s", {"workflow": "report"}, 422),
            ("s", {"workflow": "report", "every": "1h", "often": True}, 422),
            ("a b", {"workflow": "report", "every": "1h"}, 422),
            ("coded", {"workflow": "yearly", "every": "1h", "input": "x"}, 409),
        ):
            answer = await client.put(f"/v1/schedules/{name}", json=body)
            assert answer.status_code == status, answer.text
        for path in ("pause", "resume", "run"):
            assert (await client.post(f"/v1/schedules/nobody/{path}")).status_code == 404


@on_loop
async def test_a_schedule_starts_runs_in_real_time(tmp_path):
    """One of every second, made over HTTP, starts at its next second; paused, it says who and why."""
    async with api(tmp_path) as client:
        body = {"workflow": "report", "cron": "* * * * * *", "input": "it", "overlap": "allow"}
        await client.put("/v1/schedules/often", json=body)
        found = await until(client, "/v1/schedules/often?payloads=true", has_result)
        fired = found["fires"][-1]
        assert (fired["kind"], fired["outcome"], fired["count"]) == ("due", "started", 1)
        assert (fired["run"]["status"], fired["run"]["result"]) == ("COMPLETED", "reported it")
        assert fired["run"]["created_at"] >= fired["due"]
        assert fired["run_id"] == "often-" + fired["due"][:19].replace("-", "").replace(":", "") + "Z"
        paused = await client.post("/v1/schedules/often/pause", json={"reason": "too often"})
        assert paused.json()["paused"]["reason"] == "too often"
        resumed = await client.post("/v1/schedules/often/resume")
        assert resumed.json()["paused"] is None


@on_loop
async def test_run_now_is_one_run_for_one_key_and_obeys_the_policy(tmp_path):
    """A schedule in code can be run at once; a second wish is refused while the run is open."""
    async with api(tmp_path) as client:
        await client.put("/v1/schedules/slow", json={"workflow": "waiting", "every": "1d"})
        key = {"Idempotency-Key": "k-1"}
        first = await client.post("/v1/schedules/slow/run", headers=key)
        assert (first.status_code, first.json()) == (202, {"run_id": "slow-now-k-1", "started": True})
        assert (await client.post("/v1/schedules/slow/run", headers=key)).json() == first.json()
        other = await client.post("/v1/schedules/slow/run")
        assert (other.status_code, other.json()["code"]) == (409, "HF640")
        assert "slow-now-k-1" in other.json()["detail"]
        assert (await client.get("/v1/schedules/slow")).json()["running"] == ["slow-now-k-1"]
        coded = await client.post("/v1/schedules/coded/run", headers=key)
        assert coded.json()["started"]
        done = await until(client, "/v1/schedules/coded?payloads=true", is_done)
        assert done["fires"][0]["run"]["result"] == "the year"


@on_loop
async def test_backfill_starts_what_was_not_and_only_that(tmp_path):
    """Each time of the range has its run in the end; asked for again, none is started twice."""
    async with api(tmp_path) as client:
        await client.put("/v1/schedules/daily", json={"workflow": "report", "every": "1d"})
        wanted = {"start": "2026-01-01", "end": "2026-01-03T00:00:00+00:00"}
        asked = await client.post("/v1/schedules/daily/backfill", json=wanted)
        assert (asked.status_code, asked.json()) == (202, {"name": "daily", "times": 3})
        found = await until(client, "/v1/schedules/daily", is_done)
        assert [each["run_id"] for each in reversed(found["fires"])] == [
            "daily-20260101T000000Z",
            "daily-20260102T000000Z",
            "daily-20260103T000000Z",
        ]
        await client.post("/v1/schedules/daily/backfill", json=wanted)
        found = await until(client, "/v1/schedules/daily", lambda each: is_done(each) and len(each["fires"]) == 6)
        assert [each["outcome"] for each in found["fires"]] == ["found"] * 3 + ["started"] * 3
        future = (datetime.now(UTC) + timedelta(days=2)).isoformat()
        for body in (
            {"start": "2026-01-01", "end": future},
            {"start": "1970-01-01", "end": "2026-01-01"},
            {"start": "x"},
        ):
            refused = await client.post("/v1/schedules/daily/backfill", json=body)
            assert refused.status_code == 422, refused.text


@on_loop
async def test_the_api_describes_schedules(tmp_path):
    """Every route has its scope and its documents in the description."""
    async with api(tmp_path) as client:
        described = (await client.get("/openapi.json")).json()
        assert described["paths"]["/v1/schedules/{name}/run"]["post"]["security"] == [{"key": ["start"]}]
        assert described["paths"]["/v1/schedules/{name}"]["put"]["security"] == [{"key": ["operate"]}]
        assert {"ScheduleDocument", "ScheduleRequest", "Fired", "Backfilling"} <= set(
            described["components"]["schemas"]
        )


@on_loop
async def test_who_did_what_to_a_schedule_is_in_the_audit_log(tmp_path):
    """Each act once, with the key that did it; what the schedule does by itself is nobody's act."""
    async with api(tmp_path) as client:
        made = await client.post("/v1/keys", json={"name": "ops", "scopes": ["admin"]})
        client.headers["authorization"] = f"Bearer {made.json()['key']}"
        await client.put("/v1/schedules/s", json={"workflow": "report", "every": "1d"})
        for path, body in (
            ("pause", {}),
            ("pause", {}),
            ("resume", {}),
            ("backfill", {"start": "2026-01-01", "end": "2026-01-01"}),
        ):
            assert (await client.post(f"/v1/schedules/s/{path}", json=body)).status_code in {200, 202}
        await until(client, "/v1/schedules/s", is_done)
        await client.post("/v1/schedules/s/run", headers={"Idempotency-Key": "k"})
        await client.delete("/v1/schedules/s")
        entries = (await client.get("/v1/audit", params={"actor": "ops"})).json()["entries"]
        assert [(each["action"], each["target"]) for each in reversed(entries)] == [
            ("put-schedule", "s"),
            ("pause-schedule", "s"),
            ("resume-schedule", "s"),
            ("backfill-schedule", "s"),
            ("start", "s-now-ops:k"),
            ("delete-schedule", "s"),
        ]


@on_loop
async def test_inputs_of_schedules_are_encrypted_at_rest(tmp_path, monkeypatch):
    """What a run gets is not to be read in the file, and is what was given all the same."""
    monkeypatch.setenv("SCHEDULES_KEY", make_key())
    async with api(tmp_path, encryption_keys=("env:SCHEDULES_KEY",)) as client:
        body = {"workflow": "report", "every": "1d", "input": "the canary sings"}
        assert (await client.put("/v1/schedules/s", json=body)).json()["input"] == "the canary sings"
        await client.post("/v1/schedules/s/run")
        found = await until(client, "/v1/schedules/s?payloads=true", is_done)
        assert found["fires"][0]["run"]["result"] == "reported the canary sings"
    for file in tmp_path.iterdir():
        assert not file.is_file() or b"canary" not in file.read_bytes()


# --- The command line ----------------------------------------------------------------------------------------------


class Terminal:
    """Types verbs, with a store."""

    def __init__(self, folder):
        self.store = store_of(folder)
        self._runner = CliRunner()

    def type(self, *words, code=Exit.DONE):
        """Return what a verb prints."""
        done = self._runner.invoke(program, ["schedules", *words, "--store", self.store])
        assert done.exit_code == code, done.output
        return done.output

    def read(self, *words):
        """Return what a verb prints for programs."""
        return json.loads(self.type(*words, "--json"))


def test_schedules_on_the_command_line(tmp_path, monkeypatch):
    """Created, listed, shown, paused, resumed, run, backfilled and deleted, without a server."""
    monkeypatch.chdir(tmp_path)
    terminal = Terminal(tmp_path)
    words = ("--cron", "0 3 * * *", "--cron", "0 15 * * *", "--timezone", "Europe/Riga", "--overlap", "allow")
    made = terminal.read("create", "twice", "report", '"all"', *words)
    assert (made["workflow"], made["cron"], made["input"]) == ("report", ["0 3 * * *", "0 15 * * *"], "all")
    assert [each["name"] for each in terminal.read("list")["items"]] == ["twice"]
    assert "0 3 * * *, 0 15 * * *" in terminal.type("list")
    assert terminal.read("pause", "twice", "--reason", "quiet")["paused"]["reason"] == "quiet"
    assert "quiet" in terminal.type("list")
    assert terminal.read("resume", "twice")["paused"] is None
    ran = terminal.read("run", "twice", "--id", "1")
    assert ran == {"run_id": "twice-now-1", "started": True}
    shown = terminal.read("show", "twice")
    assert shown["running"] == ["twice-now-1"]
    assert "twice-now-1" in terminal.type("show", "twice")
    assert terminal.read("backfill", "twice", "--from", "2026-01-01", "--to", "2026-01-02")["times"] == 2
    assert terminal.read("show", "twice")["backfilling"]
    terminal.type("delete", "twice")
    terminal.type("show", "twice", code=Exit.NOT_FOUND)
    assert "unchecked  the input of report was sent as it is" in terminal.type("create", "s", "report", *words[:2])
    slip = terminal.type("create", "s", "reprot", *words[:2], "--module", __name__, code=Exit.NOT_FOUND)
    assert "Did you mean 'report'?" in slip
    terminal.type("create", "s", "report", "7", *words[:2], "--module", __name__, code=Exit.USAGE)
    assert "'61' is no minute" in terminal.type("create", "s", "report", "--cron", "61 * * * *", code=Exit.USAGE)


# --- Settings and code ---------------------------------------------------------------------------------------------


def names(folder):
    """Return name and source of all schedules of a store."""
    return {each["name"]: each["source"] for each in Terminal(folder).read("list")["items"]}


def test_schedules_in_the_settings_file(tmp_path, monkeypatch, caplog):
    """A table each; what is wrong stops the process that would act on it, in words."""
    monkeypatch.chdir(tmp_path)
    file, store = tmp_path / "holdfast.toml", store_of(tmp_path)
    table = '[schedules.hourly]\nworkflow = "report"\nevery = "1h"\ninput = "it"\nstart = 2027-01-01T00:00:00Z\n'
    file.write_text(table)
    with Holdfast(definitions=[report], store=store, tune_gc=False):
        pass
    assert names(tmp_path) == {"hourly": "config"}
    assert Terminal(tmp_path).read("show", "hourly")["next"][0] == "2027-01-01T00:00:00+00:00"
    file.write_text(table.replace('"it"', "3"))
    with (
        pytest.raises(SettingsError, match=r"\[schedules.hourly\] input"),
        Holdfast(definitions=[report], store=store, tune_gc=False),
    ):
        pass
    file.write_text(table.replace('"1h"', '"1 fortnight"'))
    with (
        pytest.raises(DefinitionError, match="schedule 'hourly' cannot be"),
        Holdfast(definitions=[report], store=store, tune_gc=False),
    ):
        pass
    file.write_text(table.replace("hourly", "coded"))
    with (
        pytest.raises(DuplicateNameError, match="two schedules are called 'coded'"),
        Holdfast(definitions=[report, yearly], store=store, tune_gc=False),
    ):
        pass
    file.write_text(table.replace('"report"', '"reprot"'))
    with caplog.at_level("WARNING", "holdfast.app"), Holdfast(definitions=[report], store=store, tune_gc=False):
        pass
    (warning,) = (each for each in caplog.records if "is not in this process" in each.message)
    assert (warning.schedule, warning.workflow) == ("hourly", "reprot")
    assert warning.remedy == "Did you mean 'report'? Check holdfast.toml."
    file.write_text(table.replace("every", "evry"))
    with pytest.raises(SettingsError, match=r"schedules.hourly.evry"):
        Holdfast(definitions=[report], store=store)


def test_what_disappears_from_code_stays_and_is_warned_of(tmp_path, monkeypatch, caplog):
    """A schedule goes on until somebody deletes it; a process without its code says nothing, one with it warns."""
    monkeypatch.chdir(tmp_path)
    store = store_of(tmp_path)
    with Holdfast(definitions=[yearly], store=store, tune_gc=False):
        pass

    @workflow(name="yearly")
    async def without(what: str) -> str:
        return what

    with Holdfast(definitions=[report], store=store, tune_gc=False):
        pass
    assert "not written down any more" not in caplog.text
    with Holdfast(definitions=[without], store=store, tune_gc=False):
        pass
    assert "not written down any more" in caplog.text
    assert names(tmp_path) == {"coded": "code"}
