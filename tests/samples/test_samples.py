"""The field's standard scenarios, each written once, come to the same on every engine, also with a worker killed."""

from __future__ import annotations

import asyncio
import gc
import logging
from pathlib import Path
from typing import Final

import pytest

from examples.samples import outside
from holdfast.testing.conformance.runtime import FOLDER_VARIABLE
from tests.samples.scenes import SAMPLES
from tests.samples.stage import Sample, Where

HERE: Final = "sqlite"
WHERE: Final = (HERE, "sqlite-killed", "postgres", "postgres-killed", "temporal", "temporal-killed")
"""Engines, each calm and with its worker killed in the middle of every sample."""
WORDS: Final = ("sqlite", "postgres", "temporal", "embedded", "engine")
"""By which a sample, or its driver, could tell engines apart."""
ROOT: Final = Path(__file__).resolve().parents[2]


def _each() -> list[object]:
    return [
        pytest.param(each, where, id=f"{each.name}-{where}", marks=() if where == HERE else pytest.mark.long)
        for where in WHERE
        for each in SAMPLES
    ]


@pytest.fixture
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    """Return a store and an engine, by name."""
    name, _, killed = request.param.partition("-")
    store, engine = f"sqlite:///{tmp_path / 'store.db'}", "embedded"
    match name:
        case "postgres":
            server = request.getfixturevalue("postgres_server")
            store = server.create_database(request.getfixturevalue("postgres_template"))
        case "temporal":
            engine = request.getfixturevalue("temporal_server").url_of("killed" if killed else "calm")
    return Where(store, engine, bool(killed))


@pytest.mark.parametrize(("sample", "where"), _each(), indirect=["where"])
def test_sample(
    sample: Sample,
    where: Where,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The sample comes to what it has to, and the world was asked for each thing once."""
    for variable in (FOLDER_VARIABLE, outside.FOLDER_VARIABLE):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("HOLDFAST_CAPTURE_DIR", str(tmp_path / "captures"))
    caplog.set_level(logging.CRITICAL, "temporalio")  # a record of a failure holds all that was around it
    asyncio.run(sample.perform(where, tmp_path))
    gc.collect()  # nothing else closes a connection of Temporal's SDK


def test_no_sample_asks_which_engine_it_is() -> None:
    """Neither the samples nor what drives them have a word for it."""
    files = [*(ROOT / "examples" / "samples").glob("*.py"), ROOT / "tests" / "samples" / "scenes.py"]
    assert len(files) > len(SAMPLES)
    texts = {each.name: each.read_text(encoding="utf-8").split('"""', 2)[-1].lower() for each in files}
    assert [(name, word) for name, text in texts.items() for word in WORDS if word in text] == []


def test_each_sample_is_driven_and_has_a_middle() -> None:
    """No file without a driver, no driver without a place where it may be killed."""
    modules = {each.stem for each in (ROOT / "examples" / "samples").glob("*.py")} - {"outside", "patch_after"}
    assert {each.module.rpartition(".")[2] for each in SAMPLES} == modules
    assert len(SAMPLES) >= 20
