"""What people get wrong at a terminal is told at once: what it is, why, and what to type."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from holdfast import Holdfast
from holdfast.app import load_settings, make_key
from holdfast.cli import program
from holdfast.cli.output import Exit
from holdfast.errors import SettingsError
from holdfast.replay import load_history

SHOP = """
import asyncio
from holdfast import signal, update, workflow

@workflow
class Order:
    def __init__(self) -> None:
        self.amounts: asyncio.Queue[int] = asyncio.Queue()

    async def run(self, customer: str, amount: int = 1) -> int:
        return amount + await self.amounts.get()

    @signal
    def add(self, amount: int) -> None:
        self.amounts.put_nowait(amount)

    @update
    async def burst(self) -> None:
        raise RuntimeError("burst")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a module."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "shop_of_slips", raising=False)
    (tmp_path / "shop_of_slips.py").write_text(SHOP, encoding="utf-8")
    return tmp_path


def call(*arguments: str) -> Result:
    """Run a verb in this process."""
    return CliRunner().invoke(program, arguments)


SHOWN = ["--module", "shop_of_slips"]
ANN = '{"customer": "ann"}'


@pytest.mark.parametrize(
    "verb",
    [
        ("runs", "list"),
        ("runs", "show", "r-1"),
        ("runs", "history", "r-1"),
        ("runs", "explain", "r-1"),
        ("runs", "cancel", "r-1"),
        ("runs", "export", "r-1", "--out", "r-1.json"),
        ("signal", "r-1", "go"),
        ("query", "r-1", "total"),
        ("pools",),
        ("locks", "list"),
        ("keys", "list"),
        ("replay", "r-1"),
    ],
    ids=" ".join,
)
def test_a_misspelt_store_is_not_made(folder: Path, verb: tuple[str, ...]) -> None:
    """A path without a store is a slip of the pen for whoever reads: it is named, and nothing is there afterwards."""
    result = call(*verb, "--store", "sqlite:///nowhere.db")
    assert result.exit_code == Exit.UNAVAILABLE
    assert f"there is no store at {folder}/nowhere.db" in result.stderr
    assert "--store sqlite:///PATH" in result.stderr
    assert [each.name for each in folder.iterdir() if each.name.startswith("nowhere")] == []


def test_an_input_is_checked_where_its_type_is_known() -> None:
    """As over HTTP: every wrong field is named and nothing is started; elsewhere it is said that nobody looked."""
    for wrong in ('{"amount": 3}', '"ada"', '{"customer": "ada", "amount": "three"}'):
        result = call("start", "Order", wrong, "--id", "o-1", *SHOWN)
        assert result.exit_code == Exit.USAGE, result.output
        assert result.stderr.startswith("[HF402] the input of Order does not fit\n  /")
    assert call("start", "Order", '{"customer": "ada"}', "--id", "o-1", *SHOWN).exit_code == Exit.DONE
    result = call("start", "Order", '"anything"', "--id", "o-2")
    assert result.exit_code == Exit.DONE
    assert "unchecked  the input of Order was sent as it is: no module is known here" in result.stderr
    assert call("runs", "show", "o-1").exit_code == Exit.DONE


