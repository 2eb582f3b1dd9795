"""Bad days with language models, as whoever looks at the run meets them: one clear error, and what the policy says."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw
import pytest

from holdfast import Holdfast, Retry, RunHandle, task, workflow
from holdfast.ai import LLM, Budget, local
from holdfast.errors import RunFailedError
from holdfast.testing.models import HostedModel
from tests.leaks import LOOK_AGAIN_SECONDS

ATTEMPTS: Final = 2
MODEL: Final = "anthropic:claude-sonnet-5-5"
OTHERS: Final = "openai-chat:gpt-4o"
NOBODY: Final = "http://127.0.0.1:9"
LINES_MAX: Final = 3


class Place:
    """A provider, and a stack whose task asks whom the day says."""

    def __init__(self, provider: HostedModel, folder: Path) -> None:
        self.provider = provider
        self.folder = folder
        self.llm: LLM
        self.app: Holdfast
        place = self

        @task(retry=Retry(attempts=ATTEMPTS, initial="1ms"))
        async def ask(question: str) -> str:
            async with place.llm:
                return await place.llm.generate(question)

        @workflow
        async def desk(question: str) -> str:
            return await ask(question)

        self.desk, self.definitions = desk, [desk, ask]

    def model(self, name: str = MODEL, key: str = "env:TEST_MODEL_KEY", budget: Budget | tuple[()] = ()) -> LLM:
        """Return a model of the provider."""
        url = self.provider.url if name.startswith("anthropic") else f"{self.provider.url}/v1"
        return LLM(name, base_url=url, api_key=key, budget=budget)

    def becomes(self, run: RunHandle[str], status: str) -> tuple[str, str]:
        """Wait until a run is what it is to be, or something final; return its status, and what is said of it."""
        while True:
            found = run.describe()
            if found.status != "RUNNING" or (status == "RUNNING" and self.is_put_off()):
                return found.status, self.error_of(run) if found.status == "FAILED" else found.parked
            threading.Event().wait(LOOK_AGAIN_SECONDS)

    def error_of(self, run: RunHandle[str]) -> str:
        """Return why a run failed."""
        with pytest.raises(RunFailedError) as failed:
            run.result()
        return str(failed.value)

    def is_put_off(self) -> bool:
        """Say whether the next attempt comes in half a minute, as it has to when nobody said when."""
        with contextlib.closing(apsw.Connection(str(self.folder / "store.db"), flags=apsw.SQLITE_OPEN_READONLY)) as db:
            return bool(list(db.execute("SELECT 1 FROM task_queue WHERE visible_at > ?", (time.time() + 20.0,))))


@dataclass(frozen=True)
class BadDay:
    """What is wrong, what has to be said, and what becomes of the run."""

    name: str
    asks: Callable[[Place], LLM]
    says: tuple[str, ...]
    """What happened, where, and what to do; nothing where the run goes on."""
    trouble: str = ""
    times: int = 1
    retry_after: str | None = None
    status: str = "FAILED"


def hosted(at: Place) -> LLM:
    """Return a model that would answer."""
    return at.model()


def keyed(key: str) -> Callable[[Place], LLM]:
    """Return what asks with a key."""
    return lambda at: at.model(key=key)


def other(at: Place) -> LLM:
    """Return a model of another provider, which says how long its answers are."""
    return at.model(OTHERS)


def unheard(_: Place) -> LLM:
    """Return a model at an address where nobody listens."""
    return LLM(MODEL, base_url=NOBODY, api_key="env:TEST_MODEL_KEY")


def here(name: str, data: bytes | None, kv_dir: str = "") -> Callable[[Place], LLM]:
    """Return what asks a model in a file with that in it."""

    def ask(at: Place) -> LLM:
        path = at.folder / name
        if data is not None:
            path.write_bytes(data)
        return LLM(local(path, kv_dir=at.folder / kv_dir if kv_dir else None))

    return ask


def paid_from(tokens: int) -> Callable[[Place], LLM]:
    """Return what asks as long as there is something left of a budget for the day."""
    return lambda at: at.model(budget=Budget(tokens=tokens, per="day", name="day"))


DAYS: Final = (
    BadDay("no key", keyed("env:NO_SUCH_KEY"), (MODEL, "there is no key", "Set NO_SUCH_KEY")),
    BadDay("no file of a key", keyed("file:/no/such"), (MODEL, "key cannot be read from /no/such", "Put the key")),
    BadDay("a wrong key", keyed("env:WRONG_KEY"), (MODEL, "does not accept the key", "Look at env:WRONG_KEY")),
    BadDay("an unknown model", hosted, (MODEL, "no such model at http://", "Look at the name"), "unknown model"),
    BadDay("too long", hosted, (MODEL, "prompt is too long", "300000 tokens", "Shorten the prompt"), "too long"),
    BadDay("429 with a time", hosted, (), "rate limit", 1, "0", status="COMPLETED"),
    BadDay("overloaded", hosted, (), "overload", 1, "0", status="COMPLETED"),
    BadDay("429 without a time", hosted, (), "rate limit", status="RUNNING"),
    BadDay("garbage", hosted, (), "garbage", status="COMPLETED"),
    BadDay("only garbage", hosted, (MODEL, "what came from http://", "no answer", "listens"), "garbage", ATTEMPTS),
    BadDay("other garbage", other, (OTHERS, "no answer from http://", "decode"), "garbage", ATTEMPTS),
    BadDay("cut off", hosted, (), "cut off", status="COMPLETED"),
    BadDay("cut off each time", hosted, (MODEL, "broke off before its end"), "cut off", ATTEMPTS),
    BadDay("others cut off", other, (OTHERS, "no answer from http://", "peer closed connection"), "cut off", ATTEMPTS),
    BadDay("nobody listens", unheard, (MODEL, f"no answer from {NOBODY}", "connection attempts failed")),
    BadDay("no model", here("no.gguf", None), ("local:no.gguf", "no file /", "not downloaded: put it there")),
    BadDay("a page", here("page.gguf", b"<html>"), ("local:page.gguf", "is no GGUF file", "fetched again")),
    BadDay("damaged", here("bad.gguf", b"GGUF" + bytes(99)), ("local:bad.gguf", "cannot be loaded", "damaged")),
    BadDay("a folder", here(".", None), ("local:", "its file cannot be read", "Is a directory")),
    BadDay("no folder", here("m.gguf", b"GGUF", "m.gguf/kv"), ("kv_dir", "cannot be made", "may write to")),
    BadDay("no wheel", here("bad.gguf", None), ("holdfast.ai.local", "pip install 'holdfast[local-llm]'"), "no wheel"),
    BadDay("the rest of a budget", paid_from(1), (), status="COMPLETED"),
    BadDay("nothing left", paid_from(1), ("budget 'day' of day", "is used up"), status="PARKED"),
)
"""A full `kv_dir` is met by a warning, not an error: `tests/unit/ai/test_local.py` has it, with the model itself."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Give a provider, and a stack whose tasks ask it."""
    with HostedModel() as provider:
        monkeypatch.setenv("TEST_MODEL_KEY", provider.key)
        monkeypatch.setenv("WRONG_KEY", "stolen")
        found = Place(provider, tmp_path)
        with Holdfast(definitions=found.definitions, store=f"sqlite:///{tmp_path}/store.db") as app:
            found.app = app
            yield found


