"""The command line as a person meets it: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from holdfast import Holdfast, map_tasks, task, workflow
from holdfast.cli import program
from holdfast.cli.output import Exit, exit_code
from holdfast.errors import UpdateRejectedError
from holdfast.history import Failure, from_json
from holdfast.replay import load_history

BROKEN = "def prepare():\n    raise RuntimeError('no such table')\n\nprepare()\n"


@task
async def halve(number: int) -> float:
    """Fail on odd numbers."""
    if number % 2:
        raise TypeError("odd")  # never tried again
    return number / 2


@workflow
async def halve_all(count: int) -> int:
    """Count what could be halved."""
    return count - (await map_tasks(halve, range(count), on_error="collect")).failed


def call(*arguments: str) -> Result:
    """Run a verb in this process."""
    return CliRunner().invoke(program, arguments)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # serving verbs put the folder there
    return tmp_path


def test_words_that_do_not_fit_a_function_are_refused(folder: Path) -> None:
    """A task that is called with too few arguments is not started, and the one that is missing is named."""
    (folder / "bot_of_two.py").write_text("def work(a: int, b: int) -> int:\n    return a\n", encoding="utf-8")
    result = call("submit", "bot_of_two:work", "1")
    assert result.exit_code == Exit.USAGE
    assert "[HF402] the input of bot_of_two:work does not fit" in result.stderr
    assert "missing a required argument: 'b'" in result.stderr


@pytest.mark.parametrize("verb", [("dev",), ("orchestrator",), ("worker",), ("worker", "--processes", "2")])
def test_a_module_that_breaks_is_named_at_its_line(folder: Path, verb: tuple[str, ...]) -> None:
    """Only the user's own lines are shown, once, and nothing is started."""
    (folder / "broken_module.py").write_text(BROKEN, encoding="utf-8")
    result = call(*verb, "broken_module")
    assert result.exit_code == Exit.USAGE
    assert "[HF101] broken_module cannot be imported: RuntimeError: no such table" in result.stderr
    assert f"({folder}/broken_module.py:2)" in result.stderr
    assert result.stderr.count("raise RuntimeError") == 1
    assert "importlib" not in result.stderr
    assert "holdfast/" not in result.stderr


def command_line(process: str) -> list[bytes]:
    """Return a process's words, by one read: two may be of two programs that it was."""
    with Path(f"/proc/{process}/cmdline").open("rb", buffering=0) as line:
        return (line.read(65_536) or b"").split(b"\0")


