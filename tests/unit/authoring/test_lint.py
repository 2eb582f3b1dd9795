"""The determinism lint: what it finds in source, and what it leaves in peace."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from holdfast.authoring import lint
from holdfast.authoring.forbidden import (
    BARE_EXCEPT,
    ENVIRON,
    EXCEPT_BASE,
    FORBIDDEN,
    GLOBAL,
    LEAVING_FINALLY,
    RUN_IN_EXECUTOR,
    SET_ITERATION,
    Forbidden,
)
from holdfast.authoring.guard import install, uninstall
from holdfast.authoring.lint import Finding, lint_class, lint_function, lint_module, raise_for
from holdfast.errors import DefinitionError, HoldfastWarning

LINTED = [row for row in FORBIDDEN if "lint" in row.caught_by]
SYNTAX = {
    SET_ITERATION: "for _ in {'a', 'b'}: pass",
    "set.pop": "{'a', 'b'}.pop()",
    BARE_EXCEPT: "try: int()\n    except: pass",
    EXCEPT_BASE: "try: int()\n    except BaseException: pass",
    LEAVING_FINALLY: "try: int()\n    finally: return",
    GLOBAL: "global COUNT\n    COUNT = 1",
    RUN_IN_EXECUTOR: "asyncio.get_running_loop().run_in_executor(None, int)",
    ENVIRON: "os.environ['HOME']",
}


def body_of(row: Forbidden) -> str:
    """Return a statement or two that the row forbids."""
    if row.call in SYNTAX:
        return SYNTAX[row.call]
    *_, kind, name = ("", *row.call.split("."))
    return f"pathlib.Path('x').{name}()" if kind == "Path" else f"{row.call}()"


def module_of(row: Forbidden) -> str:
    """Return the module that the row's call belongs to, or ''."""
    parts = [part for part in row.call.split(".")[:-1] if part.islower() and part not in {"loop", "set"}]
    if parts[:1] == ["datetime"]:
        parts = parts[:1]
    return "asyncio" if row.call == RUN_IN_EXECUTOR else ".".join(parts)


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[[str], ModuleType]]:
    """Hand out what imports a module from source, and forget the modules afterwards."""
    names: list[str] = []

    def load(source: str) -> ModuleType:
        name = f"automations_{len(names)}"
        file = tmp_path / f"{name}.py"
        file.write_text(textwrap.dedent(source))
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        names.append(name)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in names:
        del sys.modules[name]


@pytest.fixture
def find(load: Callable[[str], ModuleType]) -> Callable[[str], list[str]]:
    """Hand out what lints `workflow` in a module and returns what it found as `line: call`.

    The lint runs without the net that keeps it from raising.
    """

    def find(source: str) -> list[str]:
        workflow = load(source).workflow
        found = (
            lint._findings_in_class(workflow) if isinstance(workflow, type) else lint._findings_in_function(workflow)
        )
        return [f"{each.line}: {each.call}" for each in found]

    return find


# --- The table ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", LINTED, ids=lambda row: row.call)
def test_every_linted_call_is_found(row: Forbidden, find: Callable[[str], list[str]]) -> None:
    """Every row of the table that names the lint is found, its module imported inside the workflow."""
    imported = f"import {module_of(row)}" if module_of(row) else "pass"
    assert [each.partition(": ")[2] for each in find(f"def workflow():\n    {imported}\n    {body_of(row)}\n")] == [
        row.call
    ]


def is_importable(row: Forbidden) -> bool:
    """Say whether the row's call is there to be imported on this machine."""
    module = module_of(row)
    if not module or row.call == RUN_IN_EXECUTOR or importlib.util.find_spec(module.partition(".")[0]) is None:
        return False
    return hasattr(importlib.import_module(module), row.call.removeprefix(module + ".").partition(".")[0])


