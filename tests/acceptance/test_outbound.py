"""`holdfast.http` in tasks, on a whole stack."""

from __future__ import annotations

from itertools import count

import pytest

from holdfast import Client, Holdfast
from holdfast.errors import RunFailedError
from holdfast.http import http
from holdfast.testing.fake_api import Answer, FakeApi, Limit, ResetAfter, TooMany
from tests.acceptance import outbound_tasks
from tests.unit.worker.rig import on_loop, wait_for


@pytest.fixture
def api():
    """Return a fake API that charges, and leave no connection of threads behind."""
    with FakeApi() as found:
        numbers = count(1)
        found.route("POST", "/charges", lambda _: {"id": f"ch-{next(numbers)}"})
        yield found
    http.sync.close()


def stack(tmp_path) -> Holdfast:
    """Return a stack whose tasks may call this machine."""
    return Holdfast([outbound_tasks], f"sqlite:///{tmp_path / 'store.db'}", outbound_allow=("127.0.0.1",))


@on_loop
async def test_an_effect_happens_once_wherever_its_task_runs(api, tmp_path):
    """On the loop, in a thread, in a process: the answer is lost, the key stays, the host does it once."""
    api.play("/charges", ResetAfter())
    url = f"{api.url}/charges"
    async with stack(tmp_path) as app:
        result = await (await app.client.start(outbound_tasks.charge_all, url, id="c-1")).result()
    assert [each["id"] for each in result] == ["ch-1", "ch-2", "ch-3"]
    assert [each["attempt"] for each in result] == [2, 1, 1]
    assert [each.value["by"] for each in api.effects()] == ["loop", "thread", "process"]
    keys = [each.key.rpartition("/")[0] for each in api.effects()]
    assert keys == ["c-1/charge#1", "c-1/charge_in_a_thread#1", "c-1/charge_in_a_process#1"]
    assert api.requests()[0].key == api.requests()[1].key


@on_loop
async def test_a_host_that_one_task_was_told_to_leave_alone_is_left_alone_by_all(api, tmp_path):
    """Also by one in a child process; the waits cost no attempts, and are shown."""
    api.play("/charges", TooMany("1"))
    url = f"{api.url}/charges"
    async with stack(tmp_path) as app:
        handles = [await app.client.start(outbound_tasks.charge_all, url, id="c-1")]
        async with await Client.connect(f"sqlite:///{tmp_path / 'store.db'}") as other:

            async def told() -> list | None:
                return await other.store.limits() or None

            (shown,) = await wait_for(told)
        assert (shown.kind, shown.name, shown.circuit, shown.frozen_by) == ("host", api.host, "closed", "c-1/charge#1")
        handles.append(await app.client.start(outbound_tasks.charge_once, url, id="c-2"))
        results = [await handle.result() for handle in handles]
    assert [each["attempt"] for each in [*results[0], results[1]]] == [1, 1, 1, 1]
    refused, *later = api.requests()
    assert all(each.at >= refused.at + 1.0 for each in later)
    assert len(api.effects()) == 4


@on_loop
async def test_a_fleet_stays_under_what_a_host_announced(api, tmp_path):
    """From its first 429 on, in any window; every run is done once."""
    api.limit("/charges", Limit(20, 1.0))
    async with stack(tmp_path) as app:
        handles = [
            await app.client.start(outbound_tasks.charge_once, f"{api.url}/charges", id=f"c-{number}")
            for number in range(50)
        ]
        for handle in handles:
            assert (await handle.result())["attempt"] == 1
    assert len(api.effects()) == 50
    refused = [each for each in api.requests() if not each.let_in]
    assert refused, "more came at first than it takes"
    # What was under way when the first one was refused was refused as well; nothing since.
    assert refused[-1].at - refused[0].at < 1.0
    assert api.busiest(1.0, since=refused[-1].at) <= 20


@on_loop
async def test_a_refusal_ends_the_run_at_once(api, tmp_path):
    """The same call never succeeds, so it is not made again."""
    api.play("/charges", Answer(422, {"error": "no such account"}))
    async with stack(tmp_path) as app:
        handle = await app.client.start(outbound_tasks.charge_once, f"{api.url}/charges", id="c-1")
        with pytest.raises(RunFailedError, match="no such account"):
            await handle.result()
    assert len(api.requests()) == 1
