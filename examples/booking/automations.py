"""Book a journey: a room, a flight, and the money for both; all of it or nothing.

Owns: the workflow, its tasks, and the orders in our own database.
Must not know: how the three services misbehave.

Three tools share the work. `http` makes each call under an idempotency key, so that a service does once what it was
asked twice. `transaction` writes an order together with the note that it was written. `Saga` undoes what was booked
when the rest cannot be had.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel

from holdfast import Retry, Saga, task, transaction, workflow
from holdfast.http import http

SERVICES = os.environ.get("BOOKING_SERVICES", "http://127.0.0.1:8099")
"""Where the hotel, the airline and the bank are."""
ORDERS = os.environ.get("BOOKING_ORDERS", "orders.db")
"""Our own database; `services.prepare` makes its tables."""
PATIENT = Retry(attempts=12, initial="100ms", maximum="2s")

http.host(urlsplit(SERVICES).netloc, private=True, read_timeout="1s")  # they are on this machine


class Journey(BaseModel):
    """What somebody wants."""

    reference: str
    city: str


class Price(BaseModel):
    """What a journey costs."""

    cents: int
    currency: Literal["EUR"]


class Confirmation(BaseModel):
    """What a service says that did something."""

    id: str


@task(retry=PATIENT)
async def read_price(journey: Journey) -> Price:
    """Ask what it costs."""
    return await http.get(f"{SERVICES}/prices/{journey.city}", expect=Price)


@task(retry=PATIENT)
async def book(what: Literal["rooms", "flights"], journey: Journey) -> str:
    """Book a room or a flight, under the journey's reference."""
    asked = {"reference": journey.reference, "city": journey.city}
    return (await http.post(f"{SERVICES}/{what}", json=asked, expect=Confirmation)).id


@task(retry=PATIENT)
async def cancel(what: Literal["rooms", "flights", "charges"], reference: str) -> None:
    """Cancel what was booked or charged under a reference, if anything was."""
    await http.post(f"{SERVICES}/cancellations/{what}", json={"reference": reference})


@task(retry=PATIENT)
async def charge(journey: Journey, cents: int) -> str:
    """Take the money."""
    asked = {"reference": journey.reference, "cents": cents}
    return (await http.post(f"{SERVICES}/charges", json=asked, expect=Confirmation)).id


def insert_order(connection: sqlite3.Connection, reference: str, cents: int) -> None:
    """Write an order down; runs once."""
    connection.execute("INSERT INTO orders (reference, cents) VALUES (?, ?)", (reference, cents))


@task(retry=PATIENT)
def write_order(reference: str, cents: int) -> None:
    """Write an order into our own database, together with the note that it was written."""
    with closing(sqlite3.connect(ORDERS, isolation_level=None, timeout=30)) as connection:
        transaction(connection, insert_order, reference, cents)


@workflow
async def book_journey(journey: Journey) -> str:
    """Book all of a journey, or undo what was booked."""
    price = await read_price(journey)
    async with Saga() as saga:
        for what in ("rooms", "flights"):
            saga.add(cancel, what, journey.reference)  # first: nobody knows whether one that failed went through
            await book(what, journey)
        saga.add(cancel, "charges", journey.reference)
        charged = await charge(journey, price.cents)
    # Nothing is undone from here on: the money is taken, and what follows is our own.
    await write_order(journey.reference, price.cents)
    return charged