@pytest.mark.parametrize("row", [*filter(is_importable, LINTED)], ids=lambda row: row.call)
def test_every_linted_call_is_found_under_another_name(row: Forbidden, find: Callable[[str], list[str]]) -> None:
    """What a row names is known by what it is, whatever the user's module calls it."""
    module = module_of(row)
    first = row.call.removeprefix(module + ".").partition(".")[0]
    statement = body_of(row).replace(f"{module}.{first}", "renamed")
    assert find(f"from {module} import {first} as renamed\n\ndef workflow():\n    {statement}\n") == [f"4: {row.call}"]


@pytest.mark.parametrize("row", [row for row in LINTED if row.harmless_arguments], ids=lambda row: row.call)
def test_a_call_with_its_arguments_is_left_in_peace(row: Forbidden, find: Callable[[str], list[str]]) -> None:
    """What is a function of its arguments is not found when it has them."""
    arguments = ", ".join(["0"] * (row.harmless_arguments or 0))
    source = f"def workflow():\n    import {module_of(row)}\n    {row.call}({arguments})\n"
    assert find(source) == []


def test_a_finding_has_what_the_table_says(load: Callable[[str], ModuleType]) -> None:
    """File, line, column, call, why, instead and severity all arrive."""
    module = load("import time\n\ndef workflow():\n    return time.time()\n")
    (row,) = (row for row in FORBIDDEN if row.call == "time.time")
    assert lint_function(module.workflow) == [
        Finding(str(module.__file__), 4, 11, "time.time", row.why, row.instead, "error")
    ]


# --- What is read ------------------------------------------------------------------------------------------------


def test_every_method_of_a_class_is_read(find: Callable[[str], list[str]]) -> None:
    """Constructor, run, handlers, properties and validators alike; what the class inherits too."""
    source = """\
        import time

        class Above:
            async def inherited(self):
                time.time()

        class workflow(Above):
            def __init__(self):
                time.time()

            async def run(self):
                time.time()

            @property
            def late(self):
                return time.time()

            @staticmethod
            def fixed():
                time.time()
        """
    assert find(source) == [f"{line}: time.time" for line in (9, 12, 16, 20, 5)]


def test_a_class_in_a_function_is_read_with_its_closure(load: Callable[[str], ModuleType]) -> None:
    """Names of an enclosing function are known, and the right one of two classes with one name is read."""
    module = load(
        """\
        def make():
            import time as clock

            class Workflow:
                async def run(self):
                    return clock.time()

            return Workflow

        def make_other():
            class Workflow:
                async def run(self):
                    return 1

            return Workflow
        """
    )
    assert [each.line for each in lint_class(module.make())] == [6]
    assert lint_class(module.make_other()) == []


def test_what_is_nested_is_read(find: Callable[[str], list[str]]) -> None:
    """Inner functions, lambdas, comprehensions, defaults and every kind of block."""
    source = """\
        from time import time

        async def workflow(items):
            def inner(at=time()):
                return time()
            late = lambda: time()
            read = [time() for _ in items if time()]
            async with items as held:
                while time():
                    match held:
                        case 1 if time():
                            return {time(): f"{time()}"}
            try:
                pass
            except* ValueError:
                time()
        """
    assert find(source) == [f"{line}: time.time" for line in (4, 5, 6, 7, 7, 9, 11, 12, 12, 16)]


def test_a_helper_that_is_called_is_read_one_level_deep(find: Callable[[str], list[str]]) -> None:
    """A function of the same module is read when the workflow calls it; what that one calls is not."""
    source = """\
        import time

        def deeper():
            time.sleep(1)

        def helper():
            deeper()
            return time.time()

        def never_called():
            time.time()

        def workflow():
            helper()
            helper()
        """
    assert find(source) == ["8: time.time"]


def test_a_task_is_not_followed(find: Callable[[str], list[str]]) -> None:
    """What a workflow calls may do as it likes when it is no plain function."""
    source = """\
        import time

        class Task:
            def __init__(self, function): self.function = function
            def __call__(self): ...

        @Task
        def work():
            time.time()

        async def workflow():
            await work()
        """
    assert find(source) == []


