"""The determinism guard: what it catches on a thread in a drain, and that it is felt nowhere else."""

from __future__ import annotations

import asyncio
import copy
import gc
import linecache
import logging
import os
import random
import secrets
import signal
import sys
import tempfile
import textwrap
import threading
import time
import uuid
import warnings
import weakref
import zoneinfo
from collections.abc import Callable, Generator
from pathlib import Path
from random import randint
from time import monotonic
from types import CodeType
from typing import Any

import httpx
import pytest

from holdfast.authoring.culprit import Origin, origin_of_file
from holdfast.authoring.forbidden import BY_CALL, FORBIDDEN
from holdfast.authoring.guard import DeterminismGuard, _draining, install, uninstall
from holdfast.errors import NondeterminismError

GUARDED = [row.call for row in FORBIDDEN if "guard" in row.caught_by]

NOWHERE = "'http://127.0.0.1:9'"
ARGUMENTS = {
    "time.clock_gettime": "time.CLOCK_MONOTONIC",
    "time.clock_gettime_ns": "time.CLOCK_MONOTONIC",
    "time.strftime": "'%Y'",
    "time.sleep": "0",
    "random.randint": "1, 2",
    "random.randrange": "9",
    "random.choice": "[1, 2]",
    "random.choices": "[1, 2]",
    "random.shuffle": "[1, 2]",
    "random.sample": "[1, 2], 1",
    "random.uniform": "1, 2",
    "random.getrandbits": "8",
    "random.randbytes": "8",
    "random.betavariate": "1, 1",
    "random.expovariate": "1",
    "random.gammavariate": "1, 1",
    "random.lognormvariate": "1, 1",
    "random.normalvariate": "1, 1",
    "random.paretovariate": "1",
    "random.vonmisesvariate": "1, 1",
    "random.weibullvariate": "1, 1",
    "os.urandom": "1",
    "os.getrandom": "1",
    "secrets.choice": "[1, 2]",
    "secrets.randbelow": "9",
    "secrets.randbits": "9",
    "open": "'missing'",
    "os.open": "'missing', 0",
    "io.FileIO": "'missing'",
    "codecs.open": "'missing', encoding='utf-8'",
    "os.mkdir": "'made'",
    "os.makedirs": "'made/deep'",
    "os.rename": "'missing', 'new'",
    "os.replace": "'missing', 'new'",
    "os.link": "'missing', 'new'",
    "os.symlink": "'missing', 'new'",
    "os.truncate": "'missing', 0",
    "os.chmod": "'missing', 0",
    "os.chdir": "'.'",
    "os.posix_spawn": "'missing', ['x'], {}",
    "os.execv": "'missing', ['x']",
    "os.execvp": "'missing', ['x']",
    "os.spawnv": "os.P_WAIT, 'missing', ['x']",
    "os.kill": "os.getpid(), 0",
    "os.system": "'true'",
    "os.putenv": "'HOLDFAST_TEST', 'x'",
    "os.unsetenv": "'HOLDFAST_TEST'",
    "glob.glob": "'missing*'",
    "glob.iglob": "'missing*'",
    "shutil.rmtree": "'missing'",
    "socket.create_connection": "('127.0.0.1', 9)",
    "socket.getaddrinfo": "'127.0.0.1', 9",
    "socket.gethostbyname": "'127.0.0.1'",
    "urllib.request.urlopen": NOWHERE,
    "smtplib.SMTP": "'127.0.0.1', 9",
    "ftplib.FTP": "'127.0.0.1', timeout=1",
    "httpx.request": f"'GET', {NOWHERE}",
    "subprocess.getoutput": "'true'",
    "_thread.start_new_thread": "int, ()",
}
STATEMENTS = {
    "random.SystemRandom": "random.SystemRandom().random()",
    "os.walk": "list(os.walk('missing'))",
    "os.popen": "os.popen('true').close()",
    "os.fork": "child = os.fork()\nif not child: os._exit(0)\nos.waitpid(child, 0)",
    "tempfile.mkstemp": "os.close(tempfile.mkstemp()[0])",
    "tempfile.TemporaryFile": "tempfile.TemporaryFile().close()",
    "tempfile.NamedTemporaryFile": "tempfile.NamedTemporaryFile().close()",
    "tempfile.TemporaryDirectory": "tempfile.TemporaryDirectory().cleanup()",
    "sqlite3.connect": "sqlite3.connect(':memory:').close()",
    "socket.socket": "socket.socket().close()",
    "socket.create_server": "socket.create_server(('127.0.0.1', 0)).close()",
    "httpx.stream": f"with httpx.stream('GET', {NOWHERE}): pass",
    "subprocess.Popen": "subprocess.Popen(['true']).wait()",
    "threading.Thread": "thread = threading.Thread(target=int)\nthread.start()\nthread.join()",
    "threading.Timer": "timer = threading.Timer(0, int)\ntimer.start()\ntimer.join()",
    "concurrent.futures.ThreadPoolExecutor": "with concurrent.futures.ThreadPoolExecutor() as pool: pool.submit(int)",
}
ARGUMENTS_BY_MODULE = {"os": "'missing'", "shutil": "'missing', 'new'", "httpx": NOWHERE, "subprocess": "['true']"}
PATH_ARGUMENTS = {
    "write_text": "'x'",
    "write_bytes": "b'x'",
    "rename": "'new'",
    "replace": "'new'",
    "chmod": "0",
    "symlink_to": "'new'",
    "hardlink_to": "'new'",
    "glob": "'*'",
    "rglob": "'*'",
}
FAILURES_OF_THE_CALL = (type(None), OSError, EOFError, httpx.HTTPError)
"""How a call may end that was not interfered with: most are given a file or a server that is not there."""
NOT_HERE = {call for call in GUARDED if call.startswith("os.") and not hasattr(os, call.removeprefix("os."))}


