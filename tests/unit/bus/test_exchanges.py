"""What answers instead of a Redis or a PostgreSQL is told in one error; what may pass is waited for."""

from __future__ import annotations

import asyncio
import builtins
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from holdfast.bus import CutOffError, NotifyExchange, RedisExchange, RefusedError, RemoteBus, remote
from holdfast.errors import MissingExtraError, SettingsError
from holdfast.ports import bus as topics
from holdfast.ports.bus import RUNS, TASKS
from tests.servers.postgres import Postgres
from tests.servers.redis import Redis


async def _identity() -> str:
    return "here"


def redis_bus(url: str) -> RemoteBus:
    """Return a bus on the Redis at `url`."""
    return RemoteBus(RedisExchange(url, _identity))


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """Serve on the port returned: whatever comes is answered by `answer`, and the connection is closed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer:
            await reader.read(100)
            writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def test_something_else_on_the_port_is_named() -> None:
    """A URL that leads to a web server is refused with what the server said, and nothing is left behind."""

    async def test() -> None:
        async with answering(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n") as port:
            bus = redis_bus(f"redis://:secret@127.0.0.1:{port}/2")
            with pytest.raises(SettingsError) as caught:
                await bus.open()
            assert f"redis://127.0.0.1:{port}/2 is no bus for us" in str(caught.value)
            assert "no Redis: 'HTTP/1.1 400 Bad Request'" in str(caught.value)
            assert "secret" not in str(caught.value)
            await bus.close()

    asyncio.run(test())


def test_a_postgresql_on_the_port_is_named(postgres_server: Postgres) -> None:
    """It hangs up on a Redis client without a word, as a Redis does that dies; it is refused, and not waited for."""

    async def test() -> None:
        bus = redis_bus(f"redis://127.0.0.1:{postgres_server.port}/0")
        with pytest.raises(SettingsError, match="no Redis, but a PostgreSQL"):
            await bus.open()

    asyncio.run(test())


@pytest.mark.parametrize("answer", [b"", None], ids=["closes", "is not there"])
def test_what_may_pass_is_waited_for(answer: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    """A server that refuses or closes connections does not keep a bus from opening; one warning says so."""

    async def test() -> None:
        async with answering(answer or b"") as port:
            if answer is not None:
                await opens_and_rings(redis_bus(f"redis://127.0.0.1:{port}/0"))
        if answer is None:
            await opens_and_rings(redis_bus(f"redis://127.0.0.1:{port}/0"))

    with caplog.at_level(logging.INFO, "holdfast.bus"):
        asyncio.run(test())
    assert [each.getMessage() for each in caplog.records] == [
        "the bus is away; work is found by looking for it, more slowly"
    ]


async def opens_and_rings(bus: RemoteBus) -> None:
    """Expect a bus to open without its server and to ring in this process."""
    rung: list[frozenset[str]] = []
    came = asyncio.Event()
    bus.listen(lambda topics: (rung.append(topics), came.set())[0])
    await bus.open()
    bus.ring([RUNS])
    await came.wait()
    assert RUNS in rung[-1]
    await bus.close()


def tell(server: Redis, *commands: str) -> None:
    """Tell a Redis something."""
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        for command in commands:
            line.sendall(f"{command}\r\n".encode())
            assert line.recv(100).startswith((b"+", b":"))


def test_a_redis_that_does_not_let_us_in_is_told(redis_server: Redis) -> None:
    """A wrong password is one error, which does not show it; with the right one everything is well."""
    tell(redis_server, "ACL SETUSER somebody on >right allchannels +@all")

    async def test() -> None:
        with pytest.raises(SettingsError, match="does not let us in") as caught:
            await redis_bus(redis_server.url.replace("//", "//somebody:wr0ng@")).open()
        assert "wr0ng" not in str(caught.value)
        await opens_and_rings(redis_bus(redis_server.url.replace("//", "//somebody:right@")))

    asyncio.run(test())
    tell(redis_server, "ACL DELUSER somebody")


def test_a_redis_that_allows_too_little_is_told(redis_server: Redis) -> None:
    """A user of Redis who may not use our channel is one error that names the commands."""
    tell(redis_server, "ACL SETUSER poor on >poor resetchannels +@all")

    async def test() -> None:
        with pytest.raises(SettingsError, match="SUBSCRIBE, PUBLISH and PING"):
            await redis_bus(redis_server.url.replace("//", "//poor:poor@")).open()

    asyncio.run(test())
    tell(redis_server, "ACL DELUSER poor")


@pytest.mark.parametrize("url", ["http://127.0.0.1:6379/0", "redis://127.0.0.1:port/0", "redis://h?db=x", "6379"])
def test_what_is_no_url_is_told(url: str) -> None:
    """A bus that is no URL of a Redis is one error that shows how it is written."""
    with pytest.raises(SettingsError, match="redis://NAME:PASSWORD@HOST:6379/0"):
        redis_bus(url)


def test_a_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without redis-py the error names the extra."""
    load = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("redis"):
            raise ImportError(name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"holdfast\[redis\]"):
        redis_bus("redis://127.0.0.1:6379/0")


