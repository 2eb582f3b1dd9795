"""`holdfast capture pull` without a name: all that went wrong, once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from holdfast import Holdfast, workflow
from holdfast.cli import program
from holdfast.errors import RunFailedError
from holdfast.history import FORMAT


@workflow
async def fail(number: int) -> None:
    """Fail."""
    raise ValueError(str(number))


@workflow
async def burst(number: int) -> None:
    """Fail, too."""
    raise TypeError(str(number))


def test_all_that_went_wrong_is_pulled_once(tmp_path: Path) -> None:
    """Copied where there is a capture, made where there is none; a bad one is named, and the others come."""
    store, to = f"sqlite:///{tmp_path}/holdfast.db", tmp_path / "histories"

    def pull(*words: str, code: int = 0) -> dict[str, Any]:
        answer = CliRunner().invoke(program, ["capture", "pull", "--store", store, "--to", str(to), *words, "--json"])
        assert answer.exit_code == code, answer.output
        found: dict[str, Any] = json.loads(answer.stdout) if answer.stdout else {}
        return found

    async def run() -> None:
        async with Holdfast([], store, definitions=[fail, burst], tune_gc=False) as app:
            for name, each in (("a", fail), ("b", fail), ("c", burst)):
                with pytest.raises(RunFailedError):
                    await (await app.client.start(each, 1, id=name)).result()

    asyncio.run(run())
    (captured,) = (tmp_path / "captures").glob("fail.a.*")
    captured.unlink()
    first = pull("--workflow", "fail", "--limit", "1")
    assert (first["pulled"], first["there"], first["more"]) == (1, 0, True)
    second = pull("--since", "1h")
    assert (second["pulled"], second["there"], second["more"]) == (2, 1, False)
    made = {each["capture"].split(".")[1]: each["made now"] for each in first["items"] + second["items"]}
    assert made == {"a": True, "b": False, "c": False}
    again = pull()
    assert (again["pulled"], again["there"], again["bad"]) == (0, 3, [])
    assert pull("--since", "2100-01-01")["there"] == 0
    assert pull("--status", "cancelled")["there"] == 0
    pull("--status", "gone", code=2)
    pull("a", "--workflow", "fail", code=2)
    next(to.glob("burst.*")).unlink()
    (tmp_path / "captures" / "spoilt.json").write_text(f'{{"format": "{FORMAT}", "run": ', encoding="utf-8")
    spoilt = pull("--from", str(tmp_path / "captures"), code=1)
    assert (spoilt["pulled"], spoilt["there"], [each["run"] for each in spoilt["bad"]]) == (1, 1, ["spoilt"])
