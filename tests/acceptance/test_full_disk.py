"""A disk that fills up under a running stack: a clear error, nothing lost, and on it goes when there is room again."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from holdfast import Holdfast, RunHandle, signal, task, workflow
from holdfast.app import load_settings, verify_store
from holdfast.controller import ControllerService
from holdfast.controller.http import create_app
from holdfast.errors import StoreFullError
from holdfast.ports.operations import COMPLETED

pytestmark = pytest.mark.anyio

DISK_BYTES = 96 * 1024 * 1024
BALLAST_BYTES = 1024 * 1024
WRITES_UNCHECKED_MAX = 40


@pytest.fixture
def anyio_backend() -> str:
    """Run coroutine tests on asyncio."""
    return "asyncio"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small file system of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system: sudo make test")
    place = tmp_path / "disk"
    place.mkdir()
    options = f"size={DISK_BYTES}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@task
async def echo(text: str) -> str:
    """Return what was given."""
    return text


@workflow
class Patient:
    """Waits to be told to go on, then does two more steps."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def run(self, text: str) -> str:
        """Do a step, wait, do a step."""
        first = await echo(text)
        await self.go_on.wait()
        return first + await echo(text)

    @signal
    def proceed(self) -> None:
        """Go on."""
        self.go_on.set()


def _fill(disk: Path, left_bytes: int) -> Path:
    ballast = disk / "ballast"
    with ballast.open("ab") as file:
        while os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize > left_bytes:
            file.write(b"x" * BALLAST_BYTES)
            file.flush()
    return ballast


async def _start_until_refused(app: Holdfast) -> tuple[list[RunHandle[str]], StoreFullError]:
    handles: list[RunHandle[str]] = []
    for each in range(WRITES_UNCHECKED_MAX):
        try:
            handles.append(await app.client.start(Patient, f"late {each}", id=f"late-{each}"))
        except StoreFullError as error:
            return handles, error
    raise AssertionError("the store never looked at the disk")


async def _readiness(app: Holdfast) -> tuple[int, dict[str, str]]:
    """Return what /readyz of a controller on the store of `app` answers."""
    parts = app.stack
    controller = create_app(ControllerService(parts.engine, parts.registry, parts.store, parts.clock))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(controller), base_url="http://localhost") as http:
        answer = await http.get("/readyz")
        assert str(parts.store.path) not in answer.text  # whoever asks need not know where it is
        return answer.status_code, answer.json()["checks"]


async def test_a_full_disk_refuses_new_work_and_keeps_what_was_acknowledged(small_disk: Path) -> None:
    """With little room new work is refused and what has begun goes on; with none all waits; with room all completes."""
    store = f"sqlite:///{small_disk / 'holdfast.db'}"
    async with Holdfast(definitions=[echo, Patient], store=store) as app:
        handles = [await app.client.start(Patient, f"p {each}", id=f"p-{each}") for each in range(20)]
        for handle in handles[:10]:
            await handle.signal(Patient.proceed)
        ballast = _fill(small_disk, 48 * BALLAST_BYTES)
        accepted, refusal = await _start_until_refused(app)
        assert str(small_disk) in str(refusal)
        assert await _readiness(app) == (503, {"store": "full"})
        with pytest.raises(StoreFullError):
            await handles[10].signal(Patient.proceed)
        assert [await handle.result() for handle in handles[:10]] == [f"p {each}p {each}" for each in range(10)]
        _fill(small_disk, 8 * BALLAST_BYTES)
        with pytest.raises(StoreFullError):
            await handles[10].cancel()
        ballast.unlink()
        for handle in [*handles[10:], *accepted]:
            await handle.signal(Patient.proceed)
        assert [await handle.result() for handle in handles[10:]] == [f"p {each}p {each}" for each in range(10, 20)]
        assert [await handle.result() for handle in accepted] == [f"late {each}" * 2 for each in range(len(accepted))]
        assert await _readiness(app) == (200, {"store": "ok", "orchestrators": "1 alive"})
        late = await app.client.start(Patient, "late", id=f"late-{len(accepted)}")
        assert late.created  # what was refused left nothing behind
        await late.terminate()
        assert (await app.stack.store.totals()).runs[COMPLETED] == 20 + len(accepted)
    assert verify_store(load_settings(store=store)).ok
