"""The inbox as a person meets it: webhooks of a `holdfast.toml`, the verb, and deliveries done again after a fix."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from typer.testing import CliRunner, Result

from holdfast import Registry
from holdfast.app import load_settings, serving
from holdfast.cli import program
from holdfast.cli.output import Exit
from holdfast.errors import SettingsError
from tests.unit.controller.webhooks.senders import SECRETS, github, standard
from tests.unit.worker.rig import on_loop

pytestmark = pytest.mark.usefixtures("backend")

MODULE = """
from holdfast import workflow

@workflow
async def deploy(commit: str) -> str:
    return commit
"""

SETTINGS = """
port = 0
modules = ["hooked_automations"]
redact_keys = ["account number"]
redact_patterns = ["LV-[0-9]{4}"]
redact_emails = true

[webhooks.git]
verify = "github"
secrets = ["env:HOOK_GITHUB"]
start = "deploy"
id = "deploy-{body.commit}"
input = "body.%s"
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HOOK_GITHUB", SECRETS["HOOK_GITHUB"])
    monkeypatch.setenv("HOOK_STANDARD", SECRETS["HOOK_STANDARD"])
    (tmp_path / "hooked_automations.py").write_text(MODULE)


def settle(field: str) -> None:
    """Write the settings, with the input mapped from a field."""
    Path("holdfast.toml").write_text(SETTINGS % field)


def holdfast(*arguments: str) -> Result:
    """Run a verb of `holdfast deliveries`."""
    return CliRunner().invoke(program, ["deliveries", *arguments, "--json"])


def items(*arguments: str) -> list[dict[str, Any]]:
    """Return what a verb lists."""
    result = holdfast(*arguments)
    assert result.exit_code in {0, Exit.FAILED}, result.output
    return json.loads(result.stdout)["items"]


async def deliver(commits: list[str], secret: str = SECRETS["HOOK_GITHUB"]) -> list[httpx.Response]:
    """Send a push for each of some commits to a controller that serves the settings in this folder."""
    settings = load_settings()
    registry = Registry.from_modules(*settings.modules)
    answers = []
    async with serving(settings, registry, (), http=True) as started, httpx.AsyncClient() as http:
        for commit in commits:
            body = msgspec.json.encode(
                {
                    "commit": commit,
                    "account_number": "canary-number",
                    "password": "canary-word",
                    "note": "LV-4711 by canary@shop.test",
                }
            )
            headers = github(body, secret=secret, delivery=f"d-{commit}") | {"Cookie": "canary-cookie"}
            answers.append(await http.post(f"{started.url}/v1/hooks/git", content=body, headers=headers))
    return answers


def test_deliveries_that_failed_are_done_again_after_a_fix() -> None:
    """Settings map a field that is not there; once they are mended, each delivery starts its run, once."""

    @on_loop
    async def fail() -> None:
        assert [each.status_code for each in await deliver(["a", "b"])] == [422, 422]
        assert [each.status_code for each in await deliver(["c"], secret="somebody else's")] == [401]

    @on_loop
    async def send_again() -> None:
        (answer,) = await deliver(["b"])
        assert (answer.status_code, answer.json()["run_id"]) == (202, "deploy-b")

    settle("comit")
    fail()
    listed = items("list")
    assert [(each["state"], each["delivery_id"]) for each in listed] == [
        ("refused", ""),
        ("failed", "d-b"),
        ("failed", "d-a"),
    ]
    assert "forged" in listed[0]["reason"]
    again = holdfast("redeliver", "--failed")
    assert again.exit_code == Exit.FAILED
    assert {each["state"] for each in json.loads(again.stdout)["items"]} == {"failed"}

    settle("commit")
    (one,) = items("redeliver", str(listed[2]["delivery"]))
    assert (one["state"], one["run_id"]) == ("accepted", "deploy-a")
    assert [each["run_id"] for each in items("redeliver", "--failed", "--webhook", "git")] == ["deploy-b"]
    assert items("redeliver", "--failed") == []
    send_again()
    runs = CliRunner().invoke(program, ["runs", "list", "--json"])
    assert sorted(each["run_id"] for each in json.loads(runs.stdout)["items"]) == ["deploy-a", "deploy-b"]
    audited = json.loads(CliRunner().invoke(program, ["audit", "--json"]).stdout)["items"]
    assert [(each["action"], each["target"]) for each in audited] == [("start", "deploy-b"), ("start", "deploy-a")]


