"""The pytest plugin: worlds, recorded histories, and replay after every step.

Owns: the marker, the fixtures and the options; which modules a test means.
Must not know: how a world works, how a history is replayed.

pytest loads this in every project that has Holdfast installed, so it imports nothing of Holdfast until a test asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from holdfast.history import History
    from holdfast.replay import ReplayResult
    from holdfast.testing.world import World

REPLAY_OPTION: Final = "--holdfast-replay-every-step"
MODULES_SETTING: Final = "holdfast_modules"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the setting."""
    group = parser.getgroup("holdfast", "Holdfast workflows")
    group.addoption(
        REPLAY_OPTION,
        action="store_true",
        help="replay the whole history of each run whenever something was added to it, in every `world`",
    )
    parser.addini(
        MODULES_SETTING,
        type="args",
        default=[],
        help="modules whose workflows and tasks the fixtures `world` and `replayer` know, besides the test's own",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Add the markers."""
    config.addinivalue_line(
        "markers", "histories(glob, ...): run the test once for each history file, as the fixture `history`"
    )
    config.addinivalue_line(
        "markers", "holdfast(**options): options of the fixture `world`, such as modules=[...], start=..., seed=..."
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with the marker `histories` once for each file."""
    marks = list(metafunc.definition.iter_markers("histories"))
    if not marks or "history" not in metafunc.fixturenames:
        return
    root = metafunc.config.rootpath
    patterns = [str(each) for mark in marks for each in mark.args]
    files = sorted({each for pattern in patterns for each in root.glob(pattern)})
    # Found nothing: a test that fails says so, where one that is skipped would look as if all was well.
    found: list[Any] = [*files] or [patterns]
    names = [str(each.relative_to(root)) for each in files] or ["none"]
    metafunc.parametrize("history", found, ids=names, indirect=True)


@pytest.fixture
def history(request: pytest.FixtureRequest) -> History:
    """Give the history of a file that the marker `histories` names."""
    from holdfast.replay import load_history

    path = getattr(request, "param", None)
    if isinstance(path, Path):
        return load_history(path)
    if path is None:
        pytest.fail(
            "the fixture `history` needs files: @pytest.mark.histories('tests/histories/*.json')", pytrace=False
        )
    pytest.fail(f"no history matches {', '.join(path)} in {request.config.rootpath}", pytrace=False)


@pytest.fixture
def replayer(request: pytest.FixtureRequest) -> Replayer:
    """Give what replays histories against the workflows of the test's modules."""
    return Replayer(_modules(request))


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Give a world that knows the workflows and tasks of the test's modules. See `holdfast.testing.world.World`."""
    from holdfast.testing.world import World

    options: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("holdfast"))):  # the closest wins
        options |= mark.kwargs
    modules = [*_modules(request), *options.pop("modules", ())]
    options.setdefault("replay_every_step", request.config.getoption(REPLAY_OPTION))
    with World(modules, **options) as entered:
        yield entered


class Replayer:
    """Replays histories against the workflows they are of."""

    def __init__(self, modules: list[Any]) -> None:
        """Find workflows in `modules`."""
        from holdfast.authoring import Registry

        self.registry = Registry.from_modules(*modules)

    def replay(self, history: History, **options: Any) -> ReplayResult:
        """Replay a history against the workflow that it names.

        Args:
            history: as the fixture `history` gives it, or `load_history`.
            options: as `WorkflowReplayer` takes them, such as `tasks="rerun-failed"`.

        Raises:
            UnknownNameError: no module of the test has this workflow.
            HistoryError: no execution can have written this history.
        """
        from holdfast.replay import WorkflowReplayer

        return WorkflowReplayer(self.registry.workflow(history.started.workflow), **options).replay(history)


def _modules(request: pytest.FixtureRequest) -> list[Any]:
    """Return the modules that a test means: its own, and those of the setting."""
    return [request.module, *request.config.getini(MODULES_SETTING)]
