"""Tasks that call a host, where child processes find them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from holdfast import Retry, task, task_info, workflow
from holdfast.http import http


def CENTS(answer: Any) -> int:  # noqa: N802 - a test puts another one in its place
    """Return what a night costs."""
    return int(answer["cents"])


PATIENT = Retry(attempts=3, initial="0s")


def told(answer: Any) -> dict[str, Any]:
    """Return what came of a call."""
    return {"id": answer.json()["id"], "attempt": task_info().attempt}


@task(retry=PATIENT)
async def charge(url: str) -> dict[str, Any]:
    """Charge, on the loop."""
    return told(await http.post(url, json={"by": "loop"}))


@task(retry=PATIENT)
def charge_in_a_thread(url: str) -> dict[str, Any]:
    """Charge, and block."""
    return told(http.sync.post(url, json={"by": "thread"}))


@task(retry=PATIENT, isolation="process")
def charge_in_a_process(url: str) -> dict[str, Any]:
    """Charge, in a process that can be killed."""
    return told(http.sync.post(url, json={"by": "process"}))


@workflow
async def charge_all(url: str) -> list[dict[str, Any]]:
    """Charge in every way, one after the other."""
    return [await charge(url), await charge_in_a_thread(url), await charge_in_a_process(url)]


@workflow
async def charge_once(url: str) -> dict[str, Any]:
    """Charge once."""
    return await charge(url)


class Rate(BaseModel):
    """What a night costs."""

    cents: int


@task(retry=PATIENT)
async def read_rate(url: str) -> int:
    """Read what a night costs."""
    return (await http.get(f"{url}/rates/7", expect=Rate)).cents


@task(retry=PATIENT, isolation="process")
def read_rate_in_a_process(url: str) -> int:
    """Read what a night costs, in a process that can be killed."""
    return http.sync.get(f"{url}/rates/7", expect=Rate).cents


@task(retry=PATIENT)
async def read_a_rate_that_moved(url: str) -> int:
    """Read what a night costs, where it is not any more."""
    answer = await http.get(f"{url}/rates/7?token=tk-5f2c9", headers={"Authorization": "Bearer abc"})
    return CENTS(answer.json())


@task(retry=PATIENT, isolation="process")
def read_a_rate_that_moved_in_a_process(url: str) -> int:
    """Read it in a process that can be killed."""
    return CENTS(http.sync.get(f"{url}/rates/7").json())


@workflow
async def quote(url: str, *, apart: bool) -> int:
    """Say what a night costs."""
    return await (read_a_rate_that_moved_in_a_process if apart else read_a_rate_that_moved)(url)


@task(retry=PATIENT)
async def book(url: str, cents: int) -> str:
    """Book a night."""
    return str((await http.post(f"{url}/bookings", json={"cents": cents})).json()["id"])


@workflow
async def stay(url: str, *, apart: bool) -> str:
    """Book a night for what it costs."""
    return await book(url, await (read_rate_in_a_process if apart else read_rate)(url))


@task(retry=PATIENT)
async def read_rate_untyped(url: str) -> Any:
    """Read what a night costs, whatever it is."""
    return (await http.get(f"{url}/rates/7")).json()["cents"]


@workflow
async def stay_untyped(url: str) -> str:
    """Book a night for what it costs, whatever that is."""
    return await book(url, await read_rate_untyped(url))


@task(retry=PATIENT, contract="learn")
async def count_rooms(url: str) -> Any:
    """Count rooms."""
    return (await http.get(f"{url}/rooms")).json()


@task(retry=PATIENT, contract="learn", isolation="process")
def count_rooms_in_a_process(url: str) -> Any:
    """Count them in a process that can be killed."""
    return http.sync.get(f"{url}/rooms").json()


@workflow
async def count_all(url: str, *, apart: bool) -> Any:
    """Count rooms."""
    return await (count_rooms_in_a_process if apart else count_rooms)(url)
