"""What old runs recorded is let go, and nothing else."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import apsw
import pytest
from typer.testing import CliRunner

from holdfast import Holdfast, stores
from holdfast.app import load_settings, make_key, verify_store
from holdfast.cli import program
from holdfast.errors import HistoryError
from holdfast.ports.operations import Prune
from tests.unit.app import families, secrets_told, talks
from tests.unit.app.families import TEXT, Hold, Renew, leave
from tests.unit.app.secrets_told import wait
from tests.unit.app.talks import Converse, say


@pytest.mark.parametrize("keys", [(), ("env:KEY",)], ids=["plain", "encrypted"])
def test_closed_runs_are_emptied_and_open_ones_kept(
    keys: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Histories and payloads of closed runs go, but for what an open run names; ends stay, and the store verifies."""
    monkeypatch.setenv("KEY", make_key())
    store = f"sqlite:///{tmp_path / 'store.db'}"
    shared = "x" * 5_000

    async def work() -> None:
        async with Holdfast([talks, secrets_told], store, encryption_keys=keys) as app:
            for name, calls in (("long", 30), ("short", 20)):
                assert await (await app.client.start(Converse, calls, id=name)).result() == calls + 1
            closed = await app.client.start(wait, shared, id="closed")
            await closed.cancel()
            await app.client.start(wait, shared, id="open")
            with pytest.raises(Exception, match="cancelled"):
                await closed.result()

    async def prune(before: float | None = None) -> list[int]:
        async with Holdfast([talks, secrets_told], store, encryption_keys=keys) as app:
            until = before if before is not None else await app.stack.store.now() + 1
            counts, after = [0, 0, 0], 0
            while after is not None:
                (pruned,) = await app.stack.store.write([Prune(until, after, executions=1)])
                counts = [counts[0] + pruned.executions, counts[1] + pruned.pages, counts[2] + pruned.payloads]
                after = pruned.next_after
            return counts

    async def look() -> None:
        async with Holdfast([talks, secrets_told], store, encryption_keys=keys) as app:
            assert await app.client.handle("long").result() == 31
            assert await (await app.client.start(Converse, 30, id="long")).result() == 31
            with pytest.raises(HistoryError, match="pruned"):
                await app.client.handle("long").history()
            kept = app.client.handle("open")
            assert shared in repr(await kept.history())
            await kept.cancel()
            with pytest.raises(Exception, match="cancelled"):
                await kept.result()
            again = await app.client.start(Converse, 20, id="again")
            assert await again.result() == 21
            assert await app.client.handle("again", Converse).query(Converse.said) == [say(n) for n in range(21)]

    asyncio.run(work())
    assert asyncio.run(prune(before=1.0)) == [0, 0, 0]
    runs, pages, payloads = asyncio.run(prune())
    assert runs == 3
    assert pages > 50
    assert payloads > 20
    connection = apsw.Connection(str(tmp_path / "store.db"), flags=apsw.SQLITE_OPEN_READONLY)
    assert connection.execute("SELECT count(*) FROM blobs").get == 1
    connection.close()
    settings = load_settings(store=store, encryption_keys=keys)
    assert verify_store(settings).problems == []
    asyncio.run(look())
    assert verify_store(settings).problems == []
    assert asyncio.run(prune())[0] == 2
    assert verify_store(settings).problems == []


@pytest.mark.parametrize("keys", [(), ("env:KEY",)], ids=["plain", "encrypted"])
def test_what_runs_got_from_runs_that_are_pruned_stays(
    keys: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child, a run that was signalled and a continuation go on when who gave them the text is pruned."""
    monkeypatch.setenv("KEY", make_key())
    store = f"sqlite:///{tmp_path / 'store.db'}"
    settings = load_settings(store=store, encryption_keys=keys)

    async def begin() -> None:
        async with Holdfast([families], store, encryption_keys=keys) as app:
            await app.client.start(Hold, "", id="told")
            await app.client.start(Renew, TEXT, 1, id="renew")
            assert await (await app.client.start(leave, TEXT, id="leave")).result() > 2 * len(TEXT)
            while (await app.client.handle("renew").describe()).execution != "renew@2":  # noqa: ASYNC110 - a run sets no event
                await asyncio.sleep(0)
            (pruned,) = await app.stack.store.write([Prune(await app.stack.store.now() + 1)])
            assert pruned.executions >= 2
            assert pruned.pages >= 4

    async def finish() -> None:
        async with Holdfast([families], store, encryption_keys=keys) as app:
            lengths = {"told": len(TEXT), "child": len(TEXT), "renew": len(TEXT)}
            for run_id, length in lengths.items():
                handle = app.client.handle(run_id)
                await handle.signal("tell", "")
                assert await handle.result() == length

    asyncio.run(begin())
    assert verify_store(settings).problems == []
    asyncio.run(finish())
    assert verify_store(settings).problems == []


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("DELETE FROM blob_uses", "is not noted that it names payload"),
        ("UPDATE executions SET pruned = 1", "was pruned, and page 1 is not empty"),
    ],
)
def test_verify_finds_what_pruning_must_not_meet(damage: str, problem: str, tmp_path: Path) -> None:
    """A payload whose use is not noted, and a mark of pruning on a history that is there."""
    store = f"sqlite:///{tmp_path / 'store.db'}"

    async def work() -> None:
        async with Holdfast([talks], store) as app:
            assert await (await app.client.start(Converse, 12, id="a")).result() == 13

    asyncio.run(work())
    connection = apsw.Connection(str(tmp_path / "store.db"))
    connection.execute(damage)
    connection.close()
    found = verify_store(load_settings(store=store)).problems
    assert any(problem in each for each in found), found


def test_the_verb_counts_what_it_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed run waits for its capture, unless failures are not captured."""
    store = f"sqlite:///{tmp_path / 'store.db'}"

    async def work() -> None:
        async with Holdfast([talks], store, capture_failures=False) as app:
            assert await (await app.client.start(Converse, 1, id="good")).result() == 2
            bad = await app.client.start(Converse, 10**9, id="bad")
            await bad.terminate()
            with pytest.raises(Exception, match="terminated"):
                await bad.result()

    asyncio.run(work())
    connection = apsw.Connection(str(tmp_path / "store.db"))
    connection.execute("UPDATE executions SET closed_at = closed_at - 864000")
    connection.execute("UPDATE executions SET status = 'FAILED' WHERE run_id = 'bad'")
    connection.close()

    def pruned(age: str) -> int:
        answer = CliRunner().invoke(program, ("prune", "--older-than", age, "--store", store, "--json"))
        assert answer.exit_code == 0, answer.output
        count: int = json.loads(answer.stdout)["executions"]
        return count

    assert pruned("30d") == 0
    assert pruned("5d") == 1
    monkeypatch.setenv("HOLDFAST_CAPTURE_FAILURES", "false")
    assert pruned("5d") == 1


def test_payloads_are_stored_through_one_door() -> None:
    """No module but the one that notes who names a payload stores one: an unnoted one could be pruned while in use."""
    modules = Path(stores.__file__).parent.rglob("*.py")
    stores_one = re.compile(r'\.(run|run_many|insert|row|rows)\(\s*"put_blob"')
    assert {each.name for each in modules if stores_one.search(each.read_text("utf-8"))} == {"pruning.py"}
