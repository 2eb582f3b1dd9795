"""Encryption as an application meets it: nothing to read in the file, keys that change, keys that are wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest

import holdfast
from holdfast import Client, Holdfast, Ledger
from holdfast.app import close_connections, load_settings, make_key, verify_store
from holdfast.errors import EncryptionError, RunCancelledError, RunConflictError, RunFailedError, SettingsError
from holdfast.ports.engine import Begin, StartRequest
from holdfast.ports.operations import PARKED, AuditFilter, DoneBefore, DoOnce, Operation, Settle
from tests.unit.app import secrets_told
from tests.unit.app.secrets_told import WORDS, Talk, fall, join, speak, wait
from tests.unit.worker.rig import on_loop, pause

LARGE = WORDS["large"] + "x" * 10_000


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a folder, an environment without settings, and three keys."""
    monkeypatch.chdir(tmp_path)
    for name in ("OLD", "NEW", "OTHER"):
        monkeypatch.setenv(name, make_key())
    yield
    close_connections()


@asynccontextmanager
async def running(*keys: str, **settings: object) -> AsyncIterator[Holdfast]:
    """Run the workflows of `secrets_told` on the store of this folder."""
    async with Holdfast(
        [secrets_told], "sqlite:///store.db", encryption_keys=keys, poll_seconds=0.05, **settings
    ) as app:
        yield app


async def tell_everything(app: Holdfast, *keys: str) -> None:
    """Have every word travel in every way."""
    handle = await app.client.start(Talk, WORDS["input"], LARGE, id="talk")
    async with await Client.connect("sqlite:///store.db", encryption_keys=keys) as other:
        there = other.handle("talk", Talk)
        await there.signal(Talk.tell, WORDS["signal"])
        assert await there.query(Talk.last, WORDS["query"]) == WORDS["query-answer"]
        assert await there.update(Talk.add, WORDS["update"]) == WORDS["update-answer"]
    assert await handle.result() == WORDS["outcome"]
    request = StartRequest("fall", "fall", json.dumps(WORDS["input"]).encode(), memo={"note": WORDS["memo"]})
    await app.stack.engine.start([request])
    with pytest.raises(RunFailedError, match=WORDS["raised"]):
        await app.client.handle("fall").result()
    waiting = await app.client.start(wait, WORDS["input"], id="wait")
    await waiting.cancel(WORDS["reason"])
    with pytest.raises(RunCancelledError):
        await waiting.result()


def content() -> bytes:
    """Return what the files of the store hold."""
    return b"".join(each.read_bytes() for each in Path().glob("store.db*") if each.is_file())


def readable() -> set[str]:
    """Return the words that can be read in the files of the store."""
    return {name for name, word in WORDS.items() if word.encode() in content()}


@on_loop
async def test_without_keys_every_word_can_be_read() -> None:
    """The search finds what is there: each way of travelling leaves its word in the file."""
    async with running() as app:
        await tell_everything(app)
        assert readable() == set(WORDS)


@on_loop
async def test_with_a_key_no_word_can_be_read() -> None:
    """Neither the file nor its log holds a word of what users wrote; everything still works, and verifies."""
    async with running("env:NEW") as app:
        await tell_everything(app, "env:NEW")
        assert readable() == set()
    assert readable() == set()
    close_connections()
    settings = load_settings(store="sqlite:///store.db", encryption_keys=("env:NEW",))
    report = await asyncio.to_thread(verify_store, settings)
    assert (report.problems, report.notes) == ([], [])
    blind = await asyncio.to_thread(verify_store, load_settings(store="sqlite:///store.db"))
    assert blind.ok
    assert [each for each in blind.notes if "encrypted" in each]
    async with running("env:NEW") as app:
        assert await app.client.handle("talk").result() == WORDS["outcome"]
        assert await app.client.handle("talk", Talk).query(Talk.last, "") == WORDS["query-answer"]
        events = await app.client.handle("talk").history()
        assert any(WORDS["failure"] in repr(each.event) for each in events)