def statement_of(call: str) -> str:
    """Return a program of a line or three that makes `call`, and whose effects stay in the working directory."""
    owner, _, name = call.rpartition(".")
    if call in STATEMENTS:
        return STATEMENTS[call]
    if owner == "pathlib.Path":
        name_and_path = f"pathlib.Path('{name}').{name}({PATH_ARGUMENTS.get(name, '')})"
        return f"list({name_and_path})" if name in {"iterdir", "glob", "rglob"} else name_and_path
    return f"{call}({ARGUMENTS.get(call, ARGUMENTS_BY_MODULE.get(owner, ''))})"


def compiled(source: str, file: str = "<workflow>") -> Callable[[], Any]:
    """Return what runs `source` as if a user had written it in `file`, with what it imports imported before."""
    names: dict[str, Any] = {"__name__": "automations"}
    for row in FORBIDDEN:
        owner = row.call.rpartition(".")[0].removesuffix(".Path")
        if f"{owner}." in source and owner not in {"", "loop", "set", "datetime.datetime", "datetime.date"}:
            exec(f"import {owner}", names)
    exec("import os", names)
    code: CodeType = compile(source, file, "exec")
    return lambda: exec(code, names)


@pytest.fixture
def guard() -> Generator[DeterminismGuard]:
    """Hand out a guard, and take the fences down afterwards."""
    yield DeterminismGuard()
    uninstall()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of the test's own, temporary files included."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def in_drain(guard: DeterminismGuard, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what `function` returns in a drain of this thread."""
    guard.enter()
    try:
        return function(*arguments)
    finally:
        guard.leave()


def outcome_elsewhere(guard: DeterminismGuard, function: Callable[[], Any]) -> BaseException | None:
    """Run `function` on another thread while this one is in a drain; return what it raised."""
    begin = threading.Event()
    raised: list[BaseException] = []

    def run() -> None:
        begin.wait()
        try:
            function()
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is the answer
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    in_drain(guard, lambda: (begin.set(), thread.join()))
    return raised[0] if raised else None


# --- The table ---------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("call", GUARDED)
def test_a_guarded_call_raises_in_a_drain_and_nowhere_else(call: str, guard: DeterminismGuard, folder: Path) -> None:
    """Every row of the table that names the guard is caught on the thread in a drain, and on no other meanwhile."""
    if call in NOT_HERE:
        pytest.skip(f"{call} does not exist on this platform")
    program = compiled(statement_of(call))
    with pytest.raises(NondeterminismError) as caught:
        in_drain(guard, program)
    assert caught.value.where in {"<workflow>:1, in <module>", "<workflow>:2, in <module>"}
    assert caught.value.instead in {row.instead for row in FORBIDDEN}
    assert isinstance(outcome_elsewhere(guard, program), FAILURES_OF_THE_CALL)


