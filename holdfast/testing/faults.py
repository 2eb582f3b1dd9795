"""Places at which a test ends a process, stops it, or makes it fail.

Owns: the faults that a process is armed with, and counting how often each place was reached.
Must not know: any place. Whoever tests wraps the functions it means, in the process under test only.

```python
faults = Faults.armed()                                        # from HOLDFAST_FAULTS; usually nothing
with faults.before(Writer, "commit", "commit"), faults.after(Shop, "charge", "charged"):
    serve()
```

    HOLDFAST_FAULTS="commit:37=kill charged:5=stop"            # the 37th commit kills the process before it begins

A place that no fault names is not wrapped, so a process that is not armed runs its own code and nothing else.

The last words: before a fault acts it writes one line to the file that HOLDFAST_FAULTS_LOG names. A killed process
cannot say where it died; its log can.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FAULTS_VARIABLE: Final = "HOLDFAST_FAULTS"
LOG_VARIABLE: Final = "HOLDFAST_FAULTS_LOG"
EXIT_CODE: Final = 71
"""How a process ends at a fault that says `exit`."""

_FORM: Final = re.compile(r"(?P<place>[^\s:=]+):(?P<at>[1-9][0-9]{0,9})=(?P<action>[a-z]+)")


class FaultError(Exception):
    """What a fault that says `fail` raises."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at a place, and at which visit."""

    place: str
    at: int
    """1 is the first visit."""
    action: str
    """`kill` (SIGKILL), `stop` (SIGSTOP, until somebody continues the process), `exit`, or `fail` (FaultError)."""

    def __str__(self) -> str:
        """Return the fault as it is written in HOLDFAST_FAULTS."""
        return f"{self.place}:{self.at}={self.action}"


@dataclass(frozen=True, slots=True)
class LastWord:
    """One line of the log: a fault that acted."""

    fault: Fault
    pid: int
    at: float
    """Seconds of the system's monotonic clock."""


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Return the faults that `text` lists, separated by blanks. Raises ValueError."""
    faults = []
    for each in text.split():
        found = _FORM.fullmatch(each)
        if found is None or found["action"] not in _ACTIONS:
            raise ValueError(f"{each!r} is no fault; write PLACE:VISIT={'|'.join(_ACTIONS)}, such as commit:37=kill")
        faults.append(Fault(found["place"], int(found["at"]), found["action"]))
    return tuple(faults)


def read_last_words(path: Path) -> list[LastWord]:
    """Return the faults that acted, in order, from a log; none when there is no log."""
    if not path.exists():
        return []
    words = []
    for line in path.read_text(encoding="utf-8").splitlines():
        fault, pid, at = line.split()
        words.append(LastWord(parse_faults(fault)[0], int(pid), float(at)))
    return words


class Faults:
    """The faults one process is armed with."""

    def __init__(self, faults: Iterable[Fault], log: Path | None = None) -> None:
        """Arm with `faults`, each of which writes its last word to `log`."""
        self._due: dict[str, dict[int, Fault]] = {}
        for each in faults:
            self._due.setdefault(each.place, {})[each.at] = each
        self._log = log
        self.visits: dict[str, int] = {}
        """How often each armed place was reached."""

    @classmethod
    def armed(cls, variables: Mapping[str, str] = os.environ) -> Faults:
        """Return the faults that the environment asks for. Raises ValueError."""
        log = variables.get(LOG_VARIABLE)
        return cls(parse_faults(variables.get(FAULTS_VARIABLE, "")), Path(log) if log else None)

    def reach(self, place: str) -> None:
        """Note a visit of `place`, and let happen what is due there."""
        due = self._due.get(place)
        if due is None:
            return
        visit = self.visits[place] = self.visits.get(place, 0) + 1
        fault = due.get(visit)
        if fault is not None:
            self._say(fault)
            _ACTIONS[fault.action](fault)

    def before(self, owner: Any, name: str, place: str) -> Wrapped:
        """Have each call of `owner.name` reach `place` before it begins. Undone by leaving the block, if it is one."""
        return self._wrap(owner, name, place, before=True)

    def after(self, owner: Any, name: str, place: str) -> Wrapped:
        """Have each call of `owner.name` that returns reach `place` when it has. Undone as `before`."""
        return self._wrap(owner, name, place, before=False)

    def _wrap(self, owner: Any, name: str, place: str, *, before: bool) -> Wrapped:
        original = getattr(owner, name)  # a place that is gone is an error, also in a process that is not armed
        if place not in self._due:
            return Wrapped(owner, name, None)
        wrapper = _around(original, functools.partial(self.reach, place), before=before)
        return Wrapped(owner, name, wrapper)

    def _say(self, fault: Fault) -> None:
        if self._log is not None:
            # A fault may strike in workflow code, where the guard is on.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self._log, flags, 0o644)  # holdfast: allow
            now = time.monotonic()  # holdfast: allow
            try:
                os.write(descriptor, f"{fault} {os.getpid()} {now}\n".encode())
            finally:
                os.close(descriptor)


class Wrapped:
    """A function in whose place a wrapper stands, until the block is left."""

    def __init__(self, owner: Any, name: str, wrapper: Callable[..., Any] | None) -> None:
        """Put `wrapper` in the place of `owner.name`; None leaves it alone."""
        self._owner = owner
        self._name = name
        self._wraps = wrapper is not None
        if wrapper is not None:
            self._original = inspect.getattr_static(owner, name)
            setattr(owner, name, wrapper)

    def __enter__(self) -> None:
        """Do nothing: it is in place already."""

    def __exit__(self, *_: object) -> None:
        """Put the function back."""
        if self._wraps:
            setattr(self._owner, self._name, self._original)


def _around(original: Callable[..., Any], reach: Callable[[], None], *, before: bool) -> Callable[..., Any]:
    @contextmanager
    def visiting() -> Iterator[None]:
        if before:
            reach()
        yield
        if not before:
            reach()

    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def wait(*args: Any, **kwargs: Any) -> Any:
            with visiting():
                return await original(*args, **kwargs)

        return wait

    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        with visiting():
            return original(*args, **kwargs)

    return call


def _kill(_: Fault) -> None:
    os.kill(os.getpid(), signal.SIGKILL)  # holdfast: allow


def _stop(_: Fault) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)  # holdfast: allow


def _exit(_: Fault) -> None:
    os._exit(EXIT_CODE)


def _fail(fault: Fault) -> None:
    raise FaultError(f"planted at {fault}")


_ACTIONS: Final[Mapping[str, Callable[[Fault], None]]] = {"kill": _kill, "stop": _stop, "exit": _exit, "fail": _fail}