def test_a_decorated_function_is_read_where_it_was_written(find: Callable[[str], list[str]]) -> None:
    """Decorators that keep `__wrapped__` hide nothing."""
    source = """\
        import functools, time

        def decorate(function):
            @functools.wraps(function)
            def wrapper(*args): return function(*args)
            return wrapper

        @decorate
        @decorate
        def workflow():
            time.time()
        """
    assert find(source) == ["11: time.time"]


def test_the_right_lambda_of_a_line_is_read(load: Callable[[str], ModuleType]) -> None:
    """Two lambdas on one line are told apart, nested ones too."""
    module = load("import time\nfirst, second = (lambda: 1), (lambda: (lambda: time.time()))\nthird = second()\n")
    assert lint_function(module.first) == []
    assert [each.column for each in lint_function(module.second)] == [47]
    assert [each.column for each in lint_function(module.third)] == [47]


def test_paths_are_followed_through_names_and_slashes(find: Callable[[str], list[str]]) -> None:
    """A path is known when it is built, annotated, or assigned once."""
    source = """\
        from pathlib import Path

        def workflow(given: Path, quoted: "Path"):
            (Path("a") / "b").read_text()
            built = Path("a") / "b"
            built.exists()
            given.unlink()
            quoted.touch()
            given.name
            given.with_suffix(".txt")
        """
    assert [each.partition("Path.")[2] for each in find(source)] == ["read_text", "exists", "unlink", "touch"]


def test_a_subclass_is_known_by_what_it_inherits(find: Callable[[str], list[str]]) -> None:
    """`now` of a user's own datetime class reads the same clock, unless the class says otherwise."""
    source = """\
        from datetime import datetime

        class Moment(datetime):
            pass

        class Fixed(datetime):
            @classmethod
            def now(cls): return cls(2020, 1, 1)

        def workflow():
            Moment.now()
            Fixed.now()
        """
    assert find(source) == ["11: datetime.datetime.now"]


def test_calls_are_known_while_the_guard_stands(load: Callable[[str], ModuleType]) -> None:
    """The guard's fences are recognised as what they stand in for, and originals taken before still are."""
    source = """\
        def make():
            from time import time as before

            def workflow():
                return before()

            return workflow
        """
    workflow = load(source).make()
    install()
    try:
        after = load(source).make()
        assert [each.line for each in lint_function(workflow)] == [5]
        assert [each.line for each in lint_function(after)] == [5]
    finally:
        uninstall()


# --- Order, exceptions, exemptions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "for _ in set(given): pass",
        "for _ in frozenset(given): pass",
        "[each for each in {*given}]",
        "{each: 1 for each in set(given)}",
        "list(set(given))",
        "tuple({'a', 'b'})",
        "enumerate(set(given))",
        "','.join({'a', 'b'})",
        "print(*set(given))",
        "for _ in set(given) | {'a'}: pass",
        "for _ in set(given).union('a'): pass",
        "for _ in annotated: pass",
        "assigned = set()\n    for _ in assigned: pass",
        "next(iter({'a', 'b'}))",
    ],
)
def test_the_order_of_a_set_is_found(statement: str, find: Callable[[str], list[str]]) -> None:
    """Whatever takes a set's order is found."""
    calls = find(f"def workflow(given, annotated: set[str] = None):\n    {statement}\n")
    assert {each.partition(": ")[2] for each in calls} == {SET_ITERATION}


@pytest.mark.parametrize(
    "statement",
    [
        "sorted(set(given))",
        "len({'a', 'b'})",
        "any(each for each in set(given))",
        "{each for each in set(given)}",
        "sorted(list(set(given)))",
        "min({'a'} | set(given))",
        "for _ in {1, 2, 3}: pass",
        "for _ in set(range(3)): pass",
        "for _ in dict.fromkeys(given): pass",
        "'a' in {'a', 'b'}",
        "{*set(given)}",
        "assigned = {'a'}\n    assigned = ['a']\n    for _ in assigned: pass",
        "assigned = given\n    assigned = {'a'}\n    for _ in assigned: pass",
    ],
)
def test_a_set_without_its_order_is_left_in_peace(statement: str, find: Callable[[str], list[str]]) -> None:
    """A set may be asked for what does not depend on its order."""
    assert find(f"def workflow(given):\n    {statement}\n") == []