@pytest.mark.parametrize(
    "call", ["time.time", "uuid.uuid4", "secrets.token_hex", "random.randint", "pathlib.Path.read_text", "httpx.get"]
)
def test_the_error_names_what_the_user_called_not_what_that_called(
    call: str, guard: DeterminismGuard, folder: Path
) -> None:
    """`uuid4` is reported as `uuid4`, although it is `os.urandom` that is caught."""
    with pytest.raises(NondeterminismError) as caught:
        in_drain(guard, compiled(statement_of(call)))
    assert (caught.value.call, caught.value.instead) == (call, BY_CALL[call].instead)


def test_an_unlisted_function_is_named_with_what_it_does(guard: DeterminismGuard, folder: Path) -> None:
    """A library that reads the clock is named, and so is the clock."""
    with pytest.raises(NondeterminismError, match=r"email\.utils\.formatdate, which calls time\.time"):
        in_drain(guard, compiled("import email.utils\nemail.utils.formatdate()"))


@pytest.mark.parametrize(
    "call", ["time.localtime(0)", "time.gmtime(0)", "time.ctime(0)", "time.strftime('%Y', time.gmtime(0))"]
)
def test_a_clock_function_that_is_given_the_time_is_allowed(call: str, guard: DeterminismGuard) -> None:
    """What only formats a given time is as good as arithmetic."""
    in_drain(guard, compiled(call))


def test_a_seeded_generator_is_allowed(guard: DeterminismGuard) -> None:
    """A generator with a seed of its own repeats itself, whatever the hidden one of `random` does."""
    assert in_drain(guard, lambda: random.Random(7).random()) == random.Random(7).random()


# --- Where it is on ----------------------------------------------------------------------------------------------


def test_drains_nest(guard: DeterminismGuard) -> None:
    """An inner drain's end leaves the outer one guarded; the outer one's end leaves nothing."""
    guard.enter()
    in_drain(guard, int)
    with pytest.raises(NondeterminismError):
        time.time()
    guard.leave()
    assert time.time() > 0


def test_instances_are_one(guard: DeterminismGuard) -> None:
    """Two guards of a process know of each other's drains."""
    guard.enter()
    with pytest.raises(NondeterminismError):
        in_drain(DeterminismGuard(), time.time)
    with pytest.raises(NondeterminismError):
        time.time()
    guard.leave()


def test_leaving_what_was_not_entered_is_an_error(guard: DeterminismGuard) -> None:
    """A lost `enter` is told at its `leave`, and does not switch off somebody else's."""
    with pytest.raises(RuntimeError, match="without enter"):
        guard.leave()
    with pytest.raises(NondeterminismError):
        in_drain(guard, compiled("time.time()"))


def test_a_caught_call_leaves_the_drain_as_it_was(guard: DeterminismGuard) -> None:
    """Whoever swallows the error is caught again at the next call."""
    guard.enter()
    for _ in range(3):
        with pytest.raises(NondeterminismError):
            time.time()
    guard.leave()
    guard.enter()
    guard.leave()