def test_postgres_says_why_it_refuses(postgres_server: Postgres) -> None:
    """A database that does not let us in, or is not there, is one error; one that cannot be reached may come."""

    async def test() -> None:
        import asyncpg

        def exchange(dsn: str) -> NotifyExchange:
            return NotifyExchange(lambda: asyncpg.connect(dsn, timeout=5), "postgresql://there", "holdfast")

        good = postgres_server.dsn()
        head, _, tail = good.partition("@")
        for dsn in (f"{head}x@{tail}", postgres_server.dsn("nowhere")):
            with pytest.raises((SettingsError, RefusedError)) as caught:
                await RemoteBus(exchange(dsn)).open()
            assert "does not let us in" in str(caught.value)
        with pytest.raises(CutOffError):
            await exchange("postgresql://127.0.0.1:1/x").connect()

    asyncio.run(test())


class DeafLine:
    """Takes everything, and passes nothing on."""

    async def send(self, message: str) -> None:
        """Take a message."""

    async def receive(self) -> str:
        """Wait for ever."""
        return await asyncio.get_running_loop().create_future()

    async def check(self) -> None:
        """Answer."""

    async def close(self) -> None:
        """Do nothing."""


class DeafExchange:
    """An exchange as it looks through a pooler in transaction mode."""

    name = "postgresql://pooler"

    async def connect(self) -> DeafLine:
        """Return a line."""
        return DeafLine()


def test_a_pooler_is_recognized(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """An exchange on which nothing comes back is not taken for one, and the log says what it may be."""
    monkeypatch.setattr(remote, "ANSWER_SECONDS", 0.05)
    with caplog.at_level(logging.INFO, "holdfast.bus"):
        asyncio.run(opens_and_rings(RemoteBus(DeafExchange())))
    (record,) = caplog.records
    assert "a pooler in transaction mode" in record.error  # type: ignore[attr-defined]


class Recorder:
    """An exchange of one line, which keeps what is sent."""

    name = "recorder://"

    def __init__(self, refuse: Callable[[str], bool]) -> None:
        self.sent: list[str] = []
        self.failed = asyncio.Event()
        self.rung = asyncio.Event()
        self._refuse = refuse
        self._back: asyncio.Queue[str] = asyncio.Queue()

    async def connect(self) -> Recorder:
        """Return the line."""
        return self

    async def send(self, message: str) -> None:
        """Keep a message and pass it on, or fail."""
        if self._refuse(message):
            self.failed.set()
            raise CutOffError("on purpose")
        self.sent.append(message)
        self._back.put_nowait(message)
        if not message.endswith(":"):
            self.rung.set()

    async def receive(self) -> str:
        """Return the next message."""
        return await self._back.get()

    async def check(self) -> None:
        """Answer."""

    async def close(self) -> None:
        """Do nothing."""


def test_a_message_that_failed_is_sent_again() -> None:
    """What could not be sent goes out on the next line, with what was rung since."""

    async def test() -> None:
        failures = iter([True, False])
        exchange = Recorder(lambda message: RUNS in message and next(failures))
        bus = RemoteBus(exchange)
        await bus.open()
        bus.ring([RUNS])
        await exchange.failed.wait()
        bus.ring([TASKS])
        await exchange.rung.wait()
        assert exchange.sent[-1].partition(":")[2] == "runs,tasks"
        await bus.close()

    asyncio.run(test())


@pytest.mark.parametrize("pause", [remote.PAUSE_SECONDS, pytest.param(0.0, marks=pytest.mark.xfail(reason="planted"))])
def test_a_burst_is_few_messages(pause: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many rings in a short time are few messages, the last of which has the last topic; no pause is noticed."""
    monkeypatch.setattr(remote, "PAUSE_SECONDS", pause)

    async def test() -> None:
        exchange = Recorder(lambda _: False)
        bus = RemoteBus(exchange)
        await bus.open()
        for _ in range(300):
            bus.ring([RUNS])
            await asyncio.sleep(0)
        bus.ring([TASKS])
        await bus.close()
        assert TASKS in exchange.sent[-1]
        assert len(exchange.sent) < 90

    asyncio.run(test())


def test_nonsense_rings_nobody() -> None:
    """A message of somebody else that names no topic of ours calls nobody."""

    async def test() -> None:
        exchange = Recorder(lambda _: False)
        bus = RemoteBus(exchange)
        heard: list[frozenset[str]] = []
        came = asyncio.Event()
        await bus.open()
        bus.listen(lambda topics: (heard.append(topics), came.set())[0])
        for nonsense in ("", ":", "x", "x:weather", "x:\x00,runs\xff"):
            exchange._back.put_nowait(nonsense)
        exchange._back.put_nowait("x:tasks,weather")
        await came.wait()
        assert heard[-1] == {TASKS}
        await bus.close()

    asyncio.run(test())


def test_no_topic_is_forgotten() -> None:
    """What is rung after an outage is every topic that there is."""
    assert {value for name, value in vars(topics).items() if name.isupper() and isinstance(value, str)} == topics.TOPICS