@pytest.mark.parametrize(
    "body",
    [
        "try: int()\n    except BaseException: raise",
        "try: int()\n    except: int(); raise ValueError from None",
        "try: int()\n    except Exception: pass",
        "try: int()\n    finally:\n        for _ in given: break",
        "try: int()\n    finally:\n        def inner(): return 1",
    ],
)
def test_what_lets_an_eviction_through_is_left_in_peace(body: str, find: Callable[[str], list[str]]) -> None:
    """Handlers that raise, and blocks that only look like leaving."""
    assert find(f"def workflow(given):\n    {body}\n") == []


@pytest.mark.parametrize(
    "body",
    [
        "try: int()\n    except (ValueError, BaseException): pass",
        "from contextlib import suppress\n    with suppress(BaseException): int()",
        "try: int()\n    except BaseException as error:\n        def later(): raise error",
    ],
)
def test_what_swallows_an_eviction_is_found(body: str, find: Callable[[str], list[str]]) -> None:
    """Tuples, `suppress`, and a `raise` that belongs to somebody else."""
    assert [each.partition(": ")[2] for each in find(f"def workflow():\n    {body}\n")] == [EXCEPT_BASE]


def test_a_line_may_be_exempted(find: Callable[[str], list[str]]) -> None:
    """The comment exempts the lines of its call and no other."""
    source = """\
        import time

        def workflow():
            time.time()  # holdfast: allow
            time.strftime(
                "%Y",
            )  # holdfast: allow because it is only shown
            try:
                time.time()
            except:  # holdfast: allow
                time.time()
        """
    assert find(source) == ["9: time.time", "11: time.time"]


# --- No false alarms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "time = given\n    time.time()",
        "random = Random(7)\n    random.random()",
        "for time in given: time.time()",
        "with given as time: time.time()",
        "[time.time() for time in given]",
        "(lambda time: time.time())(given)",
        "import json as time\n    time.time()",
        "match given:\n        case {'a': time, **random}: time.time(), random.random()",
        "try: int()\n    except ValueError as time: time.time()",
        "(time := given).time()",
        "def time(): pass\n    time.time()",
        "given.now()",
        "given.time.time()",
        "given.open()",
        "self = given\n    self.clock.now()",
        "now(), uuid4(), random_of_run().choice([1])",
        "await asyncio.sleep(1)",
        "await asyncio.gather(*[given])\n    async with asyncio.timeout(1): pass",
        "asyncio.get_running_loop().time()",
        "logging.info('said')\n    logging.getLogger('x').warning('said')",
        "uuid.UUID(given), uuid.uuid5(uuid.NAMESPACE_DNS, 'a')",
        "datetime.datetime(2020, 1, 1).isoformat(), datetime.timedelta(1), datetime.datetime.fromisoformat(given)",
        "os.path.join('a', 'b'), os.fspath(given), os.sep",
        "pathlib.PurePath('a').name, pathlib.Path('a').suffix",
        "hashlib.sha256(b'a').hexdigest()",
        "local: time.struct_time = given",
        "typing.cast(socket.socket, given)",
        "isinstance(given, random.Random)",
    ],
)
def test_deterministic_code_is_left_in_peace(body: str, find: Callable[[str], list[str]]) -> None:
    """Local names that look like modules, Holdfast's own functions, asyncio, logging, types."""
    source = (
        "import asyncio, datetime, hashlib, logging, os, pathlib, random, socket, time, typing, uuid\n"
        "from random import Random\n\n"
        "def now(): ...\ndef uuid4(): ...\ndef random_of_run(): ...\n\n"
        f"async def workflow(given):\n    {body}\n"
    )
    assert find(source) == []


