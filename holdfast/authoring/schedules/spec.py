"""What a schedule is: which workflow, when, and what is done when something is in the way.

Owns: the form in which a schedule is stored and sent, and reading it from what people write.
Must not know: the code of workflows, stores.

Whoever writes one - code, `holdfast.toml`, the API, the command line - has it read by `read_spec`, which finds
everything that is wrong with it at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec

from holdfast.authoring.durations import Duration, read_duration
from holdfast.authoring.schedules.cron import Cron, moment_of
from holdfast.errors import DefinitionError

Overlap = Literal["skip", "buffer_one", "allow", "cancel_old"]
"""What happens to a due time while a run of the schedule is open.

`skip` lets it go; `buffer_one` starts one run when the open one has ended, however many were due; `allow` starts it
beside the other; `cancel_old` asks the open one to stop, and starts when it has.
"""
OVERLAPS: Final[tuple[str, ...]] = get_args(Overlap)

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""A schedule's name is part of paths and run ids."""
CATCH_UP_DEFAULT: Final = "1h"
CATCH_UP_SECONDS_MIN: Final = 10.0
"""Less than this could not be told from a busy machine's ordinary delay."""
TIMES_MAX: Final = 1_000
"""How many single times a schedule may name."""
CRONS_MAX: Final = 10
"""How many cron expressions a schedule may have: finding out that one names no time takes up to 0.1 s."""

Moment: TypeAlias = datetime | str
"""A time: aware, or in the schedule's time zone; as text in ISO 8601."""
Found = TypeVar("Found")


class ScheduleSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A schedule, without its name and input. Times are whole seconds since the epoch; durations are seconds."""

    workflow: str
    cron: tuple[str, ...] = ()
    every: int = 0
    anchor: int = 0
    at: tuple[int, ...] = ()
    timezone: str = "UTC"
    overlap: Overlap = "skip"
    catch_up: float = 3600.0
    jitter: float = 0.0
    pause_on_failure: bool = False
    start: int | None = None
    end: int | None = None
    timeout: float = 0.0
    """How long each run may take; 0 is for ever."""

    @property
    def timing(self) -> tuple[Any, ...]:
        """All that its due times depend on."""
        return self.cron, self.every, self.anchor, self.at, self.timezone, self.start, self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A schedule as people write it; one of `cron`, `every` and `at` says when."""

    workflow: str
    cron: str | Sequence[str] | None = None
    every: Duration | None = None
    anchor: Moment | None = None
    at: Moment | Sequence[Moment] | None = None
    timezone: str = "UTC"
    overlap: str = "skip"
    catch_up: Duration = CATCH_UP_DEFAULT
    jitter: Duration = 0
    pause_on_failure: bool = False
    start: Moment | None = None
    end: Moment | None = None
    timeout: Duration | None = None