def test_what_is_refused_is_refused_alike_and_listed_with_its_reason() -> None:
    """Forged, stale, of the future, replayed, truncated, too large: one answer to senders, each reason in the inbox."""
    body = msgspec.json.encode({"commit": "a"})
    large = msgspec.json.encode({"commit": "x" * 2_000})
    now = int(time.time())

    @on_loop
    async def send() -> None:
        settings = load_settings(body_bytes_max=1_024)
        registry = Registry.from_modules(*settings.modules)
        async with serving(settings, registry, (), http=True) as started, httpx.AsyncClient() as http:

            async def post(name: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
                return await http.post(f"{started.url}/v1/hooks/{name}", content=content, headers=headers)

            signed = standard(body, at=now, delivery="d-1")
            assert (await post("pay", body, signed)).status_code == 202
            assert (await post("git", body, github(body, delivery="d-1"))).status_code == 202
            refused = [
                await post("pay", body, standard(body, at=now, delivery="d-2", secret="whsec_Zm9yZ2VkLWZvcmdlZA==")),
                await post("pay", body, standard(body, at=now - 3_600, delivery="d-3")),
                await post("pay", body, standard(body, at=now + 3_600, delivery="d-4")),
                await post("git", body, github(body, delivery="d-5")),
                await post("pay", body[:-1], standard(body, at=now, delivery="d-6")),
                await post("pay", large, standard(large, at=now, delivery="d-7")),
            ]
        assert {each.status_code for each in refused} == {401}
        assert len({each.text.replace("/git", "/pay") for each in refused}) == 1

    Path("holdfast.toml").write_text(
        SETTINGS % "commit" + '[webhooks.pay]\nverify = "standard"\nsecrets = "env:HOOK_STANDARD"\nstart = "deploy"\n'
        'id = "paid-{body.commit}"\ninput = "body.commit"\n'
    )
    send()
    listed = items("list", "--state", "refused")
    reasons = [each["reason"] for each in reversed(listed)]
    for reason, words in zip(
        reasons, ("forged", "stale: signed 3,6", "s in the future", "replayed", "changed", "larger than"), strict=True
    ):
        assert words in reason, reasons
    runs = CliRunner().invoke(program, ["runs", "list", "--json"])
    assert sorted(each["run_id"] for each in json.loads(runs.stdout)["items"]) == ["deploy-a", "paid-a"]


def test_the_inbox_is_shown_without_secrets() -> None:
    """By name and by looks, those that settings add too; filters and numbers that mean nothing are said so."""

    @on_loop
    async def send() -> None:
        assert [each.status_code for each in await deliver(["a"])] == [202]

    settle("commit")
    send()
    (listed,) = items("list", "--state", "accepted", "--run", "deploy-a", "--webhook", "git")
    shown = holdfast("show", str(listed["delivery"]))
    assert "canary" not in shown.output
    document = json.loads(shown.stdout)
    assert document["body"] == {
        "commit": "a",
        "account_number": "REDACTED",
        "password": "REDACTED",
        "note": "REDACTED by REDACTED",
    }
    assert document["headers"]["x-hub-signature-256"] == "REDACTED"
    missing = CliRunner().invoke(program, ["deliveries", "show", "999"])
    assert missing.exit_code == Exit.NOT_FOUND
    assert missing.stderr == "[HF604] there is no delivery '999'.\nSee what there is: holdfast deliveries list\n"
    assert holdfast("list", "--state", "lost").exit_code == Exit.USAGE
    assert holdfast("redeliver").exit_code == Exit.USAGE
    assert holdfast("redeliver", "1", "--failed").exit_code == Exit.USAGE
    pruned = CliRunner().invoke(program, ["prune", "--older-than", "1ms", "--json"])
    assert json.loads(pruned.stdout)["deliveries"] == 1
    assert items("list") == []


def test_a_controller_without_a_webhooks_secret_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting is named, before anybody sends anything."""

    @on_loop
    async def start() -> None:
        with pytest.raises(SettingsError, match="HOOK_GITHUB"):
            await deliver([])

    settle("commit")
    monkeypatch.delenv("HOOK_GITHUB")
    start()
