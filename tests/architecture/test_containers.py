"""The container files say what is true: their commands are ours, what they copy is there, nothing runs as root.

No container engine is asked; see the files' own comments.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from holdfast.cli import program

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"
PROCFILE = ROOT / "examples" / "fleet" / "Procfile"

INSTRUCTIONS = {"FROM", "RUN", "COPY", "WORKDIR", "ENV", "USER", "ENTRYPOINT", "CMD"}


def check_command(words: list[str]) -> None:
    """Parse a command of ours as the command line would, without carrying it out."""
    group: Any = typer.main.get_command(program)
    assert words[0] in group.commands, f"there is no verb {words[0]}"
    group.commands[words[0]].make_context(words[0], words[1:])


def read_instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile."""
    text = re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """Return what the compose file starts."""
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return found


def test_a_wrong_command_is_found() -> None:
    """The check that follows can fail: on a verb, and on an option."""
    with pytest.raises(AssertionError, match="no verb"):
        check_command(["orchestrate", "automations"])
    with pytest.raises(Exception, match="--pools"):
        check_command(["worker", "automations", "--pools", "default=8"])


def test_services_run_commands_that_there_are(services: dict[str, Any]) -> None:
    """Verbs, arguments and options."""
    ours = {name: each["command"] for name, each in services.items() if each.get("build")}
    assert ours.keys() == {"migrate", "controller", "orchestrator", "worker"}
    for command in ours.values():
        check_command(command)


def test_the_fleet_is_whole(services: dict[str, Any]) -> None:
    """Every service waits only for services that there are, none has a password in the file, images are pinned."""
    for name, each in services.items():
        assert set(each.get("depends_on", {})) <= services.keys(), name
        if "image" in each:
            assert re.fullmatch(r"[a-z]+:\d+-alpine", each["image"]), name
        else:
            assert each["cap_drop"] == ["ALL"], name
            assert each["read_only"], name
    text = COMPOSE.read_text(encoding="utf-8")
    assert set(re.findall(r"PASSWORD: (\S+)", text)) == {"${HOLDFAST_DATABASE_PASSWORD:?set"}
    assert services["worker"]["deploy"]["replicas"] > 1


def test_the_image_is_made_of_what_is_there() -> None:
    """Known instructions only; copies exist and are not ignored; it does not run as root; bases are pinned."""
    instructions = read_instructions()
    assert {name for name, _ in instructions} <= INSTRUCTIONS
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name, rest in instructions:
        if name == "FROM":
            assert re.match(r"python:3\.\d+-slim-[a-z]+", rest)
        if name == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source.removeprefix('./')}" in ignored, source
    users = [rest for name, rest in instructions if name == "USER"]
    assert users == ["holdfast"]
    assert instructions[-2] == ("ENTRYPOINT", '["holdfast"]')


def test_the_procfile_runs_commands_that_there_are() -> None:
    """As the compose file does."""
    for line in PROCFILE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            _, command = line.split(":", 1)
            program_name, *words = command.split()
            assert program_name == "holdfast"
            check_command(words)