class SpecProblems(Exception):  # noqa: N818 - several of them, caught by whoever knows whom to tell
    """What is wrong with a schedule, as (JSON pointer, words) pairs."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{pointer.removeprefix('/')}: {words}" for pointer, words in problems))
        self.problems = tuple(problems)


encode_spec: Final = msgspec.json.Encoder().encode
decode_spec: Final = msgspec.json.Decoder(ScheduleSpec).decode


def read_spec(name: str, wording: Wording) -> ScheduleSpec:
    """Return what somebody wrote as a schedule.

    Raises:
        SpecProblems: everything about it that cannot be.
    """
    return _Reader(wording).read(name)


class _Reader:
    """Reads one schedule, and collects what is wrong."""

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        self._problems: list[tuple[str, str]] = []
        self._zone = ZoneInfo("UTC")

    def read(self, name: str) -> ScheduleSpec:
        written = self._wording
        if not NAME.fullmatch(name):
            words = "expected 1 to 100 letters, digits, '.', '_' or '-', the first a letter or digit"
            self._problems.append(("/name", f"is {name!r}: {words}"))
        self._zone = self._try("/timezone", lambda: _read_zone(written.timezone), self._zone)
        given = [each for each in ("cron", "every", "at") if getattr(written, each) is not None]
        if len(given) != 1:
            has = f"it has {' and '.join(given)}" if given else "it has none"
            self._problems.append(("", f"expected one of cron, every and at to say when, {has}"))
        if written.anchor is not None and written.every is None:
            self._problems.append(("/anchor", "only means something together with every"))
        if written.overlap not in OVERLAPS:
            self._problems.append(("/overlap", f"is {written.overlap!r}: expected one of {', '.join(OVERLAPS)}"))
        catch_up = self._duration("/catch_up", written.catch_up)
        if catch_up < CATCH_UP_SECONDS_MIN:
            words = f"expected at least {CATCH_UP_SECONDS_MIN:g}s: so late a busy machine may be"
            self._problems.append(("/catch_up", words))
        start, end = self._moment("/start", written.start), self._moment("/end", written.end)
        if start is not None and end is not None and end < start:
            self._problems.append(("/end", "is before start"))
        spec = ScheduleSpec(
            written.workflow,
            self._crons(),
            self._every(),
            self._moment("/anchor", written.anchor) or 0,
            self._single_times(),
            written.timezone,
            written.overlap,  # type: ignore[arg-type]  # looked at above
            catch_up,
            self._duration("/jitter", written.jitter, zero=True),
            written.pause_on_failure,
            start,
            end,
            0.0 if written.timeout is None else self._duration("/timeout", written.timeout),
        )
        if self._problems:
            raise SpecProblems(self._problems)
        return spec

    def _crons(self) -> tuple[str, ...]:
        written = self._wording.cron
        crons = () if written is None else (written,) if isinstance(written, str) else tuple(written)
        if written is not None and not 0 < len(crons) <= CRONS_MAX:
            self._problems.append(("/cron", f"expected 1 to {CRONS_MAX} expressions"))
        for each in crons[:CRONS_MAX]:
            self._try("/cron", lambda each=each: Cron(each, self._zone), None)  # type: ignore[misc]  # bound by default
        return crons

    def _every(self) -> int:
        written = self._wording.every
        if written is None:
            return 0
        seconds = self._duration("/every", written)
        if seconds < 1 or not float(seconds).is_integer():
            self._problems.append(("/every", "expected whole seconds, at least one"))
        return int(seconds)

    def _single_times(self) -> tuple[int, ...]:
        written = self._wording.at
        given = () if written is None else (written,) if isinstance(written, str | datetime) else tuple(written)
        if written is not None and not 0 < len(given) <= TIMES_MAX:
            self._problems.append(("/at", f"expected 1 to {TIMES_MAX} times"))
        moments = [self._moment("/at", each) for each in given[:TIMES_MAX]]
        return tuple(sorted({each for each in moments if each is not None}))

    def _duration(self, pointer: str, written: Duration, *, zero: bool = False) -> float:
        return self._try(pointer, lambda: read_duration(written, "it", zero=zero), 3600.0)

    def _moment(self, pointer: str, written: Moment | None) -> int | None:
        return None if written is None else self._try(pointer, lambda: read_moment(written, self._zone), None)

    def _try(self, pointer: str, read: Callable[[], Found], otherwise: Found) -> Found:
        try:
            return read()
        except DefinitionError as error:
            self._problems.append((pointer, error.what))
        except (ValueError, OverflowError) as error:
            self._problems.append((pointer, str(error)))
        return otherwise


def _read_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        meant = get_close_matches(name, available_timezones(), 1)
        hint = f"did you mean {meant[0]!r}?" if meant else "write it such as Europe/Riga, or UTC"
        raise ValueError(f"there is no time zone {name!r}; {hint}") from None


def read_moment(written: Moment, zone: ZoneInfo) -> int:
    """Return the moment that somebody wrote: with an offset, or in local time of `zone`.

    Raises:
        ValueError: it is no time, or has a fraction of a second.
    """
    moment = datetime.fromisoformat(written) if isinstance(written, str) else written
    if moment.microsecond:
        raise ValueError(f"{moment.isoformat()} has a fraction of a second: expected whole seconds")
    if moment.tzinfo is None:
        return moment_of(moment, zone)
    return int(moment.timestamp())
