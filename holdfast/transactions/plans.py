"""What happens on a connection, written once and driven by calls or by awaits, as the connection wants.

Owns: how a plan is carried out.
Must not know: what it is for, drivers, tables.

A plan is a generator of steps; each step gets the driver and gives its answer, or an awaitable of it. What a step
raises is raised in the plan where it waits for the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from inspect import isawaitable
from typing import Any, TypeAlias

from holdfast.transactions.drivers import Answer, Driver

Step: TypeAlias = Callable[[Driver], Answer]
Plan: TypeAlias = Generator[Step, Any, Any]


def drive(driver: Driver, plan: Plan) -> Any:
    """Carry out a plan by calls; return what it returns."""
    step = next(plan)
    while True:
        try:
            answer = step(driver)
        except BaseException as error:  # noqa: BLE001 - the plan decides what it means
            advance = _thrower(plan, error)
        else:
            advance = _sender(plan, answer)
        try:
            step = advance()
        except StopIteration as end:
            return end.value


async def drive_async(driver: Driver, plan: Plan) -> Any:
    """Carry out a plan by awaits; return what it returns."""
    step = next(plan)
    while True:
        try:
            answer = step(driver)
            if isawaitable(answer):
                answer = await answer
        except BaseException as error:  # noqa: BLE001 - the plan decides what it means
            advance = _thrower(plan, error)
        else:
            advance = _sender(plan, answer)
        try:
            step = advance()
        except StopIteration as end:
            return end.value


def _sender(plan: Plan, answer: Any) -> Callable[[], Step]:
    return lambda: plan.send(answer)


def _thrower(plan: Plan, error: BaseException) -> Callable[[], Step]:
    return lambda: plan.throw(error)
