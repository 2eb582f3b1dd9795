"""What workflow code may not do, as data: one table for the lint, the guard, the docs and their tests.

Owns: each forbidden call, why it is forbidden, what to write instead, and which net catches it.
Must not know: how any net works.

Three nets hang one behind the other, and none of them is whole:

- `lint` reads the source when a workflow is decorated. It sees a call that is written down in the workflow, whether
  or not it is ever reached.
- `guard` is on while workflow code runs. It sees what libraries do on the workflow's behalf, as far as Python lets a
  call be seen: types written in C (`datetime`) cannot be watched, and some system calls announce nothing.
- `loop` is the event loop that workflows run on: what it does not offer cannot be done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

Catcher: TypeAlias = Literal["lint", "guard", "loop"]
CATCHERS: Final[tuple[Catcher, ...]] = ("lint", "guard", "loop")
Severity: TypeAlias = Literal["error", "warning"]
"""`error`: certainly breaks a replay. `warning`: breaks it under some hash seed, on some machine, in some eviction."""


EXEMPTION: Final = re.compile(r"#\s*holdfast:\s*allow\b")
"""The comment that exempts the call on its line, from lint and guard alike. A reason may follow it."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a kind of call is forbidden, and what to write instead. Reads on from "...: " in a message."""

    topic: str
    why: str
    instead: str


@dataclass(frozen=True, slots=True)
class Forbidden:
    """One thing that workflow code may not do.

    `call` is the dotted name its module documents, or the words for a piece of syntax. With `harmless_arguments` or
    more arguments the call is a function of them alone, and allowed.
    """

    call: str
    reason: Reason
    caught_by: tuple[Catcher, ...]
    severity: Severity = "error"
    harmless_arguments: int | None = None

    @property
    def why(self) -> str:
        """Return why the call is forbidden."""
        return self.reason.why

    @property
    def instead(self) -> str:
        """Return what to write instead."""
        return self.reason.instead


# --- Reasons -----------------------------------------------------------------------------------------------------

CLOCK: Final = Reason("Clocks", "a replay reads another time", "`now()`, the time of the event being applied")
STOPWATCH: Final = Reason(
    "Stopwatches", "a replay measures another duration", "`now()`, or measure inside a task, where the work is"
)
PAUSE: Final = Reason(
    "Pauses", "it blocks every run of this process, and no replay knows of it", "`await asyncio.sleep(...)`, durable"
)
CHANCE: Final = Reason(
    "Randomness", "a replay draws other numbers", "`random()`, the run's own generator: `random().choice(...)`"
)
IDENTITY: Final = Reason(
    "Identifiers", "a replay makes another identifier", "`uuid4()` of holdfast, drawn from the run"
)
FILES: Final = Reason("Files", "the file may differ, or be gone, when a replay looks", "move it into a @task")
DATABASE: Final = Reason("Databases", "a replay would talk to the database again", "move it into a @task")
NETWORK: Final = Reason("Network", "a replay would talk to the network again", "move it into a @task")
PROCESS: Final = Reason("Processes", "a replay would start it again", "move it into a @task")
THREAD: Final = Reason(
    "Threads", "threads run in an order no replay can repeat", "asyncio tasks, or move it into a @task"
)
ESCAPE: Final = Reason(
    "Asyncio's ways out", "it leaves the workflow's event loop, and with it the history", "move it into a @task"
)
MACHINE: Final = Reason(
    "The machine",
    "a replay may run on another machine, after another deploy",
    "pass it in with the input, or read it in a `@task`, whose result is recorded",
)
KEYBOARD: Final = Reason(
    "The keyboard", "nobody sits in front of a replay", "`await wait_for_signal(...)`, or an @update"
)
ORDER: Final = Reason(
    "Order", "a set's order follows the hash seed of its process", "`sorted(...)`, or keep a list or a dict"
)
ADDRESS: Final = Reason(
    "Hashes and addresses", "it differs from process to process", "a key of your own, or hashlib for a digest"
)
SWALLOW: Final = Reason(
    "Swallowing",
    "it swallows what stops a workflow that is moved out of memory",
    "`except Exception`, or end the handler with `raise`",
)
SHARED: Final = Reason(
    "Shared state", "other runs write it too, and a replay finds it changed", "an attribute of the workflow"
)

# --- The table ---------------------------------------------------------------------------------------------------

LINT: Final[tuple[Catcher, ...]] = ("lint",)
LOOP: Final[tuple[Catcher, ...]] = ("loop",)
LINT_GUARD: Final[tuple[Catcher, ...]] = ("lint", "guard")
LINT_LOOP: Final[tuple[Catcher, ...]] = ("lint", "loop")

SET_ITERATION: Final = "iteration over a set"
BARE_EXCEPT: Final = "bare except"
EXCEPT_BASE: Final = "except BaseException"
LEAVING_FINALLY: Final = "return in finally"
GLOBAL: Final = "global"
RUN_IN_EXECUTOR: Final = "loop.run_in_executor"
ENVIRON: Final = "os.environ"