@on_loop
async def test_keys_change_under_an_open_run() -> None:
    """A new key writes, the old one still reads; the same start finds the same run under either."""
    async with running("env:OLD") as app:
        handle = await app.client.start(Talk, WORDS["input"], LARGE, id="talk")
        await handle.signal(Talk.tell, WORDS["signal"])
    async with running("env:NEW", "env:OLD") as app:
        handle = await app.client.start(Talk, WORDS["input"], LARGE, id="talk")
        await handle.signal(Talk.tell, WORDS["signal"])
        assert await handle.result() == WORDS["outcome"]
        with pytest.raises(RunConflictError):
            await app.client.start(Talk, "another", LARGE, id="talk")
    async with running("env:OLD", "env:NEW") as app:
        assert await app.client.handle("talk").result() == WORDS["outcome"]
    assert readable() == set()


@on_loop
async def test_encryption_is_turned_on_for_a_store_that_is_there() -> None:
    """Runs from before go on; what is written from then on is encrypted."""
    async with running() as app:
        await app.client.start(Talk, "plain", "plain", id="talk")
    async with running("env:NEW") as app:
        handle = await app.client.start(Talk, "plain", "plain", id="talk")
        await handle.signal(Talk.tell, WORDS["signal"])
        await handle.signal(Talk.tell, WORDS["signal"])
        assert await handle.result() == WORDS["outcome"]
    assert "signal" not in readable()
    assert "outcome" not in readable()


