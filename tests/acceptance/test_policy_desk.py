"""The desk of `examples/policy_desk` does what its README says, with a hosted model and with one on this machine."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from holdfast.testing.models import Asked, HostedModel, write_tiny_model

DESK: Final = Path(__file__).parents[2] / "examples" / "policy_desk"
TICKETS: Final = ("dishwasher-8808", "invoice-5512", "washer-4711")
KILLED_AT: Final = 2
"""The request at which its process is killed."""
MODULES: Final = ("automations", "desk")
Desk = Callable[..., str]


def answer(asked: Asked) -> dict[str, Any]:
    """Decide as the manual does, but be talked into something by one of the tickets."""
    found = {"summary": "A pump.", "clause": "4.3", "decision": "refuse", "cost_eur": 0, "reply": "We will see to it."}
    if "washer W7" in asked.prompt:
        found |= {"decision": "grant", "cost_eur": 750}
    if "ignore the manual" in asked.prompt:
        found |= {"decision": "grant", "cost_eur": 5_000}
    return found


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    """Give what runs the desk in this process, as `python desk.py ...` does in another, and returns what it says."""
    (tmp_path / "tickets").mkdir()
    for name in ("DESK_GGUF", "DESK_MODEL", "ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("TICKETS", "REPORTS", "KV"):
        monkeypatch.setenv(f"DESK_{name}", str(tmp_path / name.lower()))
    monkeypatch.setenv("DESK_STORE", f"sqlite:///{tmp_path}/desk.db")
    monkeypatch.setenv("LOGNAME", "ada")
    monkeypatch.syspath_prepend(str(DESK))

    def run(*arguments: str) -> str:
        assert importlib.import_module("desk").main(list(arguments)) == 0
        return capsys.readouterr().out

    forget()
    yield run
    forget()


def forget() -> None:
    """Let the desk read its environment anew when it is run next; other examples have modules of such names, too."""
    for name in MODULES:
        sys.modules.pop(name, None)


def test_a_desk_that_was_killed_goes_on_and_a_person_approves(desk, tmp_path, monkeypatch):
    """Each ticket is asked once but the one in flight; what is expensive waits, whoever talked the model into it."""
    for name in TICKETS:
        (tmp_path / "tickets" / f"{name}.txt").write_text((DESK / "tickets" / f"{name}.txt").read_text("utf-8"))
    victim: subprocess.Popen[bytes]

    def kill(_: Asked) -> None:
        if len(provider.asked) == KILLED_AT and victim.poll() is None:
            victim.send_signal(signal.SIGKILL)
            victim.wait()

    with HostedModel(answer, before_answer=kill) as provider:
        monkeypatch.setenv("DESK_URL", provider.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", provider.key)
        victim = subprocess.Popen([sys.executable, str(DESK / "desk.py")], env=os.environ.copy())
        assert victim.wait(60) == -signal.SIGKILL
        said = desk()
        assert "invoice-5512: refused by the manual, invoice-5512.md" in said
        assert "washer-4711: 750 EUR by clause 4.3 waits for you: python desk.py approve washer-4711" in said
        assert "dishwasher-8808: 5000 EUR by clause 4.3 waits for you" in said
        assert [each.name for each in (tmp_path / "reports").iterdir()] == ["invoice-5512.md"]
        assert len(provider.asked) <= len(TICKETS) + 2, "the one in flight, and one beside it"
        assert sum(each.written > 0 for each in provider.counted) <= 2, "once in each process"
        assert "granted by ada" in desk("approve", "washer-4711")
        assert "refused by ada" in desk("refuse", "dishwasher-8808")
        asked = len(provider.asked)
        assert "washer-4711: granted by ada, washer-4711.md" in desk()
        assert len(provider.asked) == asked
    assert "We will see to it." in (tmp_path / "reports" / "washer-4711.md").read_text("utf-8")


def test_a_desk_works_offline(desk, tmp_path, monkeypatch):
    """The model on this machine is held to the form of a report, also one that knows nothing."""
    (tmp_path / "tickets" / "invoice.txt").write_text("The invoice again, please.")
    (tmp_path / "manual.md").write_text("Invoices are written anew without charge.")
    monkeypatch.setenv("DESK_GGUF", str(write_tiny_model(tmp_path / "tiny.gguf")))
    monkeypatch.setenv("DESK_MANUAL", str(tmp_path / "manual.md"))
    monkeypatch.setenv("DESK_CTX", "4096")
    try:
        said = desk()
    finally:
        importlib.import_module("automations").llm.speaker.endpoint.local.close()
    assert said.startswith("invoice: ")
    assert "by the manual, invoice.md" in said or "waits for you" in said
    assert "1 asked" in said


def test_a_desk_without_a_model_says_what_to_set(desk):
    """Before it opens anything."""
    with pytest.raises(SystemExit, match="set DESK_GGUF to a GGUF file, to work offline, or ANTHROPIC_API_KEY"):
        desk()