def test_a_password_is_on_no_command_line_but_the_one_that_was_typed(folder: Path) -> None:
    """Worker processes are told where the store is by their environment, and a person that theirs can be seen."""
    (folder / "broken_module.py").write_text(BROKEN, encoding="utf-8")
    result = call("worker", "broken_module", "--processes", "2", "--store", "postgresql://ada:secret@host/d")
    assert "--store has a password in it" in result.stderr
    assert "secret" not in result.stderr
    (folder / "fine_module.py").write_text("", encoding="utf-8")
    command = (
        sys.executable,
        "-m",
        "holdfast",
        "worker",
        "fine_module",
        "--processes",
        "2",
        "--store",
        "sqlite:///a.db",
    )
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as supervisor:
        try:
            words: list[list[bytes]] = []
            while len(words) < 2 and supervisor.poll() is None:
                children = Path(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children").read_text().split()
                lines = [command_line(each) for each in children]
                words = [each for each in lines if b"--supervised" in each]
                told = [Path(f"/proc/{each}/environ").read_bytes() for each in children]
            assert not any(b"a.db" in word for line in words for word in line)
            assert all(b"HOLDFAST_STORE=sqlite:///a.db" in each for each in told)
        finally:
            supervisor.terminate()


def test_a_module_that_is_not_there_is_said_so() -> None:
    """No traceback, the name, and what to do."""
    result = call("dev", "nowhere_to_be_found")
    assert result.exit_code == Exit.USAGE
    assert result.stderr.startswith("[HF101] there is no module 'nowhere_to_be_found'")


def test_a_start_that_nobody_will_carry_out_says_so() -> None:
    """A person is told that no process has the workflow; a program gets its JSON and nothing else; the run is kept."""
    result = call("start", "Reviw", "1", "--id", "r-1")
    assert result.exit_code == Exit.DONE
    assert "no process that is alive has 'Reviw' (none is running: holdfast dev MODULE)" in result.stderr
    result = call("start", "Reviw", "1", "--id", "r-1", "--json")
    assert result.exit_code == Exit.DONE
    assert json.loads(result.stdout) == {"run_id": "r-1", "created": False, "checked": False}
    assert result.stderr == ""


def test_a_start_of_a_misspelt_name_says_which_names_there_are(folder: Path) -> None:
    """With a process alive that has others, they are named; a name that it has is started without a word."""
    with Holdfast(modules=[__name__], store=f"sqlite:///{folder}/holdfast.db"):
        result = call("start", "halve_al", "4")
        assert "no process that is alive has 'halve_al' (there is: halve_all)" in result.stderr
        result = call("start", "halve_all", "4", "--wait", "--timeout", "30")
    assert result.exit_code == Exit.DONE
    assert "no process" not in result.stderr
    assert result.stdout.strip() == "2"


def test_waiting_ends_at_its_limit() -> None:
    """`--timeout` gives up the wait, not the run."""
    result = call("start", "nobody_has_it", "--id", "r-1", "--wait", "--timeout", "0.01")
    assert result.exit_code == Exit.UNAVAILABLE
    assert "run r-1 has not ended yet" in result.stderr
    assert call("runs", "show", "r-1").exit_code == Exit.DONE


def test_errors_go_to_standard_error_and_have_a_code() -> None:
    """A run that is not there: words for a person, an object for a program, nothing on standard output."""
    call("start", "W")
    result = call("runs", "show", "r-9")
    assert (result.exit_code, result.stdout) == (Exit.NOT_FOUND, "")
    assert result.stderr.startswith("[HF601] there is no run 'r-9'")
    result = call("runs", "show", "r-9", "--json")
    assert (result.exit_code, result.stdout) == (Exit.NOT_FOUND, "")
    assert json.loads(result.stderr)["error"]["code"] == "HF601"


def test_text_without_quotes_is_explained() -> None:
    """Input is JSON, and the most common slip has its remedy in the message."""
    result = call("start", "greet", "ada")
    assert result.exit_code == Exit.USAGE
    assert "'\"ada\"'" in result.stderr


def test_a_refused_update_is_a_refusal() -> None:
    """What a validator refuses ends like everything that a run's state does not allow."""
    assert exit_code(UpdateRejectedError("add", "ValueError", "no")) is Exit.REFUSED


def test_times_stay_in_one_piece(folder: Path) -> None:
    """A table that goes into a file or a pipe is as wide as it needs to be, whatever the terminal is."""
    run_id = "a-run-id-of-some-length-that-takes-its-room-in-a-table-0001"
    call("start", "W", "--id", run_id)
    printed = subprocess.run(
        [sys.executable, "-m", "holdfast", "runs", "list"],
        cwd=folder,
        env={"COLUMNS": "40"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (_, row) = printed.splitlines()
    assert re.match(rf"{run_id} +W +RUNNING +\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z ", row)


def test_an_export_holds_everything(folder: Path) -> None:
    """A history comes with the outcomes of its fan-outs, and reads back."""
    with Holdfast(modules=[__name__], store=f"sqlite:///{folder}/holdfast.db") as app:
        assert app.start(halve_all, 3, id="h-1").result(timeout=30) == 2
    result = call("runs", "export", "h-1", "--out", "h-1.json", "--json")
    assert result.exit_code == Exit.DONE
    history = from_json((folder / "h-1.json").read_bytes())
    assert history.started.run_id == "h-1"
    assert len(history.events) == json.loads(result.stdout)["events"]
    first, second, third = history.outcomes["map#1"]
    assert (first, third) == (b"0.0", b"1.0")
    assert isinstance(second, Failure)
    assert second.message == "odd"
    result = call("runs", "export", "h-1", "--out", "nowhere/h-1.json")
    assert result.exit_code == Exit.UNAVAILABLE
    assert "cannot be written" in result.stderr


def test_an_export_for_temporal_is_one_of_its_histories(folder: Path) -> None:
    """It reads back as one, and what Temporal's SDK has no words for is refused before anything is written."""
    with Holdfast(modules=[__name__], store=f"sqlite:///{folder}/holdfast.db") as app:
        app.submit(halve, 4, id="h-4").result(timeout=30)
        app.start(halve_all, 3, id="h-1").result(timeout=30)
    result = call("runs", "export", "h-4", "--format", "temporal", "--out", "h-4.json")
    assert result.exit_code == Exit.DONE
    history = load_history(folder / "h-4.json")
    assert (history.engine, history.started.run_id) == ("temporal", "h-4")
    result = call("runs", "export", "h-1", "--format", "temporal-sdk", "--out", "h-1.json")
    assert result.exit_code != Exit.DONE
    assert "no words for FanOutStarted" in result.stderr
    assert not (folder / "h-1.json").exists()
    assert call("runs", "export", "h-1", "--format", "temporal", "--out", "h-1.json").exit_code == Exit.DONE
    assert len(load_history(folder / "h-1.json").outcomes["map#1"]) == 3


def test_a_failure_is_shown_readably(folder: Path) -> None:
    """A person sees type, message and traceback as lines; a program sees them as fields."""
    with Holdfast(modules=[__name__], store=f"sqlite:///{folder}/holdfast.db") as app:
        app.submit(halve, 3, id="h-3")
        with pytest.raises(Exception, match="odd"):
            app.handle("h-3").result(timeout=30)
    shown = call("runs", "show", "h-3").stdout
    assert "error         TaskError: [HF501] task halve#1 failed after 1 attempt: TypeError: odd" in shown
    assert "\\n" not in shown
    assert json.loads(call("runs", "show", "h-3", "--json").stdout)["error"]["type"] == "TaskError"


LINTED = """
import os
import time
from holdfast import workflow

@workflow
async def late() -> float:
    print(os.getpid())
    return time.time()
"""


def test_lint_names_each_line_without_importing_the_module(folder: Path) -> None:
    """By file, folder or name; a table for a person, objects for a program; errors end with 1, a clean file with 0."""
    (folder / "shop").mkdir()
    (folder / "shop" / "late.py").write_text(LINTED + "\nraise RuntimeError('imported')\n", encoding="utf-8")
    for name in ("shop/late.py", "shop", "shop.late"):
        result = call("lint", name)
        assert result.exit_code == Exit.FAILED, result.output
        assert re.search(r"error +shop/late.py:9 +time.time +a replay reads another time", result.stdout)
        assert re.search(r"warning +shop/late.py:8 +os.getpid", result.stdout)
    result = call("lint", "shop", "shop.late", "--json")
    (warning, error) = json.loads(result.stdout)["items"]
    assert (error["line"], error["call"], error["severity"]) == (9, "time.time", "error")
    assert warning["file"].endswith("shop/late.py")
    (folder / "shop" / "late.py").write_text("from holdfast import workflow\n", encoding="utf-8")
    result = call("lint", "shop")
    assert (result.exit_code, result.output) == (Exit.DONE, "")
    assert json.loads(call("lint", "shop", "--json").stdout) == {"items": []}


def test_lint_is_silent_about_allowed_lines(folder: Path) -> None:
    """The comment exempts the call on its line, with or without a reason; warnings fail only with --strict."""
    allowed = LINTED.replace("time.time()", "time.time()  # holdfast: allow, it is only shown")
    (folder / "late.py").write_text(allowed, encoding="utf-8")
    result = call("lint", "late.py")
    assert result.exit_code == Exit.DONE
    assert "time.time" not in result.stdout
    assert call("lint", "late.py", "--strict").exit_code == Exit.FAILED
    (folder / "late.py").write_text(allowed.replace("getpid())", "getpid())  # holdfast: allow"), encoding="utf-8")
    assert call("lint", "late.py", "--strict").exit_code == Exit.DONE


def test_lint_names_what_binds_to_the_embedded_engine_where_asked(folder: Path) -> None:
    """All of it at once, as a warning; not otherwise."""
    text = (
        "from holdfast import Rate, task\n\n@task(rate=Rate('shop', 10, per='1s'))\nasync def limited() -> None: ...\n"
    )
    (folder / "bound.py").write_text(text, encoding="utf-8")
    assert (call("lint", "bound.py").output, call("lint", "bound.py", "--portable").exit_code) == ("", Exit.DONE)
    result = call("lint", "bound.py", "--portable", "--strict", "--json")
    assert result.exit_code == Exit.FAILED
    assert [each["where"] for each in json.loads(result.stdout)["bound"]] == ["task 'limited'"]
    text = (
        "from holdfast import Client, enqueue, workflow\n\n\n"
        "async def serve(client: Client, told, connection) -> None:\n"
        "    await client.start('w', notify='https://example.com/')\n"
        "    await client.start('w', told)\n"
        "    await client.gather('w', told, debounce='1m')\n"
        "    enqueue(connection, 'w')\n"
    )
    (folder / "asking.py").write_text(text, encoding="utf-8")
    result = call("lint", "asking.py", "--portable", "--strict", "--json")
    assert result.exit_code == Exit.FAILED
    assert [each["where"] for each in json.loads(result.stdout)["bound"]] == [f"asking.py:{line}" for line in (5, 7, 8)]


def test_lint_says_what_it_cannot_read(folder: Path) -> None:
    """A file that is no Python, one that is not there, and a module without source each end with 2."""
    (folder / "broken.py").write_text("def (", encoding="utf-8")
    result = call("lint", "broken.py")
    assert result.exit_code == Exit.USAGE
    assert "broken.py is no Python" in result.stderr
    for name, words in {
        "nowhere.py": "there is no file 'nowhere.py'",
        "nowhere.to.be": "there is no module 'nowhere.to.be'",
        "sys": "there is no module 'sys'",
    }.items():
        result = call("lint", name)
        assert result.exit_code == Exit.USAGE
        assert words in result.stderr


def test_events_gather_and_are_begun_by_hand() -> None:
    """Events of one key are one gathering, the same id is one event, and a person may let the run begin."""
    words = ("gather", "digest", "--batch", "9", "--within", "1h", "--key", "k", "--id")
    first, again, second = (json.loads(call(*words, each, "7", "--json").stdout) for each in ("a", "a", "b"))
    assert first == again
    assert (second["run_id"], second["events"]) == (first["run_id"], 2)
    (listed,) = json.loads(call("gatherings", "list", "--json").stdout)["items"]
    assert (listed["state"], listed["key"], listed["events"]) == ("open", "k", 2)
    assert json.loads(call("gatherings", "begin", str(first["gathering"]), "--json").stdout)["state"] == "full"
    assert call("gatherings", "begin", "99").exit_code == Exit.USAGE
    assert call("gather", "digest", "7", "--batch", "9").exit_code == Exit.USAGE


def test_keys_are_made_renewed_and_revoked_and_the_log_says_by_whom(folder: Path) -> None:
    """A key for one workflow gets another secret and is revoked; each act is in the audit log by name."""
    made = json.loads(
        call("keys", "create", "ci", "--scope", "start", "--workflow", "w", "--expires", "1d", "--json").stdout
    )
    assert (made["workflows"], made["scopes"]) == (["w"], ["start"])
    renewed = json.loads(call("keys", "rotate", "ci", "--overlap", "2h", "--json").stdout)
    assert renewed["key"] != made["key"]
    (listed,) = json.loads(call("keys", "list", "--json").stdout)["items"]
    assert listed["old_secret_until"] > listed["created_at"]
    assert (listed["revoked"], listed["last_used_at"]) == (False, None)
    assert call("keys", "revoke", "ci").exit_code == Exit.DONE
    assert call("keys", "rotate", "ci").exit_code == Exit.REFUSED
    assert call("keys", "rotate", "nobody").exit_code == Exit.NOT_FOUND
    entries = json.loads(call("audit", "--target", "ci", "--json").stdout)["items"]
    assert [each["action"] for each in entries] == ["revoke-key", "rotate-key", "create-key"]
    assert all(each["actor"].startswith("cli:") for each in entries)
    assert call("audit", "--cursor", "x").exit_code == Exit.USAGE