def test_a_bad_day_is_one_clear_error_and_the_run_does_what_the_policy_says(place, monkeypatch):
    """Failed at once where another attempt is no use, tried again where it may be, put off, or parked."""
    wrong = {day.name: said for day in DAYS if (said := complaint(place, day, monkeypatch))}
    assert wrong == {}
    # The table sees a model that fails otherwise than it has to, and an error that says less.
    fewer = BadDay("planted", keyed("env:TEST_MODEL_KEY"), ("there is no key",))
    assert "COMPLETED" in complaint(place, fewer, monkeypatch)
    vague = BadDay("vague", keyed("env:WRONG_KEY"), ("why it does not",))
    assert "does not say 'why it does not'" in complaint(place, vague, monkeypatch)


def complaint(place: Place, day: BadDay, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have a run meet a bad day; return what is not as it has to be, empty for nothing."""
    with monkeypatch.context() as changed:
        if day.trouble == "no wheel":
            (place.folder / "xllamacpp.py").write_text("raise ImportError('not here')")
            changed.setenv("PYTHONPATH", os.pathsep.join((str(place.folder), os.environ.get("PYTHONPATH", ""))))
        elif day.trouble:
            place.provider.give_trouble(day.trouble, day.times, retry_after=day.retry_after)
        place.llm = day.asks(place)
        status, said = place.becomes(place.app.start(place.desk, "How many legs?", id=day.name), day.status)
    if status != day.status:
        return f"the run is {status}: {said}"
    if place.provider.troubles:
        return "an attempt is not one request"
    missing = [f"it does not say {words!r}: {said}" for words in day.says if words not in said]
    if "stolen" in said or said.count("\n") > LINES_MAX:
        missing.append(f"it says too much: {said}")
    return "; ".join(missing)
