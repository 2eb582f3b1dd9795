"""What our workflows left on SQLite replays under Temporal's own Replayer: the same code, with our plugin.

With children, messages, side effects, fan-outs, locks, callbacks, runs that park themselves or go on as new executions;
and changed files do not.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.app import Holdfast
from holdfast.history.temporal import to_temporal
from holdfast.replay import Verdict, WorkflowReplayer, load_history
from holdfast.replay.captures import read_run
from tests.conformance.temporal import kin
from tests.conformance.temporal.asking import judge
from tests.conformance.temporal.mutations import REFUSED, UNSEEN, mutated
from tests.conformance.temporal.record_kin import perform

PLAYED = ("parent", "hasty", "sender", "effects", "counter", "basket", "parked", "mapped", "locked", "asked", "found")
WRITTEN = (*PLAYED, "counter@1")
REWORDED = ("parent", "sender")
"""Their results quote how children and messages fail, for which Temporal has words of its own."""


async def _play(folder: Path) -> dict[str, bytes]:
    definitions = [*kin.WORKFLOWS.values(), *kin.TASKS]
    async with Holdfast([], f"sqlite:///{folder}/store.db", definitions=definitions) as app:
        await perform(app, *PLAYED)
        runs = {name: "counter-1@1" if name == "counter@1" else f"{name}-1" for name in WRITTEN}
        return {name: await _written(app, run) for name, run in runs.items()}


async def _written(app: Holdfast, run: str) -> bytes:
    record = await app.client.handle(run).describe()
    history = await read_run(app.stack.store, record.execution_id)
    return to_temporal(history.events, outcomes=history.outcomes)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return a file for Temporal of each run that was played on SQLite."""
    return asyncio.run(_play(tmp_path_factory.mktemp("played")))


@pytest.fixture(scope="module")
def judged(written: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """Return what Temporal's Replayer says of each file, and of each that was changed."""
    files = {**written, **{name: mutated(written[run], edit) for name, (run, edit) in (REFUSED | UNSEEN).items()}}
    return dict(zip(files, judge("kin", list(files.values()), tmp_path_factory.mktemp("judged")), strict=True))


def test_temporals_own_replayer_accepts_each(judged: dict[str, str | None]) -> None:
    """As it accepts what a server recorded of them."""
    assert {name: judged[name] for name in WRITTEN} == dict.fromkeys(WRITTEN)


def test_it_refuses_each_that_was_changed(judged: dict[str, str | None]) -> None:
    """So its acceptance means something; and it says why: the code decides something else."""
    passed = [name for name in REFUSED if "Nondeterminism" not in (judged[name] or "")]
    assert (len(REFUSED), passed) == (29, [])


@pytest.mark.parametrize("name", UNSEEN)
def test_what_it_does_not_compare_is_compared_here(
    name: str, written: dict[str, bytes], judged: dict[str, str | None]
) -> None:
    """Whom a message is for, and what it says."""
    run, edit = UNSEEN[name]
    result = WorkflowReplayer(kin.WORKFLOWS[run]).replay(load_history(mutated(written[run], edit)))
    assert (judged[name], result.verdict) == (None, Verdict.DIVERGED)


@pytest.mark.parametrize("name", [each for each in WRITTEN if each not in REWORDED])
def test_what_is_written_for_temporal_replays_here_too(name: str, written: dict[str, bytes]) -> None:
    """As a history of Temporal's."""
    result = WorkflowReplayer(kin.WORKFLOWS[name.partition("@")[0]]).replay(load_history(written[name]))
    assert (result.engine, result.verdict, result.divergences) == ("temporal", Verdict.IDENTICAL, ()), result.diff()
