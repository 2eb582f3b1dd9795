"""`transaction`: a body's effects and the note that it ran, in one commit.

Owns: the order of what happens on the connection.
Must not know: drivers, the form of the table.

Theory of operation
===================

    begin
    insert the step into the table of outcomes      whoever comes second waits here
      it is new: run the body, keep its result      both are committed together
      it is there: read its result                  the body is not run

A task whose answer was lost is tried again, and a task whose worker was taken for dead runs twice at once. Either way
the second finds the first one's row, or waits at the unique key until the first has committed or is gone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from inspect import iscoroutinefunction
from typing import Any, TypeVar, TypeVarTuple, overload

from holdfast.authoring import ValueCodec, calling_place, codec_of_result
from holdfast.errors import TransactionError
from holdfast.transactions.drivers import Answer, Driver, find_driver, lacks_table
from holdfast.transactions.keys import named
from holdfast.transactions.plans import Plan, Step, drive, drive_async
from holdfast.transactions.table import CLAIM, KEEP, MIGRATE, READ, TABLE

C = TypeVar("C")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


@overload
def transaction(
    connection: C, body: Callable[[C, *Ts], Awaitable[R]], *args: *Ts, key: str | None = None
) -> Coroutine[Any, Any, R]: ...
@overload
def transaction(connection: C, body: Callable[[C, *Ts], R], *args: *Ts, key: str | None = None) -> R: ...
def transaction(  # type: ignore[misc]  # mypy does not match `*args: Any` with `*Ts`
    connection: Any, body: Callable[..., Any], *args: Any, key: str | None = None
) -> Any:
    """Run `body(connection, *args)` in a transaction of the caller's database, exactly once for each step of a task.

    ```python
    @task
    async def pay(order: Order) -> Receipt:
        async with pool.acquire() as connection:
            return await transaction(connection, book, order)

    async def book(connection: asyncpg.Connection, order: Order) -> Receipt: ...
    ```

    What the body wrote and the note that it ran are committed together, in the table `holdfast_outcomes` of the same
    database. When the step is tried again, or runs twice because its worker was taken for dead, the body is not run:
    its result is read. Effects outside this database are not covered by it.

    Args:
        connection: of asyncpg, psycopg 3 (sync or async) or sqlite3, or a connection or session of SQLAlchemy (sync or
            async), with no transaction under way. It is begun, and committed or rolled back, here.
        body: takes the connection first. It is async where the connection is. What it is annotated to return is the
            type of the result, which travels as JSON.
        args: what else it takes.
        key: names the transaction, within its task where there is one. Without it the transactions of a task are told
            apart by their order; those that go on at the same time, and those outside of tasks, need one.

    Returns:
        What the body returned, now or the first time; a coroutine of it where the connection is asynchronous.

    Raises:
        TransactionError: the connection cannot be used so, or the table is missing, or the order of transactions in
            this task has changed since it first ran.
        EncodeError: the body's result cannot be kept; nothing was committed.
    """
    driver = find_driver(connection, "transaction")
    _check(driver, body)
    codec = codec_of_result(body, f"result of {_name(body)}")

    def call(_: Driver) -> Answer:
        return body(connection, *args)

    if driver.is_async:
        return _run_async(driver, call, _name(body), codec, key)
    with named(key) as step:
        return drive(driver, _plan(step, call, _name(body), codec))


async def _run_async(driver: Driver, call: Step, name: str, codec: ValueCodec, key: str | None) -> Any:
    with named(key) as step:
        return await drive_async(driver, _plan(step, call, name, codec))


def _plan(step: str, call: Step, name: str, codec: ValueCodec) -> Plan:
    yield lambda driver: driver.begin()
    try:
        claimed = yield lambda driver: driver.ask(CLAIM, {"step": step, "body": name})
        if claimed:
            value = yield call
            result = codec.encode(value)
            yield lambda driver: driver.ask(KEEP, {"result": result.decode(), "step": step})
        else:
            ((ran, kept),) = yield lambda driver: driver.ask(READ, {"step": step})
            if ran != name:
                raise TransactionError(
                    f"{step} ran {ran} when it was first tried, and runs {name} now",
                    "The order of transactions in the task has changed. Give each a key: "
                    "transaction(connection, body, ..., key=...)",
                )
            result = kept.encode()
    except BaseException as error:
        with contextlib.suppress(Exception):  # a connection that is gone has rolled back by itself
            yield lambda driver: driver.roll_back()
        if lacks_table(error) and TABLE in str(error):
            raise TransactionError(f"the database has no table {TABLE}", MIGRATE) from error
        raise
    yield lambda driver: driver.commit()
    return codec.decode(result)


def _check(driver: Driver, body: Callable[..., Any]) -> None:
    if iscoroutinefunction(body) and not driver.is_async:
        raise TransactionError(
            f"{_name(body)} is async, and its connection is not", "Make both the same.", calling_place()
        )
    if driver.is_busy():
        raise TransactionError(
            "a transaction is under way on this connection",
            "transaction() begins and ends its own. Call it before the connection is used, or commit first.",
            calling_place(),
        )


def _name(body: Callable[..., Any]) -> str:
    return getattr(body, "__qualname__", None) or type(body).__qualname__
