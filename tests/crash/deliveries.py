"""Two controllers on one store that are killed at every boundary of a commit, while deliveries and starts come.

Owns: the controllers, whoever sends, and what has to be true in the end.
Must not know: how a delivery is taken, how a key is kept.

    python -m tests.crash.deliveries [--deliveries 500] [--visits 6] [--kills 200] [--seed 1]

Each life of a controller ends at one place of one commit: before the transaction operates, after it did, when it is
durable, when that was noted; at the first visit of the place, the second, and so on. Every other one that is sent is a
delivery to a webhook, the others are starts with an Idempotency-Key. Whoever sends tries again, at either of the two,
until there is an answer. In the end there is one run for each, and one answer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import msgspec

from holdfast import StandardWebhooks, webhook, workflow
from holdfast.app import load_settings, serve, verify_store
from holdfast.authoring import Registry
from holdfast.client import EmbeddedEngine
from holdfast.controller import starts
from holdfast.controller.once import Once
from holdfast.ports.engine import StartRequest
from holdfast.ports.operations import DeliveryFilter
from holdfast.stores import SQLiteStore, SystemClock
from holdfast.testing.faults import FAULTS_VARIABLE, LOG_VARIABLE, Faults, read_last_words
from tests.crash.signals import send as send_signal
from tests.crash.stack import PLACES
from tests.unit.controller.webhooks.senders import SECRETS, standard

BOUNDARIES: Final = tuple(place for place, (kind, *_) in PLACES.items() if kind == "commit")
SENDERS: Final = 4
TRY_SECONDS: Final = 0.02
"""How long a sender waits before it tries again."""
GIVE_UP_SECONDS: Final = 120.0


@workflow
async def charge(payment: dict[str, Any]) -> None:
    """Be started: nobody runs it."""


payments = webhook("pay", verify=StandardWebhooks("env:HOOK_STANDARD"), start=charge)


def two_commits() -> None:
    """Plant a bug: start the run in one commit, and note the delivery in the next."""
    start_next = EmbeddedEngine.start_next

    async def carry_out(engine: EmbeddedEngine, act: Any, note: Any) -> Any:
        request: StartRequest = msgspec.structs.replace(act.request, run_id=f"{act.request.run_id}-{uuid4().hex}")
        await start_next(engine, request, act.policy)
        (result,) = await engine._store.write([msgspec.structs.replace(note(None), act=None)])
        return result

    EmbeddedEngine.carry_out = carry_out  # type: ignore[method-assign]  # for this process only


def keyless() -> None:
    """Plant a bug: look at no Idempotency-Key."""
    starts.run_id_of = lambda *_: None  # for this process only
    Once.note = lambda *_: lambda act: act  # type: ignore[method-assign,assignment,return-value]


async def control(store: str, port: int) -> None:
    """Be a controller until somebody ends it."""
    with ExitStack() as block:
        faults = Faults.armed()
        for place in BOUNDARIES:
            _, when, owner, name = PLACES[place]
            block.enter_context((faults.before if when == "before" else faults.after)(owner, name, place))
        settings = load_settings(store=store, port=port)
        await serve(settings, Registry(charge, payments), (), http=True, announce=lambda _: None)


class Controllers:
    """Two controllers that die and are started again."""

    def __init__(self, folder: Path, visits: int, kills: int, plant: str) -> None:
        """Serve the store in `folder`; the first `kills` lives end at one of the first `visits` visits."""
        self.folder = folder
        self.ports = [_free_port(), _free_port()]
        self._visits = visits
        self._kills = kills
        self._plant = plant
        self._lives = 0
        self._is_over = False
        self._processes: set[asyncio.subprocess.Process] = set()

    @property
    def log(self) -> Path:
        """Where each life's last word is."""
        return self.folder / "last-words"

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Keep both alive while the block lasts, as often as they die."""
        keepers = [asyncio.create_task(self._keep(port)) for port in self.ports]
        try:
            yield
        finally:
            self._is_over = True
            for process in self._processes:
                send_signal(process, signal.SIGTERM)
            await asyncio.gather(*keepers)

    async def _keep(self, port: int) -> None:
        while not self._is_over:
            life, self._lives = self._lives, self._lives + 1
            boundary = BOUNDARIES[life % len(BOUNDARIES)]
            visit = 1 + life // len(BOUNDARIES) % self._visits
            # The store is opened with a commit of its own, and a nested act is a visit of its own.
            faults = f"{boundary}:{visit + 1}=kill" if life < self._kills else ""
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.crash.deliveries", "--control", str(port)),
                *("--folder", str(self.folder), "--plant", self._plant),
                cwd=Path(__file__).parents[2],
                env={**os.environ, **SECRETS, FAULTS_VARIABLE: faults, LOG_VARIABLE: str(self.log)},
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            self._processes.add(process)
            await process.wait()
            self._processes.discard(process)


def is_delivery(number: int) -> bool:
    """Say whether this one is a delivery to a webhook, rather than a start with a key."""
    return number % 2 == 0


def run_of(number: int) -> str:
    """Return the id of the run that this one starts."""
    return f"pay-d-{number}" if is_delivery(number) else f"start-{number}"


async def send(http: httpx.AsyncClient, ports: list[int], number: int, draw: random.Random) -> bytes:
    """Send one until it is taken; return the answer."""
    body = msgspec.json.encode({"type": "paid", "number": number})
    until = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < until:
        if is_delivery(number):
            path, status = "/v1/hooks/pay", 202
            headers = standard(body, at=int(time.time()), delivery=f"d-{number}")
        else:
            path, status = "/v1/workflows/charge/runs", 201
            headers = {"Content-Type": "application/json", "Idempotency-Key": run_of(number)}
        try:
            answer = await http.post(f"http://127.0.0.1:{draw.choice(ports)}{path}", content=body, headers=headers)
            if answer.status_code == status:
                return answer.content
        except httpx.TransportError:
            pass  # it died: nobody knows whether it was taken
        await asyncio.sleep(TRY_SECONDS)  # looks again: until it is taken
    raise TimeoutError(f"number {number} was not taken within {GIVE_UP_SECONDS:g} s")


async def campaign(
    folder: Path, count: int, visits: int, kills: int, *, seed: int = 1, plant: str = "", starts_too: bool = True
) -> tuple[Counter[str], list[str]]:
    """Send so many to controllers that die; return how often they died where, and what is wrong."""
    numbers = range(count) if starts_too else range(0, 2 * count, 2)
    controllers = Controllers(folder, visits, kills, plant)
    draw = random.Random(seed)
    waiting = list(numbers)[::-1]
    answers: dict[int, bytes] = {}
    problems: list[str] = []

    async def sender(http: httpx.AsyncClient) -> None:
        while waiting:
            number = waiting.pop()
            answers[number] = await send(http, controllers.ports, number, draw)

    async with controllers.serving(), httpx.AsyncClient(timeout=30) as http:
        await asyncio.gather(*(sender(http) for _ in range(SENDERS)))
        # Once more, now to whichever of the two: the same answer.
        for number in draw.sample(numbers, min(count, 20)):
            again = await send(http, controllers.ports, number, draw)
            if again != answers[number]:
                problems.append(f"number {number} was answered {answers[number]!r}, then {again!r}")
    problems += await _check(folder, answers)
    return Counter(each.fault.place for each in read_last_words(controllers.log)), problems


async def _check(folder: Path, answers: dict[int, bytes]) -> list[str]:
    expected = set(map(run_of, answers))
    said = {str(msgspec.json.decode(each)["run_id"]) for each in answers.values()}
    store = SQLiteStore(folder / "store.db", clock=SystemClock())
    await store.open()
    try:
        runs = [each.run_id async for each in _all_runs(store)]
        noted = [(each.key, each.state, each.run_id) async for each in _all_deliveries(store)]
    finally:
        await store.close()
    problems = [f"holdfast verify: {each}" for each in verify_store(load_settings(store=_url(folder))).problems]
    if len(runs) != len(expected) or set(runs) != said:
        problems.append(f"{len(answers)} were taken, and there are {len(runs)} runs")
    if said != expected:
        problems.append(f"runs were named {sorted(said ^ expected)[:5]}")
    wanted = sorted((f"d-{number}", "accepted", run_of(number)) for number in answers if is_delivery(number))
    if sorted(noted) != wanted:
        problems.append(f"the inbox has {len(noted)} deliveries, and other ones than were taken")
    return problems


async def _all_runs(store: SQLiteStore) -> AsyncIterator[Any]:
    cursor: str | None = ""
    while cursor is not None:
        records, cursor = await store.runs(cursor=cursor or None, limit=500)
        for each in records:
            yield each


async def _all_deliveries(store: SQLiteStore) -> AsyncIterator[Any]:
    cursor: str | None = ""
    while cursor is not None:
        records, cursor = await store.deliveries(DeliveryFilter(), cursor or None, 500)
        for each in records:
            yield each


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / 'store.db'}"


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def main() -> None:
    """Send, kill, check, and say what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--deliveries", type=int, default=500)
    parser.add_argument("--visits", type=int, default=6)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--plant", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.control is not None:
        if arguments.plant:
            globals()[arguments.plant]()
        asyncio.run(control(_url(arguments.folder), arguments.control))
        return
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="holdfast-deliveries-") as folder:
        kills, problems = asyncio.run(
            campaign(
                Path(folder),
                arguments.deliveries,
                arguments.visits,
                arguments.kills,
                seed=arguments.seed,
                plant=arguments.plant,
            )
        )
    for each in problems:
        print(each)
    where = ", ".join(f"{count} at {place}" for place, count in sorted(kills.items()))
    print(
        f"{arguments.deliveries} deliveries and starts, {sum(kills.values())} kills ({where}) "
        f"in {time.monotonic() - began:.0f} s, {len(problems)} problems"
    )
    raise SystemExit(bool(problems))


if __name__ == "__main__":
    main()
