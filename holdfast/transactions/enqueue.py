"""`enqueue`: a run that exists if, and only if, a transaction of the user's own commits.

Owns: what is written into the outbox, and what a run id means that is in it already.
Must not know: drivers, the store, who moves runs there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, Protocol, overload
from uuid import uuid4

import msgspec

from holdfast.authoring import calling_place, startable
from holdfast.errors import RunConflictError, TransactionError
from holdfast.history import AttributeValue, check_identifier, check_memo, encode_attributes
from holdfast.ports.engine import StartRequest
from holdfast.ports.runtime import current_runtime
from holdfast.transactions.drivers import find_driver, lacks_table
from holdfast.transactions.outbox import ADD, FIND, OUTBOX
from holdfast.transactions.plans import Plan, drive, drive_async
from holdfast.transactions.table import MIGRATE

TRIES_MAX: Final = 10
"""How often in a row a run of this id may come and go in the outbox before an enqueue gives up."""


class AsyncConnection(Protocol):
    """A connection whose statements are awaited."""

    @property
    def execute(self) -> Callable[..., Awaitable[Any]]:
        """Run a statement."""


@overload
def enqueue(
    connection: AsyncConnection,
    workflow: Any,
    *args: Any,
    id: str | None = None,
    attributes: Mapping[str, AttributeValue | None] | None = None,
    memo: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> Coroutine[Any, Any, str]: ...
@overload
def enqueue(
    connection: Any,
    workflow: Any,
    *args: Any,
    id: str | None = None,
    attributes: Mapping[str, AttributeValue | None] | None = None,
    memo: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> str: ...
def enqueue(
    connection: Any,
    workflow: Any,
    *args: Any,
    id: str | None = None,
    attributes: Mapping[str, AttributeValue | None] | None = None,
    memo: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> Any:
    """Start a run with the transaction that is under way on `connection`: it exists if that commits, and not otherwise.

    ```python
    async with connection.transaction():
        await connection.execute("INSERT INTO orders VALUES ($1, $2)", order.id, order.total)
        await enqueue(connection, Fulfil, order, id=f"order-{order.id}")
    ```

    The run is written into the table `holdfast_outbox` of the same database; `holdfast migrate --outcomes` makes it. A
    controller that has the database in its setting `outboxes` moves it to the store within about a second, once, also
    when it is killed in between.

    Args:
        connection: of asyncpg, psycopg 3 (sync or async) or sqlite3, or a connection or session of SQLAlchemy (sync or
            async). It is neither committed nor rolled back here.
        workflow: a workflow, or its registered name; a task is named as `task:NAME`.
        args: its input.
        id: the run id, which is also its idempotency key; a new UUID when None.
        attributes: what the run is to be found by.
        memo: what to note about it, as text by name.
        kwargs: its input.

    Returns:
        The run id; a coroutine of it where the connection is asynchronous. The same id with the same input again is the
        same run.

    Raises:
        TransactionError: no transaction is under way that would hold the run back, or the table is missing.
        RunConflictError: a run of this id with another workflow or input waits to be moved. What the store knows of the
            id is found out when the run is moved; a conflict is then noted in the row, and in the log.
        InputError, EncodeError: the input, the attributes or the memo do not fit.
    """
    if current_runtime.get(None) is not None:
        raise TransactionError("enqueue() was called in workflow code", "Call it in a task's code.", calling_place())
    driver = find_driver(connection, "enqueue")
    if driver.commits_at_once():
        raise TransactionError(
            "no transaction is under way on the connection that enqueue() was given",
            "Begin one, do your own work in it, and enqueue the run in it. Without one: client.start(...)",
            calling_place(),
        )
    target = startable(workflow)
    request = StartRequest(
        check_identifier(target.name, "the name of the workflow"),
        check_identifier(id, "the run id") if id is not None else uuid4().hex,
        target.encode_call(args, kwargs),
        target.code_version,
        pin=target.pin,
        attributes=encode_attributes(attributes) if attributes else {},
        memo=check_memo(memo) if memo else {},
    )
    plan = _plan(request)
    return drive_async(driver, plan) if driver.is_async else drive(driver, plan)


def written(request: StartRequest) -> dict[str, str]:
    """Return the row of a request."""
    return {
        "run_id": request.run_id,
        "workflow": request.workflow,
        "input": request.input.decode(),
        "request": msgspec.json.encode(msgspec.structs.replace(request, input=b"")).decode(),
    }


def read(text: str, body: str) -> StartRequest:
    """Return the request that a row is of, where `body` is its input."""
    return msgspec.structs.replace(msgspec.json.decode(text, type=StartRequest), input=body.encode())


def _plan(request: StartRequest) -> Plan:
    row = written(request)
    run_id = {"run_id": request.run_id}
    try:
        for _ in range(TRIES_MAX):
            if (yield lambda driver: driver.ask(ADD, row)):
                return request.run_id
            found = yield lambda driver: driver.ask(FIND, run_id)
            for workflow, body, refused in found:
                if refused:
                    raise TransactionError(
                        f"run {request.run_id!r} was enqueued before, and refused: {refused.partition(chr(10))[0]}",
                        f"Use another id, or delete its row from {OUTBOX}.",
                    )
                if (workflow, body) != (row["workflow"], row["input"]):
                    raise RunConflictError(request.run_id, "workflow" if workflow != row["workflow"] else "input")
                return request.run_id
    except Exception as error:
        if lacks_table(error) and OUTBOX in str(error):
            raise TransactionError(f"the database has no table {OUTBOX}", MIGRATE) from error
        raise
    raise TransactionError(f"run {request.run_id!r} was enqueued and moved {TRIES_MAX} times meanwhile", "Try again.")
