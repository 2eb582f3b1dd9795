"""The tests' own servers: they start, survive what tests do to them, and leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path

import asyncpg
import pytest

from tests.servers.postgres import Postgres
from tests.servers.redis import Redis
from tests.servers.ward import ServerError


def test_a_killed_postgres_keeps_what_was_committed(postgres_server: Postgres, postgres_dsn: str) -> None:
    """After `kill -9` and a start, on the same port, what was answered is there; durability is as users have it."""

    async def once(sql: str) -> object:
        connection = await asyncpg.connect(postgres_dsn)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    asyncio.run(once("CREATE TABLE kept AS SELECT 7 AS value"))
    postgres_server.kill9()
    try:
        with pytest.raises(OSError, match=r"Connect call failed|connection_lost"):  # by a proxy that loses answers
            asyncio.run(once("SELECT 1"))
    finally:
        postgres_server.start()
    assert asyncio.run(once("SELECT value FROM kept")) == 7
    assert asyncio.run(once("SHOW fsync")) == "on"


def test_a_paused_postgres_answers_when_it_goes_on(postgres_server: Postgres) -> None:
    """A paused server takes no query; one that is resumed carries on where it was."""
    postgres_server.pause()
    try:
        with socket.create_connection(("127.0.0.1", postgres_server.port)) as connection:
            connection.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")  # asks whether it speaks TLS
            connection.settimeout(0.05)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            postgres_server.resume()
            connection.settimeout(30)
            assert connection.recv(1) in b"SN"
    finally:
        postgres_server.resume()


def test_a_refused_command_says_why(postgres_server: Postgres) -> None:
    """What the server says about a bad command reaches the test."""
    with pytest.raises(ServerError, match="syntax error"):
        postgres_server.run("SELEC 1")


def test_redis_is_killed_and_started_again(redis_server: Redis) -> None:
    """It answers on the same port after `kill -9` and a start."""

    def ping() -> bytes:
        with socket.create_connection(("127.0.0.1", redis_server.port)) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64)

    assert ping() == b"+PONG\r\n"
    redis_server.kill9()
    with pytest.raises(ConnectionRefusedError):
        ping()
    redis_server.start()
    assert ping() == b"+PONG\r\n"


def test_a_server_ends_with_whoever_started_it(redis_server: Redis) -> None:
    """Even when the tests are killed themselves, neither the server nor its folder stays."""
    with contextlib.closing(Redis()) as server:
        ward = server._ward
        pid, folder = ward.pid, ward.folder
        ward._warden.stdin.close()  # what the kernel does for a process that was killed
        ward._warden.wait()
        assert not Path(f"/proc/{pid}").exists()
        assert not folder.exists()
        ward.pid = 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