def test_many_threads_drain_at_once(guard: DeterminismGuard) -> None:
    """Threads that enter and leave all the time are caught inside, and neither they nor others are caught outside."""
    rounds = 300
    begin = threading.Barrier(8)
    missed: list[str] = []

    def drain() -> None:
        begin.wait()
        for _ in range(rounds):
            time.time()
            guard.enter()
            try:
                random.random()
                missed.append("random.random passed in a drain")
            except NondeterminismError:
                pass
            guard.leave()

    def stay_outside() -> None:
        begin.wait()
        for _ in range(rounds):
            uuid.uuid4()
            secrets.token_hex()
            time.monotonic()

    def run(body: Callable[[], None]) -> None:
        try:
            body()
        except BaseException as error:  # noqa: BLE001  # a thread's end is told to the test
            missed.append(repr(error))

    threads = [threading.Thread(target=run, args=(body,)) for body in (drain, stay_outside) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missed == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_is_in_no_drain(guard: DeterminismGuard) -> None:
    """A child does not inherit the drains of threads it does not have."""
    status: list[int] = []

    def fork() -> None:
        child = os.fork()
        if not child:
            os._exit(len(_draining))
        status.append(os.waitpid(child, 0)[1])

    assert outcome_elsewhere(guard, fork) is None
    assert status == [0]


# --- Who may -----------------------------------------------------------------------------------------------------


def test_logging_may_read_the_clock_and_write_its_file(guard: DeterminismGuard, folder: Path) -> None:
    """A workflow may log, also to a file that is opened for the first line."""
    handler = logging.FileHandler(folder / "log", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.Logger("workflow")  # noqa: LOG001  # leaves nothing behind
    logger.addHandler(handler)
    in_drain(guard, logger.warning, "said")
    handler.close()
    assert (folder / "log").read_text().endswith("said\n")


def test_a_users_log_handler_may_too(guard: DeterminismGuard) -> None:
    """What logging calls belongs to logging."""
    seen: list[float] = []

    class Handler(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            seen.append(time.time())

    logger = logging.Logger("workflow")  # noqa: LOG001  # leaves nothing behind
    logger.addHandler(Handler())
    in_drain(guard, logger.warning, "said")
    assert len(seen) == 1


def test_an_import_may_read_files_and_run_module_code(
    guard: DeterminismGuard, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A late import works, clock reads of the imported module included."""
    (folder / "late_module.py").write_text("import time\nREAD = time.time()\n")
    monkeypatch.syspath_prepend(folder)
    in_drain(guard, compiled("import late_module\nassert late_module.READ"))
    sys.modules.pop("late_module")


def test_warnings_and_tracebacks_may_read_source(guard: DeterminismGuard, folder: Path) -> None:
    """Whoever shows a line of source has to open its file."""
    source = "import traceback\nSHOWN = traceback.format_stack()\nassert 'SHOWN = ' in SHOWN[-1]\n"
    (folder / "automations.py").write_text(source)
    linecache.clearcache()
    in_drain(guard, compiled(source, "automations.py"))
    linecache.clearcache()
    assert in_drain(guard, linecache.getline, "automations.py", 1) == "import traceback\n"
    linecache.clearcache()
    shown = in_drain(guard, warnings.formatwarning, "odd", UserWarning, "automations.py", 1)
    assert "import traceback" in shown


def test_a_time_zone_may_be_looked_up(guard: DeterminismGuard) -> None:
    """Converting a time needs the zone's rules, which stand in a file."""
    zoneinfo.ZoneInfo.clear_cache()
    assert str(in_drain(guard, zoneinfo.ZoneInfo, "Europe/Berlin")) == "Europe/Berlin"


def test_a_finalizer_that_happens_to_run_may_clean_up(guard: DeterminismGuard, folder: Path) -> None:
    """An object that dies during a drain is not the workflow's doing, wherever it came from."""

    class Finalized:
        def __del__(self) -> None:
            (folder / "removed by del").unlink()

    class Watched:
        pass

    (folder / "removed by del").touch()
    (folder / "removed by finalize").touch()
    finalized, watched = [Finalized()], [Watched()]
    weakref.finalize(watched[0], os.unlink, folder / "removed by finalize")
    in_drain(guard, lambda: (finalized.clear(), watched.clear()))
    assert list(folder.iterdir()) == []


def test_what_interrupts_a_workflow_may_do_as_it_likes(guard: DeterminismGuard) -> None:
    """A signal handler and a callback of the collector run in a drain only because it was there."""
    seen: list[str] = []

    def collected(phase: str, _: dict[str, int]) -> None:
        seen.append(f"{phase} at {time.time()}")

    def signalled(number: int, _: object) -> None:
        seen.append(f"{number} at {time.time()}")

    before = signal.signal(signal.SIGUSR1, signalled)
    gc.callbacks.append(collected)
    try:
        in_drain(guard, signal.raise_signal, signal.SIGUSR1)
        in_drain(guard, gc.collect)
    finally:
        gc.callbacks.remove(collected)
        signal.signal(signal.SIGUSR1, before)
    assert {each.partition(" ")[0] for each in seen} == {str(int(signal.SIGUSR1)), "start", "stop"}


def test_the_runtime_may_call_what_it_likes(guard: DeterminismGuard) -> None:
    """Holdfast's own modules are not workflow code."""
    names = {"__name__": "holdfast.engine.imagined", "time": time}
    exec("def read(): return time.time()", names)
    assert in_drain(guard, names["read"]) > 0


def test_what_the_runtime_calls_on_the_users_behalf_is_the_users(guard: DeterminismGuard) -> None:
    """A function that a workflow hands to Holdfast is still workflow code."""
    names = {"__name__": "holdfast.authoring.imagined"}
    exec("def call(function): return function()", names)
    with pytest.raises(NondeterminismError):
        in_drain(guard, names["call"], lambda: time.time())  # noqa: PLW0108  # the line to be named is this one


def test_a_workflow_that_was_installed_is_guarded_too(guard: DeterminismGuard) -> None:
    """A deployed package lies among the libraries, and is still named."""
    file = "/srv/venv/lib/python3.11/site-packages/automations.py"
    names = {"__name__": "holdfast.engine.imagined", "program": compile("time.time()", file, "exec")}
    exec("import time\ndef drive(): exec(program, {'__name__': 'automations', 'time': time})", names)
    with pytest.raises(NondeterminismError) as caught:
        in_drain(guard, names["drive"])
    assert origin_of_file(file) is Origin.LIBRARY
    assert caught.value.where == f"{file}:1, in <module>"


def test_asyncio_may_read_the_clock(guard: DeterminismGuard) -> None:
    """An event loop asks for the time without telling anybody."""

    async def sleep() -> str:
        await asyncio.sleep(0)
        return "slept"

    loop = asyncio.new_event_loop()
    try:
        assert in_drain(guard, loop.time) > 0
        assert in_drain(guard, loop.run_until_complete, sleep()) == "slept"
    finally:
        loop.close()


def test_a_line_may_be_exempted(guard: DeterminismGuard, folder: Path) -> None:
    """The comment that silences the lint silences the guard, for its own line only."""
    source = "time.time()  # holdfast: allow for a progress bar\n" + "time.time()\n"
    (folder / "automations.py").write_text(source)
    linecache.clearcache()
    with pytest.raises(NondeterminismError) as caught:
        in_drain(guard, compiled(source, "automations.py"))
    assert caught.value.where == "automations.py:2, in <module>"


# --- Fences are good citizens ------------------------------------------------------------------------------------


def test_names_taken_before_the_fences_stood_are_rebound(guard: DeterminismGuard) -> None:
    """`from time import monotonic` at the top of the user's module is caught as well, and given back."""
    with pytest.raises(NondeterminismError):
        in_drain(guard, lambda: monotonic())  # noqa: PLW0108  # the global is looked up in the drain
    with pytest.raises(NondeterminismError):
        in_drain(guard, lambda: randint(1, 2))
    uninstall()
    assert monotonic is time.monotonic
    assert type(monotonic) is type(len)


def test_a_fence_is_no_method_of_the_class_that_holds_it(guard: DeterminismGuard) -> None:
    """`read = time.monotonic` in a class body goes on to work."""
    install()

    class Watch:
        read = time.monotonic

    assert Watch().read() > 0


def test_a_fence_can_be_copied(guard: DeterminismGuard) -> None:
    """A copy of a fence is the fence, and by reference it is found where the original is."""
    install()
    assert copy.deepcopy({"clock": time.time})["clock"] is not None
    assert copy.deepcopy([time.time])[0]() > 0
    rebuild, arguments = time.time.__self__.__reduce__()
    assert (rebuild(*arguments), time.time.__name__) == (time, "time")


def test_what_somebody_else_replaced_meanwhile_is_left_alone(
    guard: DeterminismGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test library's frozen clock survives drains and the fences' end."""
    install()

    def frozen() -> float:
        return 0.0

    monkeypatch.setattr(time, "time", frozen)
    in_drain(guard, int)
    uninstall()
    assert time.time is frozen
    monkeypatch.undo()
    uninstall()
    time.time = getattr(time.time, "__wrapped__", time.time)  # the fence that was saved and put back


def test_taking_the_fences_down_leaves_python_as_it_was(guard: DeterminismGuard) -> None:
    """Every function is the original again, and the hidden generator has no attributes of ours."""

    def look() -> tuple[Any, ...]:
        hidden = vars(random._inst).keys() - {"gauss_next"}
        return time.time, time.sleep, os.urandom, random.random, random.gauss, random._urandom, hidden

    before = look()
    install()
    assert not any(now is then for now, then in zip(look(), before, strict=True))
    uninstall()
    assert look() == before
    assert secrets.token_hex(4)


def test_fences_go_up_again(guard: DeterminismGuard) -> None:
    """After they were taken down, the next drain is guarded as the first one was."""
    for _ in range(3):
        with pytest.raises(NondeterminismError):
            in_drain(guard, compiled("time.time()"))
        with pytest.raises(NondeterminismError):
            in_drain(guard, compiled("open('missing')"))
        uninstall()


def test_the_message_says_what_to_do(guard: DeterminismGuard) -> None:
    """What, where, why and what to do, in that order."""
    with pytest.raises(NondeterminismError) as caught:
        in_drain(guard, compiled("def run():\n    return time.time()\nrun()"))
    assert str(caught.value) == textwrap.dedent(
        """\
        [HF201] workflow code called time.time  (<workflow>:2, in run)
        A replay would get another answer, so the run could not be recovered.
        Instead: `now()`, the time of the event being applied"""
    )
