"""What is believed of prefixes on disk, against a server that says what a test has it say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from holdfast.ai import cached
from holdfast.ai.local.prefixes import FILES_MAX, Prefixes, tell_apart
from holdfast.ai.local.turns import Loaded, Turn
from holdfast.errors import HoldfastWarning, ModelError, ModelRequestError

MANUAL = cached("Never guess. " * 20, name="manual")
LENGTH = len(f"system: {MANUAL.text}\nuser: ")


class ScriptedServer:
    """Keeps slots as a server does: a character is a token."""

    version = "1"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.disk_is_full = False
        self.reports_written = True
        self._slots: dict[int, str] = {}

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Do what is asked, and write down that it was."""
        if path == "/apply-template":
            return {"prompt": "".join(f"{each['role']}: {each['content']}\n" for each in body["messages"])}
        self.asked.append(path)
        if path == "/completion":
            self._slots[body["id_slot"]] = body["prompt"]
            return {"tokens_evaluated": len(body["prompt"])}
        slot, _, action = path.removeprefix("/slots/").partition("?action=")
        file = self.folder / body["filename"]
        if action == "restore":
            text = file.read_text()
            if not text.startswith("system"):
                raise ModelRequestError("local:tiny", "it refused: invalid slot save file")
            self._slots[int(slot)] = text
            return {"n_restored": len(text)}
        if self.disk_is_full:
            file.write_text("sys")
            if self.reports_written:
                raise ModelError("local:tiny", "it failed: Unable to save slot")
            return {"n_written": 0}
        text = self._slots[int(slot)]
        file.write_text(text)
        return {"n_written": len(text)}


@pytest.fixture
def server(tmp_path):
    """Give a server that keeps its files there."""
    return ScriptedServer(tmp_path)


def prefixes_of(server: Any, model: str = "tiny") -> Prefixes:
    """Return what a process begins with."""
    return Prefixes(server, server.folder, model, told="local:tiny")


def turn_of(loaded, cached_tokens):
    """Return a request as it ended."""
    turn = Turn(0, MANUAL.digest, loaded)
    turn.note(cached_tokens)
    return turn


def test_a_prefix_is_computed_once_and_read_by_other_slots_and_the_next_process(server):
    """What is computed is the text up to where a question begins."""
    first = prefixes_of(server)
    assert first.load(MANUAL, 0) == Loaded(LENGTH, restored=False)
    assert first.load(MANUAL, 1) == Loaded(LENGTH, restored=True)
    assert prefixes_of(server).load(MANUAL, 0) == Loaded(LENGTH, restored=True)
    assert server.asked.count("/completion") == 1
    assert len(list(server.folder.iterdir())) == 1


def test_another_model_or_text_is_another_file(server):
    """And another version of the library, which reads its own alone."""
    prefixes_of(server).load(MANUAL, 0)
    assert prefixes_of(server, "other").load(MANUAL, 0) == Loaded(LENGTH, restored=False)
    server.version = "2"
    assert prefixes_of(server).load(MANUAL, 0) == Loaded(LENGTH, restored=False)
    assert prefixes_of(server).load(cached("Guess. " * 30), 0) != Loaded(LENGTH, restored=True)
    assert server.asked.count("/completion") == 4


def test_a_damaged_file_is_computed_anew(server):
    """And written again."""
    prefixes_of(server).load(MANUAL, 0)
    (file,) = server.folder.iterdir()
    file.write_text("garbage")
    assert prefixes_of(server).load(MANUAL, 0) == Loaded(LENGTH, restored=False)
    assert file.read_text().startswith("system")


def test_a_prefix_counts_when_the_server_did_not_compute_it(server):
    """What it says of reading a file proves nothing."""
    prefixes = prefixes_of(server)
    loaded = prefixes.load(MANUAL, 0)
    assert prefixes.proven == frozenset()
    assert prefixes.judge(MANUAL, turn_of(loaded, LENGTH - 2))
    assert prefixes.proven == {MANUAL.digest}
    assert not prefixes.judge(MANUAL, Turn(0, MANUAL.digest, None))


def test_a_file_that_was_read_and_computed_again_is_not_read_any_more(server):
    """It is said once; the prefix is computed where it is needed."""
    prefixes_of(server).load(MANUAL, 0)
    prefixes = prefixes_of(server)
    loaded = prefixes.load(MANUAL, 0)
    assert loaded == Loaded(LENGTH, restored=True)
    with pytest.warns(HoldfastWarning, match=r"'manual' of model 'local:tiny' was read from disk, and computed again"):
        assert not prefixes.judge(MANUAL, turn_of(loaded, 3))
    assert prefixes.load(MANUAL, 0) == Loaded(LENGTH, restored=False)
    assert prefixes.proven == frozenset()


def test_a_prefix_that_is_computed_twice_each_time_is_let_be(server):
    """Computing it beforehand costs, and helps nobody."""
    prefixes = prefixes_of(server)
    loaded = prefixes.load(MANUAL, 0)
    with pytest.warns(HoldfastWarning, match="was computed, and computed again"):
        assert not prefixes.judge(MANUAL, turn_of(loaded, 0))
    assert prefixes.load(MANUAL, 0) is None
    assert prefixes.load(MANUAL, 1) is None


@pytest.mark.parametrize("says_so", [True, False], ids=["said", "unsaid"])
def test_a_full_disk_is_told_once_and_answers_go_on(server, says_so):
    """Nothing is left of what could not be written."""
    server.disk_is_full, server.reports_written = True, says_so
    prefixes = prefixes_of(server)
    with pytest.warns(HoldfastWarning, match=r"'manual' of model 'local:tiny' cannot be kept in .* MiB free"):
        assert prefixes.load(MANUAL, 0) == Loaded(LENGTH, restored=False)
    assert prefixes.load(MANUAL, 1) == Loaded(LENGTH, restored=False)
    assert list(server.folder.iterdir()) == []


def test_a_folder_keeps_so_many_prefixes(server):
    """What was not used for longest makes room."""
    prefixes = prefixes_of(server)
    for number in range(FILES_MAX + 2):
        prefixes.load(cached(f"Rule {number}: never guess."), 0)
    assert len(list(server.folder.iterdir())) == FILES_MAX


def test_what_was_computed_for_a_request_is_no_saving():
    """It was written with it; the next request reads it."""
    assert turn_of(Loaded(100, restored=False), 99).note(99) == (0, 99)
    assert turn_of(Loaded(100, restored=True), 99).note(99) == (99, 0)
    assert turn_of(None, 99).note(99) == (99, 0)


def test_models_are_told_apart_by_their_size_and_ends(tmp_path):
    """Whatever they are called."""
    one, other, same = (tmp_path / name for name in ("one", "other", "same"))
    one.write_bytes(b"GGUF" + bytes(3_000_000))
    other.write_bytes(b"GGUF" + bytes(2_999_999) + b"\1")
    same.write_bytes(one.read_bytes())
    assert tell_apart(one) == tell_apart(same) != tell_apart(other)
