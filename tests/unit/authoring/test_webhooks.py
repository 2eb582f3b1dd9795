"""Declarations of webhooks: they work, or are refused where they are written."""

from __future__ import annotations

import subprocess
import sys

import pytest

from holdfast import GitHub, Hmac, Stripe, signal, task, webhook, workflow
from holdfast.authoring import Registry, check_webhooks
from holdfast.controller.webhooks import read_webhooks
from holdfast.errors import DefinitionError, SettingsError

VERIFY = GitHub("env:GITHUB_SECRET")


@webhook("above", verify=VERIFY, on="push")
@webhook("above", verify=VERIFY, on="release")
@workflow
async def deploy(body: dict) -> None:
    """Be started."""


@workflow
class Review:
    """Be signalled."""

    async def run(self) -> None:
        """Wait."""

    @signal
    def approve(self, by: str) -> None:
        """Approve it."""


@task
async def work() -> None:
    """Be no workflow."""


def test_a_registry_finds_them_on_workflows_and_as_values():
    """In their order, the one on top first; found twice they are there once."""
    other = webhook("other", verify=VERIFY, start=Review)
    registry = Registry(deploy, other, deploy, other)
    assert [(each.name, each.on, each.start) for each in registry.webhooks["above"]] == [
        ("above", ("push",), "deploy"),
        ("above", ("release",), "deploy"),
    ]
    assert [each.start for each in registry.webhooks["other"]] == ["Review"]
    check_webhooks(registry.webhooks)


def test_a_registry_finds_them_in_modules(tmp_path, monkeypatch):
    """Also those that a module only imports."""
    (tmp_path / "hooked.py").write_text(
        "from holdfast import GitHub, webhook, workflow\n"
        "@webhook('a', verify=GitHub('env:S'))\n@workflow\nasync def run_it(body: dict) -> None: ...\n"
        "b = webhook('b', verify=GitHub('env:S'), start=run_it)\n"
    )
    (tmp_path / "importing.py").write_text("from hooked import b, run_it\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry.from_modules("hooked", "importing")
    assert {name: len(each) for name, each in registry.webhooks.items()} == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    "options",
    [
        {"signal": Review.approve},
        {"signal": 5, "id": "x"},
        {"start": deploy, "id": "pay-{"},
        {"start": deploy, "input": {"a": "body."}},
        {"start": deploy, "filter": "nope(@)"},
        {"start": deploy, "schema": {"$ref": "https://elsewhere.example.com"}},
        {"start": deploy, "id_reuse_policy": "sometimes"},
        {"start": deploy, "verify": "env:S"},
        {"start": deploy, "name": "a/b"},
        {"start": deploy, "name": ""},
        {"start": deploy, "name": "x" * 101},
    ],
)
def test_what_cannot_work_is_refused_with_its_line(options):
    """A signal to no run, no workflow, an expression or schema that is none."""
    given = {"name": "w", "verify": VERIFY} | options
    with pytest.raises(DefinitionError) as caught:
        webhook(given.pop("name"), **given)
    assert "test_webhooks.py" in str(caught.value)
    with pytest.raises(DefinitionError, match="work is no workflow"):
        webhook("w", verify=VERIFY, start=work)


def test_a_decorator_is_for_workflows():
    """Not for tasks, and not for one that starts another."""
    for subject, start in ((work, None), (lambda: None, None), (deploy, Review)):
        with pytest.raises(DefinitionError, match="'w'"):
            webhook("w", verify=VERIFY, start=start)(subject)


@pytest.mark.parametrize(
    "declared",
    [
        [webhook("w", verify=VERIFY)],
        [webhook("w", verify=VERIFY, start=deploy), webhook("w", verify=Stripe("env:S"), start=deploy)],
    ],
)
def test_one_path_does_something_and_is_verified_in_one_way(declared):
    """Nothing to do, or two verifiers, is refused when the controller starts."""
    with pytest.raises(DefinitionError, match="'w'"):
        check_webhooks({"w": declared})


def test_settings_say_the_same():
    """A table for each webhook, with routes or without; what is common to them stands above."""
    one, push, release = read_webhooks(
        {
            "pay": {
                "verify": "stripe",
                "secrets": ["env:S"],
                "tolerance": "1m",
                "start": "deploy",
                "id": "p-{body.id}",
            },
            "git": {
                "verify": "hmac",
                "secrets": ["env:A", "file:/b"],
                "header": "X-Sign",
                "encoding": "base64",
                "start": "deploy",
                "routes": [{"on": "push"}, {"on": ["release"], "input": {"a": "body.b"}}],
            },
        }
    )
    assert (one.name, one.verify, one.start, one.id.text) == (
        "pay",
        Stripe("env:S", tolerance="1m"),
        "deploy",
        "p-{body.id}",
    )
    assert push.verify == Hmac("env:A", "file:/b", header="X-Sign", encoding="base64")
    assert (push.on, push.start, release.on, release.start) == (("push",), "deploy", ("release",), "deploy")
    assert release.where == "[webhooks.git]"


@pytest.mark.parametrize(
    "table",
    [
        5,
        {},
        {"verify": "telepathy", "secrets": ["env:S"]},
        {"verify": "github"},
        {"verify": "github", "secrets": 5},
        {"verify": "github", "secret": "env:S"},
        {"verify": "github", "secrets": [5]},
        {"verify": "github", "secrets": ["canary-secret"]},
        {"verify": "github", "secrets": ["env:S"], "strat": "deploy"},
        {"verify": "github", "secrets": ["env:S"], "header": "X-Sign"},
        {"verify": "hmac", "secrets": ["env:S"]},
        {"verify": "github", "secrets": ["env:S"], "routes": []},
        {"verify": "github", "secrets": ["env:S"], "routes": [5]},
        {"verify": "github", "secrets": ["env:S"], "routes": [{"secrets": ["env:S"]}]},
        {"verify": "github", "secrets": ["env:S"], "start": "deploy", "id": "{"},
        {"verify": "github", "secrets": ["env:S"], "start": "deploy", "id": 5},
        {"verify": "github", "secrets": ["env:S"], "start": "deploy", "filter": 5},
        {"verify": "github", "secrets": ["env:S"], "start": 5},
    ],
)
def test_settings_that_cannot_work_are_refused(table):
    """With the name of the table, and never with what may be a secret."""
    with pytest.raises(SettingsError, match=r"\[webhooks.w\]") as caught:
        read_webhooks({"w": table})
    assert "canary" not in str(caught.value)


def test_a_word_of_a_webhook_that_is_misspelt_is_named():
    """`secret` for `secrets` is a slip; one secret needs no list."""
    with pytest.raises(SettingsError, match="says 'secret', which means nothing there\nDid you mean 'secrets'\\?"):
        read_webhooks({"w": {"verify": "github", "secret": "env:S", "start": "deploy"}})
    (one,) = read_webhooks({"w": {"verify": "github", "secrets": "env:S", "start": "deploy"}})
    assert one.verify == GitHub("env:S")


def test_declaring_a_webhook_loads_no_web_framework():
    """A worker that imports such a module stays light; and what expressions need is loaded when there is one."""
    unwanted = {"fastapi", "uvicorn", "jmespath", "jsonschema_rs"}
    code = f"import sys; from holdfast import Stripe, webhook; print({unwanted} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
