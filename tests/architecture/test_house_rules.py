"""What no committed file may hold: paths of one machine, unknown hosts, pickle, mocks, sleeping tests."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# With a gap, so that this file keeps its own rule.
MACHINE_PATH = re.compile("/wo@rk/|/ro@ot/".replace("@", ""))

# A URL in a committed file is a promise that the place exists and that we mean to send people or programs there. Add a
# host here when that is so. Package indexes stay out: where packages come from is the machine's business.
HOSTS = re.compile(
    r"localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0|testserver"
    r"|([\w-]+\.)*example(\.(com|org|net))?|([\w-]+\.)*(test|invalid)"  # reserved for examples and tests
    r"|json-schema\.org|www\.standardwebhooks\.com|www\.w3\.org|semver\.org|keepachangelog\.com|docs\.python\.org"
    r"|[{<$%].*"  # filled in at run time
)
URL = re.compile(r"https?://(?:[^\s/@\"'`<>()]*@)?(?P<host>\[[0-9a-f:]+\]|[{<$%]?[\w.{}-]*)")

PICKLE = {"cloudpickle", "dill", "marshal", "multiprocessing", "pickle", "shelve"}
MOCKS = {"mock", "unittest.mock", "pytest_mock"}
SLEEPS = {"time.sleep", "asyncio.sleep", "anyio.sleep", "trio.sleep"}


def committed_files() -> list[Path]:
    """Return the files that are committed or would be: tracked ones and new ones that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [file for each in listed.split("\0") if each and (file := ROOT / each).is_file()]


def foreign_text(text: str) -> list[str]:
    """Find paths of one machine and URLs of hosts nobody vouched for."""
    hosts = [each["host"] for each in URL.finditer(text)]
    unknown = [host for host in hosts if host and not HOSTS.fullmatch(re.sub(r":\d*$", "", host))]
    return MACHINE_PATH.findall(text) + unknown


def forbidden_imports(source: str, forbidden: set[str]) -> list[str]:
    """Find imports of `forbidden` modules, wherever in the source they stand."""
    if not any(each.rpartition(".")[2] in source for each in forbidden):
        return []  # hundreds of files, and parsing all of them takes most of the time of these tests
    imported = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                imported += [each.name for each in names]
            case ast.ImportFrom(module=str(module), level=0, names=names):
                imported += [module, *(f"{module}.{each.name}" for each in names)]
    return [each for each in imported if any(f"{each}.".startswith(f"{name}.") for name in forbidden)]


def sleeps(source: str) -> list[int]:
    """Find the lines on which a test waits for real time to pass.

    `asyncio.sleep(0)` is a turn of the loop. Inside workflow code, and on a line marked `# virtual time`, a sleep is a
    durable timer on a clock that the test moves. A line marked `# looks again` polls what another process does, between
    a condition and a deadline.
    """
    if "sleep" not in source:
        return []
    lines = source.splitlines()
    found = [node for node in _outside_workflows(ast.parse(source)) if isinstance(node, ast.Call) and _is_sleep(node)]
    excused = ("# virtual time", "# looks again")
    return [each.lineno for each in found if not any(mark in lines[each.lineno - 1] for mark in excused)]


def _outside_workflows(node: ast.AST) -> Iterator[ast.AST]:
    decorators = getattr(node, "decorator_list", ())
    if any("workflow" in ast.unparse(each) for each in decorators):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _outside_workflows(child)


def _is_sleep(call: ast.Call) -> bool:
    is_turn = bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
    name = ast.unparse(call.func)
    return name == "time.sleep" or (name in SLEEPS and not is_turn)


def test_no_machine_paths_and_no_unknown_hosts() -> None:
    """No file names a folder of the machine it was written on, or a host that nobody vouched for."""
    found = {}
    for file in committed_files():
        try:
            foreign = foreign_text(file.read_text(encoding="utf-8"))
        except UnicodeDecodeError:  # an image, a font
            continue
        if foreign:
            found[str(file.relative_to(ROOT))] = sorted(set(foreign))
    assert found == {}


def test_no_pickle_and_no_mocks() -> None:
    """No module imports anything that pickles, or a mock."""
    modules = [file for file in committed_files() if file.suffix == ".py"]
    assert len(modules) > 10
    found = {str(file): forbidden_imports(file.read_text(encoding="utf-8"), PICKLE | MOCKS) for file in modules}
    assert {file: names for file, names in found.items() if names} == {}


def test_tests_never_sleep() -> None:
    """No test waits for real time to pass. Programs that crash tests run and kill may: they are what is tested."""
    tests = [
        file
        for file in committed_files()
        if file.is_relative_to(ROOT / "tests")
        and file.suffix == ".py"
        and (file.parent.name not in {"chaos", "crash"} or file.name.startswith("test_"))
    ]
    assert len(tests) > 5
    found = {str(file): sleeps(file.read_text(encoding="utf-8")) for file in tests}
    assert {file: lines for file, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("/wo@rk/x", ["/wo@rk/"]),
        ("cd /ro@ot/x", ["/ro@ot/"]),
        ("see https@://index.invented-registry.io/simple", ["index.invented-registry.io"]),
        ("http@://user:word@@invented.io:80/", ["invented.io"]),
        ("http://127.0.0.1:8080/ http://[::1]:1/ http://localhost", []),
        ("https://api.example.com/x https://pay.test https://{host}:{port}/ http://$HOST/", []),
        ("network/ my-root/", []),
    ],
)
def test_foreign_text_is_caught(text: str, foreign: list[str]) -> None:
    """A machine path or an unknown host is found; an example is not mistaken for one."""

    def closed(gap: str) -> str:  # the gaps keep this file within its own rule
        return re.sub("@(@?)", r"\1", gap)

    assert foreign_text(closed(text)) == [closed(each) for each in foreign]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", ["pickle"]),
        (
            "def late():\n    from multiprocessing.pool import Pool",
            ["multiprocessing.pool", "multiprocessing.pool.Pool"],
        ),
        ("from unittest import mock", ["unittest.mock"]),
        ("import picklejar, unittest", []),
        ("from .pickle import jar", []),
    ],
)
def test_forbidden_import_is_caught(source: str, found: list[str]) -> None:
    """A forbidden import is found in each form, and a similar name is not."""
    assert forbidden_imports(source, PICKLE | MOCKS) == found


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import time\ntime.sleep(0)", [2]),
        ("async def test():\n    await asyncio.sleep(0.1)", [2]),
        ("async def test():\n    await anyio.sleep(delay)", [2]),
        ("async def test():\n    await asyncio.sleep(0)", []),
        ("async def test():\n    await asyncio.sleep(0, 'answer')", []),
        ("async def test():\n    await asyncio.sleep(5)  # virtual time", []),
        ("@workflow\nclass W:\n    async def run(self):\n        await asyncio.sleep(5)", []),
        ("@holdfast.workflow(name='w')\nasync def run():\n    await asyncio.sleep(5)", []),
    ],
)
def test_sleep_is_caught(source: str, lines: list[int]) -> None:
    """A sleep is found unless it is a turn of the loop, workflow code or marked as virtual time."""
    assert sleeps(source) == lines


def test_no_two_migrations_have_one_number() -> None:
    """Whoever adds one takes the next number, also when somebody else did so at the same time."""
    migrations = sorted((ROOT / "holdfast" / "stores" / "sqlite" / "migrations").glob("*.sql"))
    numbers = [int(each.name.partition("_")[0]) for each in migrations]
    assert numbers == list(range(1, len(numbers) + 1))
