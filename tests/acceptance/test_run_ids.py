"""A run is started that exists: by each door, under each policy."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from holdfast import Client, Holdfast, wait_for_signal, workflow
from holdfast.app import close_connections, load_settings, make_key, verify_store
from holdfast.cli import program
from holdfast.cli.output import Exit
from holdfast.errors import InputError, RunClosedError, RunConflictError
from tests.unit.worker.rig import on_loop


@workflow
async def stay(word: str) -> str:
    """Wait for ever."""
    await asyncio.Event().wait()
    return word


@workflow
async def say(word: str) -> str:
    """Return a word."""
    return word


@workflow
async def hear() -> str:
    """Take one word."""
    return await wait_for_signal("word", type=str)


def app_at(folder: Path, **settings: Any) -> Holdfast:
    """Return a stack on a store in `folder`."""
    return Holdfast(store=f"sqlite:///{folder / 'store.db'}", definitions=[stay, say, hear], tune_gc=False, **settings)


@on_loop
async def test_starts_that_replace_one_another_leave_one(tmp_path: Path) -> None:
    """Of many starts that terminate what is open each begins an execution of its own, and one stays open."""
    async with app_at(tmp_path) as app:
        first = await app.client.start(stay, "0", id="r")
        handles = await asyncio.gather(
            *(app.client.start(stay, str(n), id="r", id_conflict_policy="terminate_existing") for n in range(1, 7))
        )
        assert all(each.created for each in handles)
        statuses = [(await app.client.handle(f"r@{n}").describe()).status for n in range(1, 8)]
        assert statuses == ["TERMINATED"] * 6 + ["RUNNING"]
        assert (await first.describe()).execution == "r@7"


@on_loop
async def test_who_waits_gets_the_end_of_the_newest(tmp_path: Path) -> None:
    """A waiter of the execution that made place is told how the run ended, not how its part of it did."""
    async with app_at(tmp_path) as app:
        first = await app.client.start(stay, "first", id="r")
        waiting = asyncio.create_task(first.result())
        await asyncio.sleep(0)
        await app.client.start(say, "second", id="r", id_conflict_policy="terminate_existing")
        assert await waiting == "second"


@on_loop
async def test_encrypted_runs_are_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each execution is sealed for its own place, inputs are told apart under an older key too; all verifies."""
    for name in ("OLD", "NEW"):
        monkeypatch.setenv(name, make_key())
    async with app_at(tmp_path, encryption_keys=("env:OLD",)) as app:
        assert await (await app.client.start(say, "x" * 100_000, id="r")).result() == "x" * 100_000
    keys = ("env:NEW", "env:OLD")
    async with app_at(tmp_path, encryption_keys=keys) as app:
        found = await app.client.start(say, "x" * 100_000, id="r", id_conflict_policy="fail")
        assert not found.created
        again = await app.client.start(say, "y" * 100_000, id="r", id_reuse_policy="allow_duplicate")
        assert again.created
        assert await again.result() == "y" * 100_000
        assert (await again.describe()).execution == "r@2"
    close_connections()
    settings = load_settings(store=f"sqlite:///{tmp_path / 'store.db'}", encryption_keys=keys)
    assert (await asyncio.to_thread(verify_store, settings)).problems == []
    close_connections()


@on_loop
async def test_a_policy_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """Before anything is started, with the names of those that do."""
    async with app_at(tmp_path) as app:
        with pytest.raises(InputError, match="allow_duplicate_failed_only"):
            await app.client.start(say, "a", id="r", id_reuse_policy="again")  # type: ignore[arg-type]  # wrong
        assert await app.client.runs() == ([], None)


@on_loop
async def test_a_time_limit_holds_for_the_next_execution(tmp_path: Path) -> None:
    """What a start says besides its input is said of the execution that it makes."""
    async with app_at(tmp_path) as app:
        await app.client.start(stay, "a", id="r")
        run = await app.client.start(stay, "a", id="r", id_conflict_policy="terminate_existing", timeout="3h")
        (started, *_) = await run.history()
        assert (started.event.execution, started.event.due > started.event.time) == ("r@2", True)


def test_from_a_shell(tmp_path: Path) -> None:
    """`holdfast start` takes the policies, and says which there are."""
    store = f"sqlite:///{tmp_path / 'store.db'}"

    def start(*options: str) -> Any:
        arguments = ["start", "stay", '"a"', "--id", "r", "--store", store, "--json", *options]
        return CliRunner().invoke(program, arguments)

    assert json.loads(start().output) == {"run_id": "r", "created": True, "checked": False}  # its code is not here
    assert start("--id-conflict-policy", "fail").exit_code == Exit.REFUSED
    assert json.loads(start("--id-conflict-policy", "terminate_existing").output)["created"] is True
    assert start("--id-reuse-policy", "twice").exit_code == Exit.USAGE

    async def newest() -> str:
        async with await Client.connect(store) as client:
            return (await client.handle("r").describe()).execution

    assert asyncio.run(newest()) == "r@2"
    close_connections()


@on_loop
async def test_a_refusal_names_what_it_refused(tmp_path: Path) -> None:
    """Not an input that differs, where none does."""
    async with app_at(tmp_path) as app:
        await (await app.client.start(say, "a", id="r")).result()
        with pytest.raises(RunConflictError, match="COMPLETED"):
            await app.client.start(say, "a", id="r", id_reuse_policy="reject_duplicate")


def test_a_signal_that_comes_with_the_start_is_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the blocking door too; a run that ended refuses it, or is started again for it."""
    monkeypatch.setenv("NEW", make_key())
    with app_at(tmp_path, encryption_keys=("env:NEW",)) as app:
        run = app.signal_with_start(hear, id="r", signal="word", signal_args=("a secret word",))
        assert run.result() == "a secret word"
        with pytest.raises(RunClosedError):
            app.signal_with_start(hear, id="r", signal="word", signal_args=("late",))
        again = app.signal_with_start(
            hear, id="r", signal="word", signal_args=("again",), id_reuse_policy="allow_duplicate"
        )
        assert again.result() == "again"
    close_connections()
    assert b"a secret word" not in b"".join(each.read_bytes() for each in tmp_path.glob("store.db*") if each.is_file())