def _rows(
    reason: Reason,
    caught_by: tuple[Catcher, ...],
    calls: str | Iterable[str],
    *,
    severity: Severity = "error",
    harmless_arguments: int | None = None,
) -> Iterator[Forbidden]:
    for call in calls.split() if isinstance(calls, str) else calls:
        yield Forbidden(call, reason, caught_by, severity, harmless_arguments)


def _named(module: str, names: str) -> Iterator[str]:
    return (f"{module}.{name}" for name in names.split())


FORBIDDEN: Final[tuple[Forbidden, ...]] = (
    *_rows(CLOCK, LINT_GUARD, _named("time", "time time_ns clock_gettime clock_gettime_ns")),
    *_rows(CLOCK, LINT_GUARD, _named("time", "localtime gmtime ctime asctime"), harmless_arguments=1),
    *_rows(CLOCK, LINT_GUARD, "time.strftime", harmless_arguments=2),
    *_rows(CLOCK, LINT, _named("datetime.datetime", "now utcnow today")),
    *_rows(CLOCK, LINT, "datetime.date.today"),
    *_rows(STOPWATCH, LINT_GUARD, _named("time", "monotonic monotonic_ns perf_counter perf_counter_ns")),
    *_rows(STOPWATCH, LINT_GUARD, _named("time", "process_time process_time_ns thread_time thread_time_ns")),
    *_rows(PAUSE, LINT_GUARD, "time.sleep"),
    *_rows(
        CHANCE,
        LINT_GUARD,
        _named("random", "random randint randrange choice choices shuffle sample uniform getrandbits randbytes gauss"),
    ),
    *_rows(CHANCE, LINT_GUARD, _named("random", "triangular betavariate expovariate gammavariate lognormvariate")),
    *_rows(CHANCE, LINT_GUARD, _named("random", "normalvariate paretovariate vonmisesvariate weibullvariate")),
    *_rows(CHANCE, LINT_GUARD, "random.SystemRandom os.urandom os.getrandom"),
    *_rows(CHANCE, LINT_GUARD, _named("secrets", "choice randbelow randbits token_bytes token_hex token_urlsafe")),
    *_rows(CHANCE, LINT, "random.seed"),
    *_rows(CHANCE, LINT, "random.Random numpy.random.default_rng", harmless_arguments=1),
    *_rows(CHANCE, LINT, _named("numpy.random", "choice normal permutation rand randint randn random shuffle uniform")),
    *_rows(IDENTITY, LINT_GUARD, "uuid.uuid1 uuid.uuid4"),
    *_rows(FILES, LINT_GUARD, "open os.open io.FileIO codecs.open"),
    *_rows(
        FILES,
        LINT_GUARD,
        _named("pathlib.Path", "open read_text read_bytes write_text write_bytes touch mkdir rmdir unlink rename"),
    ),
    *_rows(FILES, LINT_GUARD, _named("pathlib.Path", "replace chmod symlink_to hardlink_to iterdir glob rglob")),
    *_rows(FILES, LINT_GUARD, _named("os", "listdir scandir walk mkdir makedirs rmdir remove unlink rename replace")),
    *_rows(FILES, LINT_GUARD, _named("os", "link symlink truncate chmod utime chdir")),
    *_rows(FILES, LINT_GUARD, _named("shutil", "copy copy2 copyfile copytree move rmtree")),
    *_rows(
        FILES, LINT_GUARD, _named("tempfile", "mkstemp mkdtemp TemporaryFile NamedTemporaryFile TemporaryDirectory")
    ),
    *_rows(FILES, LINT_GUARD, "glob.glob glob.iglob"),
    *_rows(FILES, LINT, _named("pathlib.Path", "exists is_file is_dir stat cwd home")),
    *_rows(FILES, LINT, _named("os", "stat access getcwd")),
    *_rows(FILES, LINT, _named("os.path", "exists isfile isdir getsize getmtime")),
    *_rows(DATABASE, LINT_GUARD, "sqlite3.connect"),
    *_rows(NETWORK, LINT_GUARD, _named("socket", "socket create_connection create_server getaddrinfo")),
    *_rows(NETWORK, LINT_GUARD, _named("socket", "gethostbyname gethostname")),
    *_rows(NETWORK, LINT_GUARD, "urllib.request.urlopen smtplib.SMTP ftplib.FTP"),
    *_rows(NETWORK, LINT_GUARD, _named("httpx", "get post put patch delete head options request stream")),
    *_rows(NETWORK, LINT, "socket.socketpair httpx.Client httpx.AsyncClient aiohttp.ClientSession aiohttp.request"),
    *_rows(NETWORK, LINT, "urllib3.PoolManager urllib3.request"),
    *_rows(NETWORK, LINT, _named("requests", "get post put patch delete head options request Session")),
    *_rows(PROCESS, LINT_GUARD, _named("subprocess", "run Popen call check_call check_output getoutput")),
    *_rows(PROCESS, LINT_GUARD, _named("os", "system popen fork execv execvp posix_spawn spawnv kill")),
    *_rows(PROCESS, LINT, "multiprocessing.Process multiprocessing.Pool concurrent.futures.ProcessPoolExecutor"),
    *_rows(THREAD, LINT_GUARD, "threading.Thread threading.Timer _thread.start_new_thread"),
    *_rows(THREAD, LINT_GUARD, "concurrent.futures.ThreadPoolExecutor"),
    *_rows(ESCAPE, LINT_LOOP, f"asyncio.to_thread {RUN_IN_EXECUTOR} asyncio.run"),
    *_rows(ESCAPE, LINT_LOOP, _named("asyncio", "open_connection start_server open_unix_connection start_unix_server")),
    *_rows(ESCAPE, LINT_LOOP, _named("asyncio", "create_subprocess_exec create_subprocess_shell")),
    *_rows(ESCAPE, LINT, "asyncio.new_event_loop"),
    *_rows(ESCAPE, LOOP, _named("loop", "create_connection create_server create_datagram_endpoint getaddrinfo")),
    *_rows(ESCAPE, LOOP, _named("loop", "add_reader add_writer sock_recv sock_sendall sock_connect sock_accept")),
    *_rows(ESCAPE, LOOP, _named("loop", "subprocess_exec subprocess_shell connect_read_pipe connect_write_pipe")),
    *_rows(ESCAPE, LOOP, _named("loop", "call_soon_threadsafe add_signal_handler run_forever run_until_complete")),
    *_rows(MACHINE, LINT_GUARD, "os.putenv os.unsetenv"),
    *_rows(MACHINE, LINT, f"{ENVIRON} os.getenv os.getpid os.cpu_count os.uname platform.node", severity="warning"),
    *_rows(KEYBOARD, LINT_GUARD, "input"),
    *_rows(ORDER, LINT, (SET_ITERATION, "set.pop"), severity="warning"),
    *_rows(ADDRESS, LINT, "hash id", severity="warning"),
    *_rows(SWALLOW, LINT, (BARE_EXCEPT, EXCEPT_BASE, LEAVING_FINALLY), severity="warning"),
    *_rows(SHARED, LINT, GLOBAL, severity="warning"),
)

