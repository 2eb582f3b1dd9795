"""Workflows of six shapes, and twelve kinds of change to each: what the replayer has to find.

Owns: the sources, the edits, and what each edit has to be called.
Must not know: how any of it is found.

A change replaces text. What is expected names the recorded and the attempted step, and a piece of the line of code at
which the change shows.
"""

# ruff: noqa: E501, Q000 - a change is one row of a table

from __future__ import annotations

import importlib.util
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

PREAMBLE = """
import asyncio
from holdfast.authoring import lock, map_tasks, patched, signal, start_child, task, wait_for_signal, workflow

@task
async def fetch(item: str) -> str: ...
@task
async def charge(item: str) -> str: ...
@task
async def bill(item: str) -> str: ...
@task
async def approve(item: str) -> str: ...
@task
async def reject(item: str) -> str: ...
@task
async def undo(item: str) -> str: ...
@task
async def audit(item: str) -> str: ...
@task
async def weigh(item: int) -> int: ...
"""

SEQUENCE = """
@workflow
async def shape(item: str) -> str:
    first = await fetch(item)
    await charge(first)
    await asyncio.sleep(60)
    if first == "a":
        await approve(first)
    else:
        await reject(first)
    await undo("done")
    return first
"""

GATHER = """
@workflow
async def shape(item: str) -> str:
    first, second = await asyncio.gather(
        fetch(item),
        fetch("b"),
    )
    await asyncio.gather(
        charge(first),
        undo(second),
        asyncio.sleep(60),
    )
    third, fourth = await asyncio.gather(
        approve("x") if first == "a" else reject("x"),
        audit("y"),
    )
    return first + second
"""

GROUP = """
@workflow
class Shape:
    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def run(self, item: str) -> str:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.pay(item))
            group.create_task(fetch("b"))
        async with asyncio.timeout(60):
            await self.gone.wait()
        if item == "a":
            await approve(item)
        else:
            await reject(item)
        return item

    async def pay(self, item: str) -> None:
        first = await fetch(item)
        await charge(first)
        await undo(first)

    @signal
    def go(self) -> None:
        self.gone.set()
"""

TIMERS = """
@workflow
async def shape(item: str) -> str:
    first = await fetch(item)
    for delay in (10, 20):
        await asyncio.sleep(delay)
    await charge(first)
    try:
        async with asyncio.timeout(60):
            await asyncio.Event().wait()
    except TimeoutError:
        await undo(first)
    if first == "a":
        await approve(first)
    else:
        await reject(first)
    return first
"""

MAP = """
@workflow
async def shape(item: str) -> str:
    first = await fetch(item)
    weights = await map_tasks(weigh, [1, 2, 3])
    async with lock("account"):
        await charge(first)
        await undo(first)
    await asyncio.sleep(60)
    if first == "a":
        await approve(first)
    else:
        await reject(first)
    return first
"""

FAMILY = """
@workflow
async def pay(item: str) -> str: ...

@workflow
async def settle(item: str) -> str: ...

@workflow
async def shape(item: str) -> str:
    first = await fetch(item)
    paid = await start_child(pay, first)
    await start_child(pay, "second")
    await asyncio.sleep(60)
    if first == "a":
        await start_child(approve_all, paid)
    else:
        await start_child(reject_all, paid)
    await undo(paid)
    return first

@workflow
async def approve_all(item: str) -> str: ...

@workflow
async def reject_all(item: str) -> str: ...
"""

SHAPES = {"sequence": SEQUENCE, "gather": GATHER, "group": GROUP, "timers": TIMERS, "map": MAP, "family": FAMILY}