def test_a_side_effect_may_do_as_it_likes(find: Callable[[str], list[str]]) -> None:
    """What is recorded may be anything: a lambda, a nested function, a function of the module."""
    source = """\
        import time

        def read(): return time.time()

        async def workflow():
            from holdfast import side_effect

            def nested(): return time.time()
            await side_effect(lambda: time.time())
            await side_effect(nested)
            await side_effect(read)
            time.time()
        """
    assert find(source) == ["12: time.time"]


def test_a_task_in_a_class_may_do_as_it_likes(find: Callable[[str], list[str]]) -> None:
    """A method that is a task is not workflow code."""
    source = """\
        import time
        import holdfast

        class workflow:
            @staticmethod
            @holdfast.task(pool="slow")
            def work(): time.time()

            def run(self): time.time()
        """
    assert find(source) == ["9: time.time"]


def test_handlers_and_validators_are_read(find: Callable[[str], list[str]]) -> None:
    """Signals, queries, updates and validators run as workflow code, whatever their decorators make of them."""
    source = """\
        import time
        from holdfast import query, signal, update

        class workflow:
            @signal
            def told(self) -> None: time.time()

            @query
            def asked(self) -> float: return time.time()

            @update
            async def changed(self) -> float: return time.time()

            @changed.validator
            def _(self) -> None: time.time()

            async def run(self) -> None: ...
        """
    assert find(source) == [f"{line}: time.time" for line in (6, 9, 12, 15)]


@pytest.mark.parametrize("definition", ["async def w() -> None:", "class W:\n    async def run(self) -> None:"])
def test_a_workflow_that_reads_the_clock_cannot_be_defined(definition: str, load: Callable[[str], ModuleType]) -> None:
    """`@workflow` lints what it decorates."""
    with pytest.raises(DefinitionError, match=r"time\.time: a replay reads another time"):
        load(f"import time\nfrom holdfast import workflow\n\n@workflow\n{definition}\n        time.time()\n")


# --- Odd sources -------------------------------------------------------------------------------------------------


def test_code_without_source_is_left_to_the_guard() -> None:
    """Functions from a prompt or from `exec`, builtins, and things that are no functions."""
    names: dict[str, Any] = {}
    exec("import time\ndef workflow(): time.time()\nclass Workflow:\n    def run(self): time.time()", names)
    assert lint_function(names["workflow"]) == []
    assert lint_class(names["Workflow"]) == []
    assert lint_function(len) == []
    assert lint_function(42) == []  # type: ignore[arg-type]  # on purpose
    assert lint_class(int) == []
    assert lint_module("there is no such file") == []


def test_source_that_changed_after_the_import_is_not_read(load: Callable[[str], ModuleType]) -> None:
    """Lines that no longer fit the code are not held against it."""
    module = load("import time\n\ndef workflow():\n    return time.time()\n")
    assert len(lint_function(module.workflow)) == 1
    Path(str(module.__file__)).write_text("import time\n\ndef another():\n    return time.time_ns()\n\n")
    assert lint_function(module.workflow) == []
    Path(str(module.__file__)).write_text("this is not Python\n\n\n\n")
    assert lint_function(module.workflow) == []


