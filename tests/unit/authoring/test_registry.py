"""The registry: finds definitions where it is told to look, and no name means two things."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holdfast.authoring import Registry, task, workflow
from holdfast.authoring.task import TaskDefinition
from holdfast.authoring.workflow import WorkflowDefinition
from holdfast.errors import DefinitionError, DuplicateNameError, UnknownNameError

BOT = """
from holdfast.authoring import task, workflow
from os.path import join

@task
async def fetch(path: str) -> str:
    return path

@workflow
async def nightly(path: str) -> str:
    return await fetch(path)

@workflow
class Review:
    async def run(self) -> None: ...

def process(task_id, payload):
    return payload

def _hidden(): ...
def rows():
    yield 1
number = 5
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Path]]:
    """Write modules that can be imported for the length of the test."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(name: str, text: str = BOT) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    yield write
    for each in set(sys.modules) - before:
        del sys.modules[each]


@pytest.mark.parametrize("how", ["name", "file", "path", "module"])
def test_definitions_are_found_in_a_module(write, how) -> None:
    """By name, by file, or as the module itself; tasks come with their workflow of one step."""
    path = write("hf_bot.py")
    module: object = {"name": "hf_bot", "file": str(path), "path": path}.get(how)
    if how == "module":
        import hf_bot as module  # type: ignore[import-not-found]
    registry = Registry.from_modules(module)  # type: ignore[arg-type]
    assert list(registry.workflows) == ["nightly", "Review", "task:fetch", "task:hf_bot:process"]
    assert list(registry.tasks) == ["fetch", "hf_bot:process"]
    assert (len(registry.workflows), len(registry.tasks)) == (4, 2)
    assert isinstance(registry.workflow("Review"), WorkflowDefinition)
    assert isinstance(registry.task("fetch"), TaskDefinition)
    assert registry.workflow("task:fetch") is registry.workflows["task:fetch"]
    registry.prepare()
    assert Registry.from_modules(str(path)).task("fetch") is registry.task("fetch")


def test_plain_functions_of_registered_modules_can_be_submitted(write) -> None:
    """`module:function` is found where the module was registered, and nowhere else."""
    write("hf_bot.py")
    registry = Registry.from_modules("hf_bot")
    definition = registry.task("hf_bot:process")
    assert definition is registry.task("hf_bot:process")
    assert definition.fn("t", 1) == 1
    assert registry.workflow("task:hf_bot:process").name == "task:hf_bot:process"
    registry.add_task(definition.fn)
    for name in ("hf_bot:_hidden", "hf_bot:rows", "hf_bot:join", "hf_bot:number", "os:system", "subprocess:run"):
        with pytest.raises(UnknownNameError):
            registry.task(name)
        with pytest.raises(UnknownNameError):
            registry.workflow(f"task:{name}")
    assert list(Registry.from_modules("hf_bot", plain_functions=False).tasks) == ["fetch"]


def test_an_unknown_name_lists_what_there_is(write) -> None:
    """The error of a missing name shows the names that would have done."""
    write("hf_bot.py")
    registry = Registry.from_modules("hf_bot")
    with pytest.raises(UnknownNameError, match="nightly"):
        registry.workflow("nigthly")
    with pytest.raises(UnknownNameError, match="fetch"):
        registry.task("fecth")
    with pytest.raises(KeyError):
        registry.workflows["x"]
    assert "x" not in registry.tasks
    assert "Known here: none" in str(_raised(lambda: Registry().workflow("x")))


def _raised(call: Callable[[], object]) -> BaseException:
    with pytest.raises(UnknownNameError) as caught:
        call()
    return caught.value


def test_two_definitions_of_one_name_are_an_error_with_both_places(write) -> None:
    """A name finds code for runs under way, so it can only mean one thing."""
    write("hf_one.py")
    write("hf_two.py")
    with pytest.raises(DuplicateNameError) as caught:
        Registry.from_modules("hf_one", "hf_two")
    assert "hf_one.py:5" in str(caught.value)
    assert "hf_two.py:5" in str(caught.value)
    assert 'name="..."' in str(caught.value)


def test_one_definition_in_two_modules_is_one_definition(write) -> None:
    """Importing a task from another module is not defining it again."""
    write("hf_one.py")
    write("hf_two.py", "from hf_one import fetch, nightly, Review\nfrom hf_one import fetch as alias\n")
    registry = Registry.from_modules("hf_two", "hf_one", "hf_one")
    assert len(registry.workflows) == 4


def test_a_package_brings_its_modules(write) -> None:
    """Definitions may be anywhere in a package; what is run rather than imported is left alone."""
    write("hf_pack/__init__.py", "")
    write("hf_pack/jobs/__init__.py", "")
    write("hf_pack/jobs/bot.py")
    for script in ("__main__", "conftest", "test_bot", "jobs/setup", "tests/__init__"):
        write(f"hf_pack/{script}.py", "raise SystemExit('a script was run')")
    assert "fetch" in Registry.from_modules("hf_pack").tasks


def test_modules_that_are_not_there_or_do_not_import(write) -> None:
    """A missing module is a clear error; an error inside a module is its own."""
    write("hf_broken.py", "import hf_not_there\n")
    failing = write("hf_failing.py", "1 / 0\n")
    for missing in ("hf_not_there", "hf_not.there", "", "..", ".bot", "no/such/file.py", Path("nowhere.py")):
        with pytest.raises(DefinitionError):
            Registry.from_modules(missing)
    with pytest.raises(ModuleNotFoundError, match="hf_not_there"):
        Registry.from_modules("hf_broken")
    for how in ("hf_failing", str(failing), "hf_failing", failing):
        with pytest.raises(ZeroDivisionError):
            Registry.from_modules(how)


def test_a_file_whose_name_is_taken_is_refused(write) -> None:
    """A file called like a module that is loaded would hide one of the two."""
    with pytest.raises(DefinitionError, match="called that already"):
        Registry.from_modules(str(write("somewhere/json.py")))


def test_definitions_can_be_added_one_by_one() -> None:
    """Workflows, tasks and plain functions; nothing else."""

    @task
    def work(x: int) -> int: ...

    @workflow
    async def flow() -> None: ...

    registry = Registry(work, flow, _raised)
    registry.add(work)
    registry.add_task(work)
    registry.add_task("work")
    assert list(registry.workflows) == ["flow", "task:work", f"task:{__name__}:_raised"]
    for odd in (5, "work", int, lambda: None):
        with pytest.raises(DefinitionError):
            registry.add(odd)
    with pytest.raises(UnknownNameError):
        registry.add_task("other")
    with pytest.raises(DuplicateNameError):
        registry.add(task(name="work")(_raised))


SCRIPT = """
import sys
from holdfast.authoring import Registry, plain_task, task, workflow

@task
def fetch(path: str) -> str: ...

@workflow
async def nightly() -> None: ...

def process(x): ...

if __name__ == "__main__":
    names = []
    for module in ("__main__", sys.modules["__main__"], "hf_script", __file__):
        registry = Registry.from_modules(module)
        assert registry.task("fetch") is fetch
        names.append(list(registry.workflows))
    assert all(each == names[0] for each in names)
    assert registry.task("hf_script:process").fn is process
    assert plain_task(process).name == "hf_script:process"
    print(names[0])
"""


@pytest.mark.parametrize("arguments", [["hf_script.py"], ["-m", "hf_script"]], ids=["script", "module"])
def test_a_script_is_found_under_its_own_name(write, arguments) -> None:
    """`__main__` is the same module a worker imports later, under the same names, and never a second copy."""
    path = write("hf_script.py", SCRIPT)
    done = subprocess.run([sys.executable, *arguments], cwd=path.parent, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() == "['nightly', 'task:fetch', 'task:hf_script:process']"
