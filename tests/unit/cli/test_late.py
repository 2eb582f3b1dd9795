"""Verbs are imported when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from holdfast.cli import VERBS
from holdfast.cli.late import Verb, Verbs

SHOW = """
import sys
from holdfast.cli import program
try:
    program({arguments!r})
except SystemExit:
    pass
print(*sorted(each.removeprefix("holdfast.cli.") for each in sys.modules if each.startswith("holdfast.cli.")))
"""


def loaded(*arguments: str) -> set[str]:
    """Return which modules of the command line a new process has loaded when it is done."""
    code = SHOW.format(arguments=list(arguments))
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(out.splitlines()[-1].split())


def test_a_verb_loads_no_other() -> None:
    """A version loads no verb at all; the help of one its own module alone; the whole help all of them."""
    modules = {each.place.partition(":")[0] for each in VERBS.values()}
    assert loaded("--version") == {"late"}
    assert loaded("worker", "--help") & modules == {"serving"}
    assert loaded("--help") >= modules


def test_every_verb_is_where_it_is_said_to_be() -> None:
    """Each has its name, its panel and its help, and is made once."""
    verbs = Verbs(VERBS)
    assert list(verbs) == list(VERBS)
    for name, command in verbs.items():
        assert (command.name, command.rich_help_panel) == (name, VERBS[name].panel)
        assert command.help
    assert [id(each) for each in verbs.values()] == [id(each) for each in verbs.values()]


def test_a_verb_that_is_not_there() -> None:
    """An unknown name is a KeyError; a wrong place is seen at once when it is looked up."""
    verbs = Verbs({"odd": Verb("serving:not_there", "Odd")})
    assert "even" not in verbs
    with pytest.raises(AttributeError):
        verbs["odd"]
