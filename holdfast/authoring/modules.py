"""Modules, however a user names them.

Owns: importing by name, by file or as the running script, each module once; finding source without importing it.
Must not know: what is looked for in a module.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Final, TypeAlias

from holdfast.authoring.places import module_name
from holdfast.errors import DefinitionError

Module: TypeAlias = ModuleType | str | Path
"""A module, its dotted name, or the path of its file."""

_SKIPPED: Final = ("__main__", "conftest", "setup", "tests")
"""Modules of a package that are run, not imported."""


def load_module(module: Module) -> ModuleType:
    """Return a module, imported if it was not yet. The running script is `__main__` under its own name too.

    Raises:
        DefinitionError: there is no such module.
        Exception: whatever importing it raised.
    """
    if isinstance(module, ModuleType):
        return module
    text = str(module)
    if isinstance(module, Path) or text.endswith(".py"):
        return _load_file(Path(text))
    if text != "__main__" and text == module_name("__main__") and "__main__" in sys.modules:
        return sys.modules["__main__"]  # a second copy would make every definition twice
    return _import(text)


def _load_file(path: Path) -> ModuleType:
    file = path.resolve()
    for each in list(sys.modules.values()):
        loaded = getattr(each, "__file__", None)
        if loaded is not None and Path(loaded).resolve() == file:
            return each
    if not file.is_file():
        raise DefinitionError(
            f"there is no file {str(path)!r}", remedy="Give the path of a .py file, or a module's name."
        )
    name = file.stem
    if name in sys.modules:
        raise DefinitionError(
            f"{str(path)!r} would be the module {name!r}, and another one is called that already",
            str(getattr(sys.modules[name], "__file__", "")),
            "Rename the file, or give the module's dotted name.",
        )
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise DefinitionError(f"{str(path)!r} is no Python file")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[name]
        raise
    return loaded


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name != missing and not name.startswith(f"{missing}."):
            raise  # the module is there; something it imports is not
        raise DefinitionError(
            f"there is no module {name!r}",
            remedy=f"Looked in: {', '.join(each or '.' for each in sys.path)}\n"
            "Run this where the module is, install it, or give the path of its file: automations/reviews.py",
        ) from None
    except (TypeError, ValueError) as error:  # "", "..", ".relative"
        raise DefinitionError(f"{name!r} is no module name: {error}") from None


def with_submodules(module: ModuleType) -> Iterator[ModuleType]:
    """Yield a module and, of a package, every module in it that is made to be imported."""
    yield module
    for each in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if each.name not in _SKIPPED and not each.name.startswith("test_"):
            yield from with_submodules(_import(f"{module.__name__}.{each.name}"))


def source_files(module: str | Path) -> list[Path]:
    """Return the source files of a module, a package, a file or a folder, in order. Nothing is imported or run.

    Raises:
        DefinitionError: there is no such module, file or folder, or it has no source.
    """
    path = Path(module)
    if path.is_dir():
        return _files_in(path)
    if isinstance(module, Path) or path.suffix == ".py":
        if not path.is_file():
            raise DefinitionError(
                f"there is no file {str(path)!r}", remedy="Give the path of a .py file, or a module's name."
            )
        return [path]
    places: Iterable[str] | None = None
    origin: str | None = None
    for part in module.split("."):
        found = PathFinder.find_spec(part, places)  # type: ignore[arg-type]  # any iterable of folders will do
        if found is None:
            raise DefinitionError(
                f"there is no module {module!r}",
                remedy="Run this where the module is, install it, or give the path of its file: automations/reviews.py",
            )
        origin, places = found.origin, found.submodule_search_locations or ()
    folders = [each for each in places or () if Path(each).is_dir()]
    if folders:
        return [file for folder in folders for file in _files_in(Path(folder))]
    if origin is None or not origin.endswith(".py"):
        raise DefinitionError(f"the module {module!r} has no source that could be read")
    return [Path(origin)]


def _files_in(folder: Path) -> list[Path]:
    """Return the Python files below a folder, without those of hidden folders and environments."""
    return [
        file
        for file in sorted(folder.rglob("*.py"))
        if not any(part.startswith((".", "__pycache__")) for part in file.relative_to(folder).parts)
        and not any((parent / "pyvenv.cfg").exists() for parent in file.parents)
    ]
