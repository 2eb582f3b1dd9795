"""What the checks of a store share: the harness, and shorthand for what they do all the time.

Owns: what a test of one implementation provides.
Must not know: which database is behind it, which test runner calls.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from holdfast.errors import HoldfastError
from holdfast.history import ROOT, CancelRequested, Page, WorkflowTerminated, seal
from holdfast.ports.operations import (
    COMPLETED,
    Append,
    ClaimedRun,
    ClaimRuns,
    Closing,
    Deliver,
    Join,
    Membership,
    Started,
    StartRun,
)

if TYPE_CHECKING:
    from holdfast.ports.operations import Operation
    from holdfast.ports.store import Store

LEASE: Final = 10.0
"""Seconds of every lease in these checks."""


class StoreHarness(Protocol):
    """One empty store, and its time."""

    async def open(self) -> Store:
        """Open the store once more: another object on the same data, as another process would have it."""

    def advance(self, seconds: float) -> None:
        """Let the store's time go on; a negative number sets the clock below it back."""


Check: TypeAlias = Callable[[StoreHarness], Awaitable[None]]
"""One promise, checked on an empty store."""


def expect(condition: object, what: str) -> None:
    """Fail the check unless `condition` is true.

    Raises:
        AssertionError: it is not; says `what` was promised.
    """
    if not condition:
        raise AssertionError(what)


class History:
    """The pages of one execution, sealed one after another."""

    def __init__(self) -> None:
        self.last = 0
        self.pages: list[Page] = []

    def page(self, events: int = 1, *, closing: bool = False) -> Page:
        """Return the next page. It only counts once it was appended: see `keep`."""
        sealed = [WorkflowTerminated(1.0, "")] if closing else [CancelRequested(1.0, -1, "")] * events
        return seal(sealed, self.last + 1, self.pages[-1].hash if self.pages else ROOT, {})

    def keep(self, page: Page) -> Page:
        """Take `page` as appended; return it."""
        self.pages.append(page)
        self.last = page.last
        return page


async def do(store: Store, operation: Operation, membership: Membership | None = None) -> Any:
    """Carry out one operation; return its result, or raise the error that is its result."""
    (result,) = await store.write([operation], membership)
    if isinstance(result, HoldfastError):
        raise result
    return result


async def refused(
    kind: type[HoldfastError], store: Store, operation: Operation, member: Membership | None = None
) -> None:
    """Expect `operation` to be refused with an error of `kind`, as its result."""
    (result,) = await store.write([operation], member)
    expect(isinstance(result, kind), f"{type(operation).__name__} is refused with {kind.__name__}, not {result!r}")


async def join(store: Store, name: str = "m") -> Membership:
    """Make a member."""
    result = await do(store, Join(name, "stack", "here", 1, LEASE))
    assert isinstance(result, Membership), "Join returns a Membership"
    return result


def start(
    run_id: str, page: Page | None = None, *, own: bool = False, workflow: str = "W", digest: bytes = b"i"
) -> StartRun:
    """Return a StartRun."""
    return StartRun(run_id, workflow, digest, page or History().page(), own=own)


async def own(store: Store, member: Membership, run_id: str) -> tuple[int, History]:
    """Start a run that `member` owns; return its execution and history."""
    history = History()
    started: Started = await do(store, start(run_id, history.keep(history.page()), own=True), member)
    expect(started.created, "a run with a new id is created")
    return started.execution_id, history


def signal(run_id: str, operation_id: str = "", name: str = "go") -> Deliver:
    """Return a Deliver."""
    return Deliver(run_id, "signal", name, b"1", operation_id or f"{run_id}/{name}")


async def claim(store: Store, member: Membership, limit: int = 100, workflow: str = "W") -> list[ClaimedRun]:
    """Claim runs."""
    return list(await do(store, ClaimRuns((workflow,), limit), member))


async def end(store: Store, member: Membership, execution: int, history: History, **more: Any) -> None:
    """Append the last page of an execution."""
    closing = Closing(more.pop("status", COMPLETED), b"outcome", more.pop("continuation", None))
    page = history.keep(history.page(closing=True))
    await do(store, Append(execution, page, closing=closing, inbox_read=1 << 60, **more), member)