def test_a_workflow_that_nobody_has_is_refused_where_the_modules_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings name the modules; a name that is nearly right has its remedy."""
    monkeypatch.setenv("HOLDFAST_MODULES", '["shop_of_slips"]')
    result = call("start", "Ordr", '{"customer": "ada"}', "--id", "o-1")
    assert result.exit_code == Exit.NOT_FOUND
    assert "there is no workflow 'Ordr'. Did you mean 'Order'?\nKnown here: Order" in result.stderr
    assert call("runs", "show", "o-1").exit_code == Exit.NOT_FOUND
    monkeypatch.setenv("HOLDFAST_MODULES", '["gone_away"]')
    result = call("start", "Order", '{"customer": "ada"}', "--id", "o-1")
    assert result.exit_code == Exit.DONE
    assert "there is no module 'gone_away'" in result.stderr


def test_a_signal_is_checked_where_its_type_is_known() -> None:
    """What would vanish in the run is refused before it is recorded; a name without a handler is said."""
    assert call("start", "Order", '{"customer": "ada"}', "--id", "o-1", *SHOWN).exit_code == Exit.DONE
    result = call("signal", "o-1", "add", '"three"', *SHOWN)
    assert result.exit_code == Exit.USAGE
    assert "argument 'amount' of signal add does not fit\n  /  Expected `int`, got `str`" in result.stderr
    result = call("signal", "o-1", "ad", "3", *SHOWN)
    assert result.exit_code == Exit.DONE
    assert "Order has no handler for signal 'ad' (there is: add); it is kept for wait_for_signal" in result.stderr
    assert json.loads(call("signal", "o-1", "add", "3", "--json", *SHOWN).stdout)["checked"] is True
    assert "unchecked  the input of signal add was sent as it is" in call("signal", "o-1", "add", "3").stderr


def test_a_signal_comes_with_a_start(folder: Path) -> None:
    """The run is started once, and gets both; without an id, or with words that contradict it, nothing is started."""
    start = ("start", "Order", '{"customer": "ada"}', "--signal", "add", "--signal-args")
    assert "Give its id" in call(*start, "3").stderr
    assert call(*start, "3", "--id", "o-1", "--id-conflict-policy", "fail").exit_code == Exit.USAGE
    assert call(*start, '"three"', "--id", "o-1", *SHOWN).exit_code == Exit.USAGE
    with Holdfast(["shop_of_slips"], f"sqlite:///{folder}/holdfast.db", tune_gc=False) as app:
        result = call(*start, "3", "--id", "o-1", *SHOWN, "--json")
        assert json.loads(result.stdout) == {"run_id": "o-1", "created": True, "checked": True}
        assert app.handle("o-1").result(timeout=30) == 4
        result = call("update", "o-1", "burst", "--store", f"sqlite:///{folder}/holdfast.db")
        assert result.exit_code == Exit.REFUSED
        app.start("Order", {"customer": "bob"}, id="o-2")
        result = call("update", "o-2", "burst")
        assert result.exit_code == Exit.FAILED
        assert "[HF612] update 'burst' of run 'o-2' failed: RuntimeError: burst" in result.stderr
        assert "The run goes on." in result.stderr


def test_a_status_that_is_none_names_those_there_are() -> None:
    """An empty list would say that there is no such run."""
    call("start", "W", "--id", "r-1")
    for asked in (("--status", "runing"), ("--where", "status=runing")):
        result = call("runs", "list", *asked)
        assert result.exit_code == Exit.USAGE
        assert "no run has status 'runing'\nThere are RUNNING, PARKED, PAUSED, " in result.stderr
        assert "Did you mean RUNNING?" in result.stderr
    assert call("runs", "list", "--status", "running").exit_code == Exit.DONE


def test_a_command_that_names_nothing_says_what_to_type() -> None:
    """In plain words, without a place in a document that nobody wrote."""
    call("start", "W", "--id", "r-1")
    result = call("runs", "pause")
    assert result.exit_code == Exit.USAGE
    assert result.stderr.startswith("[HF904] the command names no run\nWrite holdfast runs pause RUN, or --where")
    assert "names a run and, by --where, others" in call("runs", "pause", "r-1", "--where", "workflow=W").stderr
    assert "Write NAME=VALUE" in call("runs", "list", "--where", "workflow").stderr
    assert "Write --override STEP=JSON" in call("runs", "fork", "r-1", "--at", "start", "--override", "x").stderr


def test_a_setting_that_does_not_exist_has_its_remedy(folder: Path) -> None:
    """In the file and as an argument, the one that is meant is named."""
    (folder / "holdfast.toml").write_text('lease_second = 3\ncolour = "red"\n', encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "lease_second  there is no such setting. Did you mean lease_seconds?" in str(caught.value)
    assert "colour  there is no such setting.\n" in str(caught.value)
    (folder / "holdfast.toml").unlink()
    with pytest.raises(SettingsError, match=r"poll_second  there is no such setting\. Did you mean poll_seconds\?"):
        Holdfast(poll_second=3)


def test_a_duration_is_a_duration_wherever_one_is_meant() -> None:
    """`--timeout 30s` and `--timeout 30` are the same; a schedule shows its own as they are written."""
    assert call("start", "Order", ANN, "--id", "o-1", "--run-timeout", "90", *SHOWN).exit_code == Exit.DONE
    for given in ("1ms", "0.001"):
        waited = call("runs", "wait", "o-1", "--timeout", given)
        assert (waited.exit_code, "has not ended yet" in waited.output) == (Exit.UNAVAILABLE, True)
    for verb in (("runs", "wait", "o-1"), ("query", "o-1", "x"), ("start", "Order", ANN, "--wait")):
        wrong = call(*verb, "--timeout", "soon")
        assert (wrong.exit_code, "no duration" in wrong.output) == (Exit.USAGE, True)
    made = call("schedules", "create", "nightly", "Order", ANN, "--every", "5400", "--jitter", "30", *SHOWN)
    assert made.exit_code == Exit.DONE
    shown = {each.split()[0]: each.split()[1:] for each in made.output.splitlines() if each.strip()}
    assert (shown["every"], shown["catch_up"], shown["jitter"]) == (["1h30m"], ["1h"], ["30s"])
    assert "every 1h30m" in call("schedules", "list").output
    assert json.loads(call("schedules", "show", "nightly", "--json").output)["catch_up"] == 3600.0


def test_the_verbs_are_in_panels() -> None:
    """A list of thirty verbs tells nobody where to begin."""
    shown = call("--help").output
    panels = ("Run it", "Work", "Change code", "The fleet", "Keys and upkeep", "What comes and goes by itself")
    assert all(f"─ {each} ─" in shown for each in panels)
    assert "─ Commands ─" not in shown


def test_a_history_that_is_not_there_is_said_so() -> None:
    """Plainly: the file, and what would be one."""
    result = call("replay", "missing.json")
    assert result.exit_code == Exit.USAGE
    assert "missing.json cannot be read: No such file or directory" in result.stderr
    assert "holdfast runs export" in result.stderr
    assert "damaged" not in result.stderr


def test_an_export_can_be_encrypted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the store's key, for who has it; without keys it is refused and no file is made."""
    call("start", "Order", '{"customer": "a canary"}', "--id", "o-1")
    refused = call("runs", "export", "o-1", "--out", "o-1.bin", "--encrypted")
    assert refused.exit_code == Exit.USAGE
    assert not (folder / "o-1.bin").exists()
    monkeypatch.setenv("EXPORT_KEY", make_key())
    monkeypatch.setenv("HOLDFAST_ENCRYPTION_KEYS", '["env:EXPORT_KEY"]')
    assert call("runs", "export", "o-1", "--out", "o-1.bin", "--encrypted").exit_code == Exit.DONE
    assert b"canary" not in (folder / "o-1.bin").read_bytes()
    replayed = call("replay", "./o-1.bin", "shop_of_slips", "--json")
    assert json.loads(replayed.stdout)["verdict"] in {"IDENTICAL", "COMPATIBLE_NEW_TAIL"}, replayed.stderr
    monkeypatch.delenv("HOLDFAST_ENCRYPTION_KEYS")
    with pytest.raises(Exception, match=r"\[HF810\].*o-1.bin is encrypted with key"):
        load_history(folder / "o-1.bin")
