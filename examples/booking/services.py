"""A hotel, an airline and a bank on this machine, which misbehave as real ones do; and what they did in the end.

Owns: the three services, their bad days, and counting what was done for whom.
Must not know: who books.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from itertools import count
from random import Random
from typing import Final

from holdfast.testing.fake_api import (
    Act,
    Answer,
    Behave,
    Drift,
    FakeApi,
    Hang,
    Limit,
    Redirect,
    Request,
    ResetAfter,
    ResetBefore,
    SlowBody,
    TooMany,
    Truncate,
    WrongType,
)

METADATA: Final = "169.254.169.254"
"""Where a cloud keeps the credentials of a machine."""
HERE: Final = "127.1"
"""This machine, written as few people know it."""
PRICES: Final = "/prices"
CITY: Final = "lisbon"
BOOKED: Final = ("/rooms", "/flights", "/charges")
PATHS: Final = (f"{PRICES}/{CITY}", *BOOKED)
BAD_DAYS: Final[tuple[Act, ...]] = (
    TooMany("1"),
    ResetBefore(),
    ResetAfter(),
    SlowBody(),
    Hang(),
    Truncate(),
    Answer(503, {"error": "later"}),
)
"""What passes: trying again helps."""
DEAD_ENDS: Final[tuple[Act, ...]] = (
    Answer(409, {"error": "there is none left"}),
    Redirect(f"http://{METADATA}/latest/meta-data/", 307),
    Redirect(f"http://{HERE}:1/", 307),
)
"""What does not: the journey has to be undone."""
OVERNIGHT: Final[tuple[tuple[Drift, str], ...]] = (
    ("missing", "cents"),
    ("retyped", "currency"),
    ("widened", "currency"),
    ("new value", "currency"),
    ("added", ""),
)
"""How prices change, and in which field; the last of it hurts nobody."""


def open_services(api: FakeApi) -> None:
    """Let an API be the three services."""
    numbers = count(1)
    api.route("GET", PRICES, lambda _: {"cents": 19_900, "currency": "EUR"})

    def confirm(_: Request) -> dict[str, str]:
        return {"id": f"c-{next(numbers)}"}

    for path in BOOKED:
        api.route("POST", path, confirm)
        api.route("POST", f"/cancellations{path}", confirm)


def misbehave(api: FakeApi, random: Random, times: int, dead_ends: int, drifts: int = 0) -> None:
    """Play so many bad days, dead ends and answers of a wrong type, at random requests of the next ones."""
    for path in PATHS:
        acts: list[Act] = [random.choice(BAD_DAYS) for _ in range(times // len(PATHS))]
        if path in BOOKED:  # what undoes is let through in the end, or a person has to look
            acts += [random.choice(DEAD_ENDS) for _ in range(dead_ends // len(BOOKED))]
            acts += [WrongType() for _ in range(drifts // len(BOOKED))]
        # Five good answers for each: a host of which half of all calls fail is left alone for a while.
        acts += [Behave() for _ in range(5 * len(acts))]
        random.shuffle(acts)
        api.play(path, *acts)


def change(api: FakeApi, number: int, after: int) -> None:
    """Change how prices are answered, in one of five ways, after so many more answers, and in no other way."""
    mend(api)
    drift, name = OVERNIGHT[number]
    api.drift(PRICES, drift, name, after=after)


def mend(api: FakeApi) -> None:
    """Answer prices as before."""
    api.mend(PRICES)


def limit(api: FakeApi, amount: int) -> None:
    """Take only so many requests a second, all services together, and say so."""
    api.limit("/", Limit(amount, 1.0))


def prepare(orders: str) -> None:
    """Make the table of orders; `holdfast migrate --outcomes` makes what `transaction` needs."""
    with closing(sqlite3.connect(orders)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS orders (reference TEXT, cents INTEGER)")


def judge(api: FakeApi, orders: str, completed: Sequence[str], failed: Sequence[str]) -> list[str]:
    """Return what is wrong in the end: nothing where every journey was booked exactly once, or undone."""
    done = {path: _counted(api, path) for path in BOOKED}
    undone = {path: _counted(api, f"/cancellations{path}") for path in BOOKED}
    with closing(sqlite3.connect(orders)) as connection:
        written = Counter(reference for (reference,) in connection.execute("SELECT reference FROM orders"))
    problems: list[str] = []
    for reference in completed:
        counts = [*(done[path][reference] for path in BOOKED), written[reference]]
        if counts != [1, 1, 1, 1]:
            problems.append(f"{reference} is booked, and room, flight, charge and order are {counts}")
        problems += [f"{reference} is booked, and {path} was cancelled" for path in BOOKED if undone[path][reference]]
    for reference in failed:
        problems += [
            f"{reference} failed, and its {path} stands"
            for path in BOOKED
            if done[path][reference] > 1 or (done[path][reference] and not undone[path][reference])
        ]
        if written[reference]:
            problems.append(f"{reference} failed, and was written down")
    return problems


def _counted(api: FakeApi, path: str) -> Counter[str]:
    return Counter(each.value["reference"] for each in api.effects(path) if each.path == path)
