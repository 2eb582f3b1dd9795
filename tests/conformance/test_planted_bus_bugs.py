"""Each check of a bus fails on a bus that breaks the promise: seen on planted bugs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from holdfast.bus import remote
from holdfast.bus.bell import Bell
from holdfast.bus.redis import RedisLine
from holdfast.bus.remote import Outage, RemoteBus
from holdfast.ports.bus import TOPICS
from holdfast.testing.conformance.bus import CHECKS, OUTAGES
from tests.conformance import buses
from tests.conformance.buses import FailingHarness, hasty
from tests.servers.redis import Redis

__all__ = ["hasty"]

PATIENCE_SECONDS = 1.5
"""How long what never comes is waited for."""

_flush, _sound, _ring, _connect, _close = Bell._flush, Bell.sound, Bell.ring, RemoteBus._connect, RemoteBus.close


def _call_later(self: Any) -> None:
    """Call the listeners here when the message has come back, or might have."""
    loop, listeners = self._loop, dict(self._listeners)
    if loop is None:
        return
    topics = frozenset(self._rung | self._heard)
    self._listeners.clear()
    _flush(self)
    self._listeners.update(listeners)
    for each in listeners.values():
        loop.call_later(0.02, each, topics)


def _call_for_each_topic(self: Any) -> None:
    """Call the listeners once a topic."""
    topics, self._rung = self._rung, set()
    for each in sorted(topics):
        self._rung = {each}
        _flush(self)


def _forget_senders(self: Any, topics: Iterable[str]) -> None:
    """Ring for everything, whatever was rung."""
    _sound(self, TOPICS if topics else topics)


def _never_stop(self: Any, listener: Any) -> Callable[[], None]:
    self._listened += 1
    self._listeners[self._listened] = listener
    return lambda: None


def _call_together(self: Any) -> None:
    """Call all listeners in one go, so that one that fails silences the rest."""
    topics = frozenset(self._rung | self._heard)
    self._rung.clear()
    self._heard.clear()
    if self._loop is not None:
        self._pass_on(topics)
        for each in tuple(self._listeners.values()):
            each(topics)


def _ring_on_the_loop(self: Any, topics: Iterable[str]) -> None:
    if asyncio._get_running_loop() is self._loop:
        _ring(self, topics)


async def _close_at_once(self: Any) -> None:
    self._bell._rung.clear()
    self._unsent.clear()
    self._all_sent.set()
    await _close(self)


async def _close_the_bell_only(self: Any) -> None:
    self._bell.close()


async def _close_once_sent(self: Any) -> None:
    self._bell.close()
    await self._all_sent.wait()
    await _close(self)


async def _open_when_there(self: Any) -> None:
    self._bell.open()
    self._first = asyncio.get_running_loop().create_future()
    self._keeper = asyncio.create_task(self._keep_connected(self._first))
    connected = asyncio.Event()
    self._bell.listen(lambda _: connected.set())
    await connected.wait()


async def _forget_and_connect(self: Any) -> None:
    self._unsent.clear()
    await _connect(self)


def _say_each_time(self: Any, why: str) -> None:
    remote.log.warning("away", error=why)


async def _be_content(_: Any) -> None:
    """Take the other end's word without asking."""


async def _one_channel_for_all(_: str) -> str:
    return "everybody"


@dataclass(frozen=True)
class Bug:
    """What is wrong, and the check that has to notice."""

    caught_by: str
    owner: Any
    name: str
    wrong: Any


BUGS = (
    Bug("listeners_here_are_called_at_once", Bell, "_flush", _call_later),
    Bug("what_is_rung_together_is_one_call", Bell, "_flush", _call_for_each_topic),
    Bug("other_ends_are_rung", Bell, "sound", _forget_senders),
    Bug("other_processes_are_rung", Bell, "sound", lambda *_: None),
    Bug("stores_do_not_hear_each_other", buses, "_identity", _one_channel_for_all),
    Bug("who_stopped_listening_is_left_alone", Bell, "listen", _never_stop),
    Bug("a_listener_that_fails_is_on_its_own", Bell, "_flush", _call_together),
    Bug("threads_may_ring", Bell, "ring", _ring_on_the_loop),
    Bug("the_last_ring_goes_out", RemoteBus, "close", _close_at_once),
    Bug("a_closed_bus_is_silent", RemoteBus, "close", _close_the_bell_only),
    Bug("nobody_waits_for_the_server", RemoteBus, "open", _open_when_there),
    Bug("what_was_missed_is_looked_for", remote, "TOPICS", frozenset({"tasks"})),
    Bug("what_was_rung_while_cut_off_arrives", RemoteBus, "_connect", _forget_and_connect),
    Bug("a_frozen_server_is_noticed", RedisLine, "check", _be_content),
    Bug("an_outage_is_told_once", Outage, "begin", _say_each_time),
    Bug("a_bus_closes_without_its_server", RemoteBus, "close", _close_once_sent),
)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.caught_by)
def test_a_planted_bug_is_caught(bug: Bug, redis_server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails on a bus with the bug."""
    (check,) = (each for each in (*CHECKS, *OUTAGES) if each.__name__ == bug.caught_by)

    async def body() -> None:
        harness = FailingHarness("redis", redis_server.url, redis_server, PATIENCE_SECONDS)
        try:
            with monkeypatch.context() as planted:
                planted.setattr(bug.owner, bug.name, bug.wrong, raising=False)
                async with asyncio.timeout(PATIENCE_SECONDS * 2):
                    await check(harness)
        finally:
            await harness.close()

    with pytest.raises((AssertionError, TimeoutError)):
        asyncio.run(body())


def test_every_check_was_seen_to_fail() -> None:
    """There is no check that nothing was planted for."""
    planted = {bug.caught_by for bug in BUGS}
    assert [check.__name__ for check in (*CHECKS, *OUTAGES) if check.__name__ not in planted] == []
