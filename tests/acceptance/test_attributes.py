"""Runs are given attributes and a memo, and found by them, as a person does it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import holdfast
from holdfast import (
    Holdfast,
    continue_as_new,
    run_info,
    set_attributes,
    start_child,
    task,
    wait_for_signal,
    workflow,
)
from holdfast.cli import program
from holdfast.cli.output import Exit
from holdfast.errors import InputError
from holdfast.history import decode_attributes
from holdfast.ports.engine import decode_memo
from holdfast.ports.operations import RunFilter
from tests.unit.worker.rig import on_loop, pause

GIVEN: Any = {"region": "eu", "total": 12.5, "since": datetime(2026, 11, 29, 8, tzinfo=UTC), "none": None}
KEPT = {name: value for name, value in GIVEN.items() if value is not None}


@task
async def price(number: int) -> int:
    """Return a price."""
    return number


@workflow
async def order(rounds: int) -> str:
    """Go on as a new execution a few times; return the memo."""
    await price(rounds)
    if rounds:
        continue_as_new(rounds - 1)
    return run_info().memo["note"]


@workflow
async def ship(stage: int) -> Any:
    """Say where it stands, by attributes; go on as a new execution in the middle."""
    set_attributes({"stage": stage, "parcel": f"p-{stage}"})
    await price(stage)
    await wait_for_signal("go")
    if stage < 2:
        set_attributes({"parcel": None, "late": True})
        continue_as_new(stage + 1)
    return run_info().attributes


@workflow
async def parent() -> str:
    """Start a child that is found by attributes of its own."""
    return await start_child(order, 0, attributes={"region": "child"}, memo={"note": "of a child"})


@on_loop
async def test_code_changes_what_its_run_is_found_by(tmp_path: Path) -> None:
    """At once, by name; what is taken away is gone; it goes along, into forks too, and survives the process."""
    store = f"sqlite:///{tmp_path}/s.db"

    async def found(app: Holdfast, **attributes: str) -> list[str]:
        records, _ = await app.client.runs(where=RunFilter(attributes=tuple(attributes.items())))
        return [each.execution for each in records]

    async with Holdfast([], store, definitions=[ship, price]) as app:
        handle = await app.client.start(ship, 1, id="s", attributes={"region": "eu", "parcel": "none"})
        async with asyncio.timeout(20):
            while not await found(app, stage="1", parcel="p-1", region="eu"):
                await pause()
        assert await found(app, parcel="none") == []
    async with Holdfast([], store, definitions=[ship, price]) as app:
        forked = await app.client.fork("s", at="price#1", id="f")
        assert sorted(await found(app, stage="1", parcel="p-1", region="eu")) == ["f", "s"]
        await forked.handle.terminate()
        handle = app.client.handle("s", ship)
        await handle.signal("go")
        async with asyncio.timeout(20):
            while await found(app, stage="2", parcel="p-2", late="true", region="eu") != ["s@2"]:
                await pause()
        assert await found(app, parcel="p-1") == ["f"]
        await handle.signal("go")
        assert await handle.result() == {"region": "eu", "stage": 2, "parcel": "p-2", "late": True}
        assert await found(app, stage="2") == ["s@2"]


@on_loop
async def test_every_way_to_start_a_run_gives_attributes(tmp_path: Path) -> None:
    """Many at once, with a signal, one task, a child: each is found by its own, and shows its memo."""
    async with Holdfast([], f"sqlite:///{tmp_path}/s.db", definitions=[order, ship, parent, price]) as app:
        client, memo = app.client, {"note": "here"}
        many = await client.start_many(order, [("m", 0)], attributes={"region": "many"}, memo=memo)
        assert await many[0].result() == "here"
        both = await client.signal_with_start(ship, 2, id="w", signal="go", attributes={"region": "both"}, memo=memo)
        assert (await both.result())["region"] == "both"
        one = await client.submit(price, 7, id="t", attributes={"region": "task"}, memo=memo)
        assert await one.result() == 7
        assert await (await client.start(parent, id="p")).result() == "of a child"
        for region, run_id, note in (
            ("many", "m", "here"),
            ("both", "w", "here"),
            ("task", "t", "here"),
            ("child", "p:order#1", "of a child"),
        ):
            (record,), _ = await client.runs(where=RunFilter(attributes=(("region", region),)))
            assert (record.run_id, decode_memo(record.memo)) == (run_id, {"note": note})


@on_loop
async def test_attributes_go_along(tmp_path: Path) -> None:
    """A run that goes on, and a fork of it, are found by the attributes that it was started with."""
    async with Holdfast([], f"sqlite:///{tmp_path}/s.db", definitions=[order, price]) as app:
        handle = await app.client.start(order, 2, id="o-1", attributes=GIVEN, memo={"note": "by hand"})
        assert await handle.result() == "by hand"
        record = await handle.describe()
        assert record.execution == "o-1@3"
        assert decode_attributes(record.attributes) == KEPT
        fork = await app.client.fork("o-1", at="price#1")
        assert await fork.handle.result() == "by hand"
        where = RunFilter(attributes=(("region", "eu"), ("total", "12.5"), ("since", "2026-11-29T08:00Z")))
        found, _ = await app.client.runs(where=where)
        assert [each.run_id for each in found] == [fork.handle.run_id, "o-1"]
        assert found[0].memo == record.memo
        attributes: Any = {"region": "us"}
        again = await app.client.start(
            order, 0, id="o-1", id_reuse_policy="allow_duplicate", attributes=attributes, memo={"note": "again"}
        )
        assert await again.result() == "again"
        found, _ = await app.client.runs(where=RunFilter(attributes=(("region", "us"),)))
        assert [each.execution for each in found] == ["o-1@4"]
        found, _ = await app.client.runs(where=where)
        assert [each.run_id for each in found] == [fork.handle.run_id]
        with pytest.raises(InputError, match="another name"):
            await app.client.start(order, 0, attributes={"status": "x"})


def test_a_script_gives_them_too(tmp_path: Path) -> None:
    """`holdfast.run` and the synchronous door take what `start` takes."""
    store = f"sqlite:///{tmp_path}/s.db"
    assert holdfast.run(order, 0, store=store, attributes=GIVEN, memo={"note": "one"}) == "one"
    with Holdfast([], store, definitions=[order, price]) as app:
        handle = app.start(order, 0, attributes=GIVEN, memo={"note": "two"})
        assert handle.result() == "two"
        assert decode_attributes(handle.describe().attributes) == KEPT


def test_the_command_line_finds_runs_by_them(tmp_path: Path) -> None:
    """They are set with options, shown, searched with `--where`, and select what a verb goes to."""
    store = f"sqlite:///{tmp_path}/s.db"

    def call(*arguments: str, expected: Exit = Exit.DONE) -> Any:
        result = CliRunner().invoke(program, [*arguments, "--store", store, "--json"])
        assert result.exit_code == expected, result.output
        return json.loads(result.stdout) if expected is Exit.DONE else result.output

    for run_id, region in (("a", "eu"), ("b", "us")):
        options = ["--attribute", f"region={region}", "--attribute", "total=12.5", "--memo", "note=by hand"]
        call("start", "order", "1", "--id", run_id, *options)
    shown = call("runs", "show", "a")
    assert shown["attributes"] == {"region": "eu", "total": 12.5}
    assert shown["memo"] == {"note": "by hand"}
    assert [each["run_id"] for each in call("runs", "list", "--where", "region=eu")["items"]] == ["a"]
    assert [each["run_id"] for each in call("runs", "list", "--where", "total=12.5")["items"]] == ["b", "a"]
    call("runs", "terminate", "--where", "region=us", "--yes")
    assert [each["run_id"] for each in call("runs", "list", "--where", "status=terminated")["items"]] == ["b"]
    assert "region" in CliRunner().invoke(program, ["runs", "list", "--store", store]).stdout
    call("start", "order", "1", "--attribute", "region", expected=Exit.USAGE)
    call("runs", "list", "--where", "no name=1", expected=Exit.USAGE)