@dataclass(frozen=True)
class Change:
    """One edit, and what has to be said of it."""

    shape: str
    what: str
    old: str
    new: str
    kind: str
    recorded: str
    """Identity of the recorded step; '' for nothing."""
    attempted: str
    line: str
    """A piece of the line at which it shows, in the edited source."""

    @property
    def name(self) -> str:
        """Return what a test is called."""
        return f"{self.shape}-{self.what}".replace(" ", "-")

    def before(self) -> str:
        """Return the source that is edited."""
        return with_patch(self.shape) if self.what == "removed patch" else PREAMBLE + SHAPES[self.shape]

    def source(self) -> str:
        """Return the edited source."""
        before = self.before()
        assert before.count(self.old) == 1, f"{self.name} edits {before.count(self.old)} places"
        return before.replace(self.old, self.new)


PATCHED = 'if patched("p"):\n    await audit("p")\n'


def with_patch(shape: str) -> str:
    """Return the source of a shape to which a step was added for new runs."""
    source = PREAMBLE + SHAPES[shape]
    at = source.rindex("\n", 0, source.index("return ")) + 1
    indent = source[at:].partition("return ")[0]
    return source[:at] + textwrap.indent(PATCHED, indent) + source[at:]


def _of(shape: str, *changes: tuple[str, str, str, str, str, str, str]) -> list[Change]:
    return [Change(shape, *each) for each in changes]


RETYPED = ("changed type", "async def fetch(item: str) -> str", "async def fetch(item: str) -> int")

