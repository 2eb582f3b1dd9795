"""A test written from a capture, the way a person would.

Owns: what the test says and asserts, for each way a run can have gone.
Must not know: where the test's file goes, how a replay is made.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from typing import Final

from holdfast.errors import InputError
from holdfast.history import (
    History,
    TaskFailed,
    TaskTimedOut,
    WorkflowCompleted,
    WorkflowFailed,
)

TITLE_CHARACTERS_MAX: Final = 90
"""How much of a failure's message the test's first line quotes."""

_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class TestSource:
    """A pytest file."""

    __test__ = False  # not what pytest looks for

    name: str
    """The file's name, such as `test_replay_ord_1187.py`."""
    text: str


def write_test(history: History, *, file: str, module: str = "", name: str = "") -> TestSource:
    """Return a test that replays a capture against the workflow.

    Args:
        history: the capture.
        file: its path, relative to the folder of the test.
        module: module to import the workflow from; the capture's own when empty.
        name: the workflow's name there; the capture's own when empty.

    Raises:
        InputError: the capture does not say where the workflow's code is, and the caller does not either.
    """
    note = history.capture
    module = module or (note.module if note is not None else "")
    name = name or (note.name if note is not None else "") or history.started.workflow
    if not module or module == "__main__" or not _can_be_imported(f"{module}.{name}"):
        problem = f"{module}:{name} cannot be imported by a test" if module else "the file does not say its module"
        raise InputError("the place of the workflow's code", (("", f"{problem}; name it: --workflow MODULE:NAME"),))
    slug = _slug(history.started.execution)
    root, _, inner = name.partition(".")
    subject = f"{root}.{inner}" if inner else root
    body = _tests(history, subject, slug)
    text = "\n".join(
        [
            _docstring(history),
            "",
            "from pathlib import Path",
            "",
            "from holdfast.replay import WorkflowReplayer, load_history",
            "",
            f"from {module} import {root}",
            "",
            f'HISTORY = load_history(Path(__file__).parent / "{_quoted(file)}")',
            "",
            "",
            body,
        ]
    )
    return TestSource(f"test_replay_{slug}.py", text)


def _tests(history: History, subject: str, slug: str) -> str:
    last = history.events[-1]
    note = history.capture
    if note is not None and note.reason == "diverged":
        return _fits(subject, slug, "Red until the code repeats what it decided in production, or guards the change.")
    match last:
        case WorkflowCompleted():
            return _replays(subject, slug, "COMPLETED")
        case WorkflowFailed():
            return "\n\n\n".join(
                [
                    _fits(subject, slug, "Whatever is mended, the way to the failure stays as it was recorded."),
                    _is_fixed(subject, slug, _first_failure(history)),
                ]
            )
        case _:
            return _fits(subject, slug, "Today's code repeats everything that was recorded.")


def _replays(subject: str, slug: str, status: str) -> str:
    return f'''def test_{slug}_replays() -> None:
    """Today's code comes to the same end as production."""
    result = WorkflowReplayer({subject}).replay(HISTORY)
    assert result.status == "{status}", result.diff()
    assert result.matches_production
'''


def _fits(subject: str, slug: str, promise: str) -> str:
    return f'''def test_{slug}_fits() -> None:
    """{promise}"""
    result = WorkflowReplayer({subject}).replay(HISTORY)
    assert not result.divergences, result.diff()
    assert not result.payload_problems
'''.rstrip()


def _is_fixed(subject: str, slug: str, task: str) -> str:
    if task:
        promise = f"Red until {task} is mended: it runs again with today's code; what completed does not."
        hint = (
            f"    # It runs the real {task}, and what the workflow calls behind it. To leave the outside alone,\n"
            f'    # give each of them a stand-in: tasks={{"{task}": ..., ...}}\n'
        )
    else:
        promise = "Red until the workflow is mended: recorded tasks answer from the history, new ones run."
        hint = ""
    return f'''def test_{slug}_is_fixed() -> None:
    """{promise}"""
{hint}    result = WorkflowReplayer({subject}, tasks="rerun-failed").replay(HISTORY)
    assert result.status == "COMPLETED", result.failure or result.diff()
'''


def _first_failure(history: History) -> str:
    """Return the name of the task that failed first for good, empty when none did."""
    for event in history.events:
        if isinstance(event, TaskFailed | TaskTimedOut):
            return _task_of(event, history)
    return ""


def _task_of(event: TaskFailed | TaskTimedOut, history: History) -> str:
    scheduled = (each for each in history.events if getattr(each, "step", "") == event.step)
    return next((task for each in scheduled if (task := getattr(each, "task", ""))), event.step.partition("#")[0])


def _docstring(history: History) -> str:
    started, note = history.started, history.capture
    if note is None:
        return f'"""Run {_words(started.execution)} of {started.workflow}, as it was in production."""'
    happened = {
        "failed": "failed in production",
        "timed out": "timed out in production",
        "diverged": "did not fit its code any more",
    }.get(note.reason, "as it was in production")
    when = (note.closed_at or note.captured_at)[:10]
    title = f"Run {_words(started.execution)} of {started.workflow} {happened} on {when}"
    failure = note.failure
    if failure is None:
        return f'"""{title}."""'
    cause = _words(f"{failure.type}: {failure.message}")
    if len(cause) > TITLE_CHARACTERS_MAX:
        cause = cause[:TITLE_CHARACTERS_MAX].rstrip() + " ..."
    return f'"""{title}.\n\n{cause}\n"""'


def _can_be_imported(path: str) -> bool:
    return all(each.isidentifier() and not keyword.iskeyword(each) for each in path.split("."))


def _slug(text: str) -> str:
    return _NOT_IN_NAMES.sub("_", text.lower()).strip("_") or "run"


def _words(text: str) -> str:
    """Return text for a docstring: one line, nothing that ends it."""
    return " ".join(text.replace("\\", "/").replace('"""', "'''").split()).rstrip('"')


def _quoted(path: str) -> str:
    return path.replace("\\", "/").replace('"', '\\"')
