"""Verbs about what the store does not know where runs are on Temporal."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from holdfast.cli import program

ONLY_HERE = (
    "workers",
    "limits set fetch 3",
    "pools",
    "pools list",
    "pools pause gpu",
    "pools resume gpu",
    "pools limit gpu 2",
    "pools drain gpu",
    "gather Bundle 1 --debounce 1m",
    "gatherings list",
    "gatherings begin 1",
    "notices list",
    "notices resend 1",
    "repair r-1",
)


@pytest.mark.parametrize("words", ONLY_HERE)
def test_a_verb_says_that_there_is_no_such_thing_and_asks_nobody(words, tmp_path, monkeypatch):
    """Not the cluster, which is none here, nor a store, which it would make: an empty list would be a lie."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_ENGINE", "temporal://127.0.0.1:1/default")
    result = CliRunner().invoke(program, [*words.split(), "--json"])
    assert result.exit_code == 1, result.output
    assert json.loads(result.stderr)["error"]["code"] == "HF205"
    assert not list(tmp_path.iterdir())
