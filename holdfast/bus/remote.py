"""The doorbell between machines, by way of a server.

Owns: one line to the exchange - that it is there again and again, and what is made up for when it was not.
Must not know: which server it is, the store, what a ring is about.

Theory of operation
===================

Whoever listens in this process is rung at once, without the exchange. What was rung goes out in one message every
PAUSE_SECONDS at most, with the name of this end in front, by which it knows its own messages when they come back.

Every line begins with such a message to oneself. Only a line on which it came back is one: a pooler between us and the
server may take everything and pass nothing on.

Messages are lost while a line is cut, those of others and ours. So every new line begins with a ring of all topics
here, and everything rung here meanwhile goes out on it. An exchange that is away therefore costs time: until it is
back, processes find work by looking for it.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Final, TypeVar

from holdfast.bus.bell import Bell
from holdfast.bus.exchange import CutOffError, DeafError, Exchange, Line, RefusedError
from holdfast.errors import SettingsError
from holdfast.observe import logger
from holdfast.ports.bus import TOPICS, Listener

PAUSE_SECONDS: Final = 0.005
"""Between two messages of one process. A ring that comes in a pause waits for its end."""
ANSWER_SECONDS: Final = 5.0
"""How long the exchange may take to answer anything."""
CHECK_SECONDS: Final = 10.0
"""How often it is asked whether it is still there. A frozen one is noticed within this, and ANSWER_SECONDS."""
BACKOFF_SECONDS: Final = 0.05
"""Before the first try after a line was cut, on average; each further wait is twice as long ..."""
BACKOFF_SECONDS_MAX: Final = 5.0
"""... up to this."""
DEAF_SECONDS: Final = 60.0
"""Between tries at an exchange that passes nothing on: its settings have to change."""
SETTLED_SECONDS: Final = 2.0
"""A line that holds for so long ends an outage. One that is cut before only was a part of it."""
OPEN_SECONDS: Final = 2.0
"""How long `open` waits for the exchange, which is there or tells that it is not within milliseconds."""
CLOSE_SECONDS: Final = 1.0
"""How long `close` waits for the last message to go out, and for the line to be taken down."""

Result = TypeVar("Result")

log = logger("holdfast.bus")


class RemoteBus:
    """Rings in this process, and in every other one on the same exchange. Implements `Bus`."""

    def __init__(self, exchange: Exchange, jitter: Callable[[], float] = random.random) -> None:
        """Ring by way of `exchange`; `jitter` is uniform in [0, 1), for waits that must not be all alike."""
        self._exchange = exchange
        self._jitter = jitter
        self._name = secrets.token_hex(4)
        self._bell = Bell(self._pass_on)
        self._unsent: set[str] = set()
        self._news = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._outage = Outage(exchange.name)
        self._failures = 0
        self._connected = False
        self._settled: asyncio.TimerHandle | None = None
        self._first: asyncio.Future[RefusedError | None] | None = None
        """Done when it is known whether there is an exchange; its result says why there will be none."""
        self._keeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start listening. An exchange that is away is waited for in the background.

        Raises:
            SettingsError: what answers is no exchange, or does not serve us.
        """
        if self._keeper is not None:
            return
        self._bell.open()
        self._first = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep_connected(self._first), name="holdfast bus")
        try:
            await asyncio.wait([self._first], timeout=OPEN_SECONDS)
            if not self._first.done():
                self._outage.begin("it does not answer")
            elif (refusal := self._first.result()) is not None:
                raise SettingsError(f"{self._exchange.name} is no bus for us: {refusal.what}", refusal.remedy)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Ring for the last time, stop, and leave nothing behind."""
        self._bell.close()
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        if self._connected:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._all_sent.wait()
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)

    @property
    def reaches(self) -> bool:
        """Whether rings of others arrive: there is a line, and it was seen to carry."""
        return self._connected

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the topics rung, on the event loop; return what stops it."""
        return self._bell.listen(listener)

    def ring(self, topics: Iterable[str]) -> None:
        """Ring `topics`, soon and at most once each. Never blocks, never raises."""
        self._bell.ring(topics)

    def _pass_on(self, topics: frozenset[str]) -> None:
        self._unsent |= topics
        self._all_sent.clear()
        self._news.set()

    # --- The line ----------------------------------------------------------------------------------------------------

    async def _keep_connected(self, first: asyncio.Future[RefusedError | None]) -> None:
        while True:
            wait = BACKOFF_SECONDS_MAX
            refusal = None
            try:
                await self._connect()
            except DeafError as error:
                self._outage.begin(str(error))
                wait = DEAF_SECONDS
            except RefusedError as error:
                refusal = error
                if first.done():  # it was another server that we began with; the next one may be right again
                    self._outage.begin(f"{error.what}. {error.remedy}")
            except CutOffError as error:
                self._outage.begin(str(error))
                wait = min(BACKOFF_SECONDS * 2**self._failures, BACKOFF_SECONDS_MAX)
            except Exception as error:  # noqa: BLE001 - whatever happens over there, it must not end what happens here
                self._outage.begin(f"{type(error).__name__}: {error}")
            if not first.done():
                first.set_result(refusal)
            self._failures = min(self._failures + 1, 16)
            await asyncio.sleep(wait * (0.5 + self._jitter()))

    async def _connect(self) -> None:
        """Have a line until it is cut."""
        line = await _answered(self._exchange.connect())
        try:
            await self._use(line)
        finally:
            self._connected = False
            self._bell.sound(TOPICS)  # everybody looks, and from now on more often
            if self._settled is not None:
                self._settled.cancel()
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await line.close()

    async def _use(self, line: Line) -> None:
        self._bell.sound(TOPICS)
        came_back = asyncio.Event()
        acts = (self._hear(line, came_back), self._send(line), self._check(line, came_back))
        tasks = [asyncio.ensure_future(each) for each in acts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _hear(self, line: Line, came_back: asyncio.Event) -> None:
        while True:
            sender, _, topics = (await line.receive()).partition(":")
            if sender == self._name:
                came_back.set()
            else:
                self._bell.sound(TOPICS.intersection(topics.split(",")))

    async def _send(self, line: Line) -> None:
        await _answered(line.send(f"{self._name}:"))
        self._news.set()  # what could not be sent before
        while True:
            await self._news.wait()
            self._news.clear()
            topics, self._unsent = self._unsent, set()
            if topics:
                try:
                    await _answered(line.send(f"{self._name}:{','.join(sorted(topics))}"))
                except BaseException:
                    self._unsent |= topics
                    raise
            if not self._unsent:
                self._all_sent.set()
            await asyncio.sleep(PAUSE_SECONDS)

    async def _check(self, line: Line, came_back: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await came_back.wait()
        except TimeoutError:
            raise DeafError("it takes rings and passes none on, as behind a pooler in transaction mode") from None
        self._connected = True
        self._settled = asyncio.get_running_loop().call_later(SETTLED_SECONDS, self._settle)
        if self._first is not None and not self._first.done():
            self._first.set_result(None)
        while True:
            await asyncio.sleep(CHECK_SECONDS * (0.75 + 0.5 * self._jitter()))
            await _answered(line.check())

    def _settle(self) -> None:
        self._failures = 0
        self._outage.end()


async def ring_through(exchange: Exchange) -> float:
    """Send a message that rings nobody through an exchange; return how many seconds it takes to come back.

    Raises:
        CutOffError: it cannot be reached, or passes nothing on.
        RefusedError: what answers there will never do.
    """
    name = secrets.token_hex(4)
    line = await _answered(exchange.connect())
    try:
        started = time.monotonic()
        await _answered(line.send(f"{name}:"))
        while (await _answered(line.receive())).partition(":")[0] != name:
            pass
        return time.monotonic() - started
    finally:
        with suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                await line.close()


class Outage:
    """The time during which an exchange is away. Told once when it begins, and once when it is over."""

    def __init__(self, name: str) -> None:
        """Tell of the exchange called `name`."""
        self._name = name
        self._since: float | None = None

    def begin(self, why: str) -> None:
        """Note that it is away, unless that is known."""
        if self._since is None:
            self._since = time.monotonic()
            log.warning("the bus is away; work is found by looking for it, more slowly", bus=self._name, error=why)

    def end(self) -> None:
        """Note that it is back, if it was away."""
        if self._since is not None:
            log.info("the bus is back", bus=self._name, seconds=round(time.monotonic() - self._since, 1))
            self._since = None


async def _answered(answer: Awaitable[Result]) -> Result:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await answer
    except TimeoutError:
        raise CutOffError(f"it did not answer within {ANSWER_SECONDS:g} s") from None