@pytest.mark.parametrize(
    "source",
    [
        "def workflow(): return 1; time = 2",
        "workflow = lambda *a, **k: (yield)",
        "import dataclasses\n@dataclasses.dataclass\nclass workflow:\n    a: int = 1",
        "class workflow: pass",
        "class workflow:\n    run = len\n    other = property()",
        "class workflow:\n    '''\nnot indented\n'''\n    def run(self):\n        x = '''\nnor this\n'''",
        "def workflow():\n    import os\n    import os.path\n    os = os\n    os.x = os\n    return os.path.x",
        "import functools\nworkflow = functools.partial(print, 1)",
        "class Odd:\n    def __getattr__(self, name): raise RuntimeError\nodd = Odd()\ndef workflow(): odd.x(odd)",
        "class workflow:\n    import enum\n    class Inner:\n        def run(self): ...",
        "from __future__ import annotations\ndef workflow(a: 'not python at all', b: c): a.x(); b.y()",
        "def workflow(n):\n    if n: workflow(n - 1)",
        "def workflow():\n    x = y\n    y = x\n    x.z()",
        "import sys; workflow = type(sys)",
        "async def workflow():\n    async for x in y: yield x\n    del x",
    ],
)
def test_odd_source_is_read_without_stumbling(source: str, find: Callable[[str], list[str]]) -> None:
    """One-liners, generated methods, odd indentation, cycles of names: no findings and no error."""
    assert find(source) == []


def test_the_standard_library_is_read_without_stumbling() -> None:
    """Thousands of functions and classes that nobody wrote with the lint in mind."""
    import argparse
    import asyncio.base_events
    import dataclasses
    import enum
    import logging
    import random
    import tempfile
    import typing

    count = 0
    for module in (argparse, asyncio.base_events, dataclasses, enum, logging, random, tempfile, typing):
        for value in list(vars(module).values()):
            found = lint._findings_in_class(value) if isinstance(value, type) else lint._findings_in_function(value)
            count += len(found)
    assert count > 50


# --- Modules -----------------------------------------------------------------------------------------------------

MODULE = """\
import os
import holdfast
from holdfast import task, workflow

@task
def work() -> None:
    os.getpid()

def helper():
    os.getpid()

@workflow
class First:
    async def run(self) -> None:
        helper()

    @staticmethod
    @holdfast.task
    def own() -> None: os.getpid()

@holdfast.workflow(name="second")
async def second() -> None:
    os.cpu_count()

def plain():
    os.getpid()
"""


@pytest.mark.filterwarnings("ignore::holdfast.errors.HoldfastWarning")
def test_a_module_is_searched_for_its_workflows(load: Callable[[str], ModuleType]) -> None:
    """Workflows and their helpers are read; tasks and plain functions are not."""
    found = [(each.line, each.call) for each in lint_module(load(MODULE))]
    assert found == [(10, "os.getpid"), (23, "os.cpu_count")]


def test_a_file_is_searched_without_being_run(tmp_path: Path) -> None:
    """A path is only read: the same findings, although running it would fail."""
    file = tmp_path / "automations.py"
    file.write_text(MODULE + "raise SystemExit\n")
    found = [(each.line, each.call) for each in lint_module(file)]
    assert found == [(10, "os.getpid"), (23, "os.cpu_count")]


# --- What becomes of findings ------------------------------------------------------------------------------------


def test_errors_are_raised_together(load: Callable[[str], ModuleType]) -> None:
    """One DefinitionError lists every error with its line and its replacement."""
    module = load("import time, uuid\n\ndef workflow():\n    time.sleep(1)\n    uuid.uuid4()\n")
    with pytest.raises(DefinitionError) as caught:
        raise_for(lint_function(module.workflow))
    message = str(caught.value)
    assert f"{module.__file__}:4  time.sleep: it blocks" in message
    assert "Instead: `await asyncio.sleep(...)`" in message
    assert f"{module.__file__}:5  uuid.uuid4" in message
    assert "# holdfast: allow" in message


def test_warnings_are_warned_of_where_they_stand(load: Callable[[str], ModuleType]) -> None:
    """A warning does not raise, and points at the user's line."""
    module = load("def workflow():\n    for _ in {'a', 'b'}: pass\n")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        raise_for(lint_function(module.workflow))
    assert [(each.category, each.filename, each.lineno) for each in said] == [(HoldfastWarning, module.__file__, 2)]


def test_nothing_found_is_nothing_raised() -> None:
    """A clean workflow passes."""
    raise_for([])