@pytest.mark.parametrize(("before", "after"), [(("env:OLD",), ("env:NEW", "env:OLD")), ((), ("env:NEW",))])
@on_loop
async def test_a_child_is_found_by_its_id_under_other_keys(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    """The same work is the same child after a key was changed, and after encryption was turned on."""
    async with running(*before) as app:
        await app.client.start(wait, WORDS["input"], id="child")
    async with running(*after) as app:
        parent = await app.client.start(join, WORDS["input"], id="parent")
        other = await app.client.start(join, "other work", id="other")
        with pytest.raises(RunFailedError, match="another input"):
            await other.result(timeout=20)
        assert await app.client.engine.outcome("parent", 0.1) is None
        await app.client.handle("child").cancel(WORDS["reason"])
        with pytest.raises(RunFailedError, match=f"was cancelled: {WORDS['reason']}"):
            await parent.result(timeout=20)


@on_loop
async def test_a_run_whose_key_is_gone_is_parked_and_goes_on_with_it() -> None:
    """Without its key a run is parked, with the key's id as the reason; with the key it goes on."""
    async with running("env:OLD") as app:
        await app.client.start(wait, WORDS["input"], id="old")
    async with running("env:NEW", "env:OLD") as app:
        await app.client.start(wait, WORDS["input"], id="newer")
    async with running("env:NEW") as app:
        await app.client.handle("old").cancel()  # somebody has to look at it
        async with asyncio.timeout(20):
            while (record := await app.client.handle("old").describe()).status != PARKED:
                await pause()
        assert "HF810" in record.parked
        with pytest.raises(EncryptionError):
            await app.client.handle("old").history()
        assert await app.client.handle("newer").history()
    async with running("env:NEW", "env:OLD") as app:
        handle = app.client.handle("old")
        await handle.resume()
        with pytest.raises(RunCancelledError):
            await handle.result()


@on_loop
async def test_the_wrong_keys_do_not_even_open_a_store() -> None:
    """A process that could only do harm does not start, and says which key is missing."""
    async with running("env:OLD") as app:
        await app.client.start(wait, WORDS["input"], id="old")
    for keys in ((), ("env:OTHER",)):
        with pytest.raises(EncryptionError, match="newest history in the store"):
            async with running(*keys):
                pass


@on_loop
async def test_a_body_somewhere_else_is_refused() -> None:
    """Pages and ends of two runs that were swapped are not read as what they are not."""
    async with running("env:NEW") as app:
        for name in ("one", "two"):
            await app.client.start(fall, name, id=name)
            with pytest.raises(RunFailedError):
                await app.client.handle(name).result()
    connection = apsw.Connection("store.db")
    rows = connection.execute("SELECT id, tip, outcome FROM executions ORDER BY id").fetchall()
    for (execution, _, _), (_, tip, outcome) in zip(rows, reversed(rows), strict=True):
        connection.execute("UPDATE executions SET tip = ?, outcome = ? WHERE id = ?", (tip, outcome, execution))
    connection.close()
    async with running("env:NEW") as app:
        for name in ("one", "two"):
            with pytest.raises(EncryptionError, match="put where something else belongs"):
                await app.client.handle(name).history()
            with pytest.raises(EncryptionError):
                await app.client.handle(name).result()


def test_the_ledger_is_encrypted_and_its_repeats_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of scripts are encrypted too."""
    monkeypatch.setenv("HOLDFAST_STORE", "sqlite:///store.db")
    monkeypatch.setenv("HOLDFAST_ENCRYPTION_KEYS", '["env:NEW"]')
    Ledger().mark_done("a", WORDS["ledger"])
    assert Ledger().result("a") == WORDS["ledger"]
    assert readable() == set()
    close_connections()


def test_children_have_the_keys_of_their_parent() -> None:
    """A task's own ledger is encrypted with keys that were given as an argument, in its stack's store."""
    with Holdfast([secrets_told], "sqlite:///store.db", encryption_keys=("env:NEW",)) as app:
        assert app.submit(speak, "x", id="s").result() == WORDS["result"]
    assert readable() == set()


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("env:MISSING", "no variable MISSING"),
        ("file:missing", "cannot be read"),
        ("env:HOME", "holds no encryption key"),
        ("hfk_secret", "no reference"),
    ],
)
def test_what_is_no_key_is_said(reference: str, words: str) -> None:
    """A reference that leads nowhere is an error that does not show a key."""
    with pytest.raises(SettingsError, match=words) as caught, Holdfast(encryption_keys=(reference,)):
        pass
    assert "hfk_secret" not in str(caught.value)


def test_a_key_is_read_from_a_file() -> None:
    """`file:` names a file with the key in it; white space around it does not matter."""
    Path("key").write_text(make_key() + "\n")
    assert holdfast.run(speak_once, store="sqlite:///store.db", encryption_keys=("file:key",)) == "said"


@holdfast.workflow
async def speak_once() -> str:
    """Say one word."""
    return "said"


@on_loop
async def test_answers_kept_for_a_key_are_encrypted() -> None:
    """Neither what an update answered nor what was asked can be read; both are known again, also under new keys."""
    answer = WORDS["update-answer"].encode()
    asked = b"digest of a guess"

    def claim(until: float) -> DoOnce:
        return DoOnce(caller="ci", key="k", fingerprint=asked, run_id="r", keep_seconds=60.0, claimed_until=until)

    for keys in (("env:OLD",), ("env:NEW", "env:OLD")):
        async with await Client.connect("sqlite:///store.db", encryption_keys=keys) as client:
            now = await client.store.now()
            (found,) = await client.store.write([claim(now + 5.0)])
            if found is True:
                assert await client.store.write([Settle("ci", "k", answer)]) == [True]
            else:
                assert found == DoneBefore("", created=False, answer=answer, caller="ci", key="k", run_id="r")
    assert asked not in content()
    assert "update-answer" not in readable()


@on_loop
async def test_a_run_that_is_started_once_is_audited_and_encrypted() -> None:
    """An act that is carried by a key and by the audit log is encrypted as it is without them."""
    async with running("env:OLD") as app:
        request = StartRequest("wait", "w", json.dumps(WORDS["input"]).encode())

        def note(act: Operation) -> DoOnce:
            return DoOnce(act=act, caller="ci", key="k", fingerprint=b"f", run_id="w", keep_seconds=60.0)

        engine = app.stack.engine.acting_as("ci")
        assert (await engine.carry_out(Begin(request), note)).created
        done = DoneBefore("w", created=True, caller="ci", key="k", run_id="w")
        assert await engine.carry_out(Begin(request), note) == done
        entries, _ = await app.stack.store.audit(AuditFilter())
        assert [(each.actor, each.action, each.target, each.detail) for each in entries] == [
            ("ci", "start", "w", "wait")
        ]
    assert "input" not in readable()