BY_CALL: Final[Mapping[str, Forbidden]] = MappingProxyType({row.call: row for row in FORBIDDEN})

# --- What the interpreter announces ------------------------------------------------------------------------------

AUDIT_EVENTS: Final[Mapping[str, Reason]] = MappingProxyType(
    {
        **dict.fromkeys(("open", "os", "pathlib", "shutil", "tempfile", "glob", "mmap", "fcntl", "msvcrt"), FILES),
        **dict.fromkeys(("sqlite3",), DATABASE),
        **dict.fromkeys(("socket", "urllib", "http", "ftplib", "imaplib", "poplib", "smtplib", "nntplib"), NETWORK),
        **dict.fromkeys(("telnetlib", "syslog"), NETWORK),
        **dict.fromkeys(("subprocess", "pty", "webbrowser", "os.system", "os.exec", "os.fork", "os.forkpty"), PROCESS),
        **dict.fromkeys(("os.posix_spawn", "os.spawn", "os.startfile", "os.kill", "os.killpg", "signal"), PROCESS),
        "_thread": THREAD,
        **dict.fromkeys(("os.putenv", "os.unsetenv", "winreg"), MACHINE),
        "time": PAUSE,
        "builtins.input": KEYBOARD,
    }
)
"""Audit events (https://docs.python.org/3/library/audit_events.html) by name, else by their first part."""


@lru_cache(maxsize=256)  # asked for every audited thing that happens in a drain; there are some 200 events in all
def reason_of_event(event: str) -> Reason | None:
    """Return why the audit event `event` is forbidden while workflow code runs, or None when it is not."""
    return AUDIT_EVENTS.get(event) or AUDIT_EVENTS.get(event.partition(".")[0])


def is_exempt(line: str) -> bool:
    """Say whether a line of source carries the comment that exempts it."""
    return EXEMPTION.search(line) is not None


# --- For people --------------------------------------------------------------------------------------------------


def table_as_markdown() -> str:
    """Return the table as docs/determinism.md shows it: one line for rows that differ in nothing but the call."""
    lines = ["| call | lint | guard | loop | why | instead |", "|---|---|---|---|---|---|"]
    for (reason, caught_by, severity, harmless), rows in groupby(
        FORBIDDEN, key=lambda row: (row.reason, row.caught_by, row.severity, row.harmless_arguments)
    ):
        calls = ", ".join(f"`{row.call}`" for row in rows)
        if harmless is not None:
            calls += f" (with fewer than {harmless} argument{'s' if harmless > 1 else ''})"
        marks = [(severity if catcher == "lint" else "yes") if catcher in caught_by else "" for catcher in CATCHERS]
        lines.append(f"| {calls} | {' | '.join(marks)} | {reason.why} | {reason.instead} |")
    return "\n".join(lines) + "\n"