CHANGES = [
    *_of(
        "sequence",
        ("insert", "    await charge(first)\n", "    await charge(first)\n    await audit(first)\n", "INSERTED", "", "audit#1", "await audit"),
        ("remove", "    await charge(first)\n", "", "REMOVED", "charge#1", "", "asyncio.sleep(60)"),
        ("rename", "await charge(first)", "await bill(first)", "RENAMED", "charge#1", "bill#1", "await bill"),
        ("reorder", "    await charge(first)\n    await asyncio.sleep(60)\n", "    await asyncio.sleep(60)\n    await charge(first)\n", "REORDERED", "charge#1", "sleep#1", "asyncio.sleep(60)"),
        ("input", "charge(first)", "charge(first.upper())", "INPUT_CHANGED", "charge#1", "charge#1", "await charge"),
        ("duration", "sleep(60)", "sleep(90)", "DURATION_CHANGED", "sleep#1", "sleep#1", "sleep(90)"),
        ("return value", "return first", "return first * 2", "RESULT_CHANGED", "result", "result", "return first * 2"),
        (*RETYPED, "PAYLOAD_INCOMPATIBLE", "fetch#1", "", "first = await fetch(item)"),
        ("extra timer", '    await undo("done")', '    await asyncio.sleep(5)\n    await undo("done")', "INSERTED", "", "sleep#2", "sleep(5)"),
        ("swapped branches", 'if first == "a"', 'if first != "a"', "RENAMED", "approve#1", "reject#1", "await reject"),
        ("raise", "return first", "raise ValueError(first)", "RESULT_CHANGED", "result", "failure", "raise ValueError"),
    ),
    *_of(
        "gather",
        ("insert", '        undo(second),\n', '        undo(second),\n        audit(second),\n', "INSERTED", "", "audit#1", "audit(second)"),
        ("remove", "        undo(second),\n", "", "REMOVED", "undo#1", "", "await asyncio.gather(\n        charge"),
        ("rename", "charge(first)", "bill(first)", "RENAMED", "charge#1", "bill#1", "bill(first)"),
        ("reorder", "        charge(first),\n        undo(second),\n", "        undo(second),\n        charge(first),\n", "REORDERED", "charge#1", "undo#1", "undo(second)"),
        ("input", "charge(first)", "charge(first.upper())", "INPUT_CHANGED", "charge#1", "charge#1", "charge(first.upper())"),
        ("duration", "sleep(60)", "sleep(90)", "DURATION_CHANGED", "sleep#1", "sleep#1", "asyncio.gather(\n        charge"),
        ("return value", "return first + second", "return second + first", "RESULT_CHANGED", "result", "result", "return second"),
        (*RETYPED, "PAYLOAD_INCOMPATIBLE", "fetch#1", "", "first, second = await asyncio.gather("),
        ("extra timer", "    third, fourth", "    await asyncio.sleep(5)\n    third, fourth", "INSERTED", "", "sleep#2", "sleep(5)"),
        ("swapped branches", 'if first == "a"', 'if first != "a"', "RENAMED", "approve#1", "reject#1", 'approve("x") if'),
        ("raise", "return first + second", "raise ValueError(first)", "RESULT_CHANGED", "result", "failure", "raise ValueError"),
    ),
    *_of(
        "group",
        ("insert", "        await charge(first)\n", "        await charge(first)\n        await audit(first)\n", "INSERTED", "", "audit#1", "await audit"),
        ("remove", "        await charge(first)\n", "", "REMOVED", "charge#1", "", "await undo(first)"),
        ("rename", "await charge(first)", "await bill(first)", "RENAMED", "charge#1", "bill#1", "await bill"),
        ("reorder", "        await charge(first)\n        await undo(first)\n", "        await undo(first)\n        await charge(first)\n", "REORDERED", "charge#1", "undo#1", "await undo"),
        ("input", "charge(first)", "charge(first.upper())", "INPUT_CHANGED", "charge#1", "charge#1", "await charge"),
        ("duration", "timeout(60)", "timeout(90)", "DURATION_CHANGED", "sleep#1", "sleep#1", "timeout(90)"),
        ("return value", "return item", "return item * 2", "RESULT_CHANGED", "result", "result", "return item * 2"),
        (*RETYPED, "PAYLOAD_INCOMPATIBLE", "fetch#1", "", "async with asyncio.TaskGroup() as group:"),
        ("extra timer", "        await undo(first)\n", "        await asyncio.sleep(5)\n        await undo(first)\n", "INSERTED", "", "sleep#1", "sleep(5)"),
        ("swapped branches", 'if item == "a"', 'if item != "a"', "RENAMED", "approve#1", "reject#1", "await reject"),
        ("raise", "return item", "raise ValueError(item)", "RESULT_CHANGED", "result", "failure", "raise ValueError"),
    ),
    *_of(
        "timers",
        ("insert", "    await charge(first)\n", "    await charge(first)\n    await audit(first)\n", "INSERTED", "", "audit#1", "await audit"),
        ("remove", "    await charge(first)\n", "", "REMOVED", "charge#1", "", "asyncio.timeout(60)"),
        ("rename", "await charge(first)", "await bill(first)", "RENAMED", "charge#1", "bill#1", "await bill"),
        ("reorder", "(10, 20)", "(20, 10)", "REORDERED", "sleep#1", "sleep#1", "asyncio.sleep(delay)"),
        ("input", "charge(first)", "charge(first.upper())", "INPUT_CHANGED", "charge#1", "charge#1", "await charge"),
        ("duration", "timeout(60)", "timeout(90)", "DURATION_CHANGED", "sleep#3", "sleep#3", "timeout(90)"),
        ("return value", "return first", "return first * 2", "RESULT_CHANGED", "result", "result", "return first * 2"),
        (*RETYPED, "PAYLOAD_INCOMPATIBLE", "fetch#1", "", "first = await fetch(item)"),
        ("extra timer", "(10, 20)", "(10, 20, 5)", "INSERTED", "", "sleep#3", "asyncio.sleep(delay)"),
        ("swapped branches", 'if first == "a"', 'if first != "a"', "RENAMED", "approve#1", "reject#1", "await reject"),
        ("raise", "return first", "raise ValueError(first)", "RESULT_CHANGED", "result", "failure", "raise ValueError"),
    ),
    *_of(
        "map",
        ("insert", "        await charge(first)\n", "        await charge(first)\n        await audit(first)\n", "INSERTED", "", "audit#1", "await audit"),
        ("remove", "        await charge(first)\n", "", "REMOVED", "charge#1", "", "await undo(first)"),
        ("rename", 'lock("account")', 'lock("accounts")', "RENAMED", "lock(account)#1", "lock(accounts)#1", 'lock("accounts")'),
        ("reorder", '    weights = await map_tasks(weigh, [1, 2, 3])\n    async with lock("account"):\n        await charge(first)\n', '    async with lock("account"):\n        await charge(first)\n        weights = await map_tasks(weigh, [1, 2, 3])\n', "REORDERED", "map#1", "lock(account)#1", 'lock("account")'),
        ("input", "[1, 2, 3]", "[1, 2, 4]", "INPUT_CHANGED", "map#1", "map#1", "weights = await map_tasks"),
        ("duration", "sleep(60)", "sleep(90)", "DURATION_CHANGED", "sleep#1", "sleep#1", "sleep(90)"),
        ("return value", "return first", "return first * 2", "RESULT_CHANGED", "result", "result", "return first * 2"),
        (*RETYPED, "PAYLOAD_INCOMPATIBLE", "fetch#1", "", "first = await fetch(item)"),
        ("extra timer", "        await undo(first)\n", "        await asyncio.sleep(5)\n        await undo(first)\n", "INSERTED", "", "sleep#1", "sleep(5)"),
        ("swapped branches", 'if first == "a"', 'if first != "a"', "RENAMED", "approve#1", "reject#1", "await reject"),
        ("raise", "return first", "raise ValueError(first)", "RESULT_CHANGED", "result", "failure", "raise ValueError"),
    ),
    *_of(
        "family",
        ("insert", '    await start_child(pay, "second")\n', '    await start_child(settle, first)\n    await start_child(pay, "second")\n', "INSERTED", "", "settle#1", "await start_child(settle"),
        ("remove", '    await start_child(pay, "second")\n', "", "REMOVED", "pay#2", "", "asyncio.sleep(60)"),
        ("rename", "start_child(pay, first)", "start_child(settle, first)", "RENAMED", "pay#1", "settle#1", "paid = await"),
        ("reorder", '    await start_child(pay, "second")\n    await asyncio.sleep(60)\n', '    await asyncio.sleep(60)\n    await start_child(pay, "second")\n', "REORDERED", "pay#2", "sleep#1", "asyncio.sleep(60)"),
        ("input", "start_child(pay, first)", "start_child(pay, first.upper())", "INPUT_CHANGED", "pay#1", "pay#1", "paid = await"),
        ("duration", "sleep(60)", "sleep(90)", "DURATION_CHANGED", "sleep#1", "sleep#1", "sleep(90)"),
        ("return value", "return first", "return first * 2", "RESULT_CHANGED", "result", "result", "return first * 2"),
        ("changed type", "async def pay(item: str) -> str", "async def pay(item: str) -> int", "PAYLOAD_INCOMPATIBLE", "pay#1", "", "paid = await"),
        ("extra timer", "    await undo(paid)\n", "    await asyncio.sleep(5)\n    await undo(paid)\n", "INSERTED", "", "sleep#2", "sleep(5)"),
        ("swapped branches", 'if first == "a"', 'if first != "a"', "RENAMED", "approve_all#1", "reject_all#1", "start_child(reject_all"),
        ("raise", "return first", "raise ValueError(first)", "RESULT_CHANGED", "result", "failure", "raise ValueError"),
    ),
]  # fmt: skip
for _shape in SHAPES:
    _indent = " " * (8 if _shape == "group" else 4)
    _guarded = textwrap.indent(PATCHED, _indent)
    CHANGES.append(
        Change(
            _shape, "removed patch", _guarded, f'{_indent}await audit("p")\n', "REMOVED", "patch p", "", 'audit("p")'
        )
    )


def load(source: str, folder: Path, name: str) -> tuple[Any, ModuleType]:
    """Return the workflow that a source defines, and its module; the file stands in `folder`."""
    file = folder / f"{name}.py"
    file.write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return (module.Shape if hasattr(module, "Shape") else module.shape), module


def line_of(source: str, piece: str) -> int:
    """Return the number of the only line of a source that a piece begins on."""
    assert source.count(piece) == 1, f"{piece!r} stands {source.count(piece)} times"
    return source[: source.index(piece)].count("\n") + 1
