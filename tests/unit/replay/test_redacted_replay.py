"""A capture without its secrets still replays as the run did."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from pydantic import BaseModel

from holdfast import Holdfast, Retry, RunFailedError, map_tasks, run_info, set_attributes, task, workflow
from holdfast.history import FanOutStarted, History, decode_attributes, to_json
from holdfast.replay import Verdict, WorkflowReplayer, load_history
from holdfast.replay.captures import CaptureFolder
from tests.unit.replay.test_redaction import scan

PASSWORD = "hunter2/with spaces & ünusual"
CARD = "4242 4242 4242 4242"


class Account(BaseModel):
    """What somebody logs in with."""

    user: str
    password: str
    pin: int
    card_number: str


@task
async def call(url: str, header: str, body: str) -> dict[str, str]:
    """Answer with what was sent."""
    return {"url": url, "session_token": f"tok-{body}"}


@task
async def check(item: str) -> str:
    """Answer."""
    return f"checked {item}"


@task(retry=Retry(attempts=1))
async def refuse(number: str, pin: int, token: str) -> str:
    """Fail, and say too much."""
    raise ValueError(f"{number} with {pin} and {token} is not accepted")


@task
async def tell(problem: str) -> None:
    """Do nothing."""


@workflow
async def pay(account: Account) -> str:
    """Use secrets in every way in which a workflow can without looking into them."""
    credentials = base64.b64encode(f"{account.user}:{account.password}".encode()).decode()
    answer = await call(
        f"https://shop.example/login?user={account.user}&password={quote(account.password, safe='')}",
        f"Basic {credentials}",
        json.dumps({"password": account.password, "pin": account.pin}),
    )
    await map_tasks(check, [account.password, answer["session_token"], account.card_number])
    try:
        return await refuse(account.card_number.replace(" ", ""), account.pin, answer["session_token"])
    except Exception as error:
        await tell(str(error.__cause__ or error))
        raise


@pytest.fixture
def capture(tmp_path: Path) -> History:
    """Let a run fail, and return its capture."""
    account = Account(user="ada", password=PASSWORD, pin=48151623, card_number=CARD)
    app = Holdfast(modules=[__name__], store=f"sqlite:///{tmp_path}/holdfast.db", tune_gc=False)
    with app, pytest.raises(RunFailedError):
        app.start(pay, account, id="p-1").result(timeout=60)
    (entry,) = CaptureFolder(tmp_path / "captures").entries()
    return load_history(entry.path)


def test_the_same_verdict(capture: History) -> None:
    """Recorded replay ends like production did, decision by decision, and nothing secret is in the file."""
    text = to_json(capture.events, outcomes=capture.outcomes, capture=capture.capture).decode()
    for secret in (PASSWORD, CARD, CARD.replace(" ", ""), "48151623"):
        assert scan(text, secret) == []
    result = WorkflowReplayer(pay).replay(capture)
    assert (result.verdict, result.status) == (Verdict.IDENTICAL, "FAILED"), result.diff()
    assert result.matches_production


def test_changed_code_is_still_found(capture: History) -> None:
    """Redaction hides secrets, not what the code does differently."""

    @workflow(name="pay")
    async def changed(account: Account) -> str:
        await call("https://elsewhere.example", "", "")
        return account.user

    assert WorkflowReplayer(changed).replay(capture).verdict == Verdict.DIVERGED


def test_a_fan_out_of_other_items_is_found_where_its_digest_is_known(capture: History) -> None:
    """Only an empty digest fits any items."""
    assert [each.digest for each in capture.events if isinstance(each, FanOutStarted)] == [b""]
    events = [
        msgspec.structs.replace(each, digest=b"\1" * 16) if isinstance(each, FanOutStarted) else each
        for each in capture.events
    ]
    result = WorkflowReplayer(pay).replay(History(events, capture.outcomes))
    assert [each.kind for each in result.divergences] == ["INPUT_CHANGED"]


@workflow
async def label(account: Account) -> list[str]:
    """Put what is secret into attributes, which nobody should do, and fail."""
    set_attributes({"user": account.user, "password": account.password, "pin": account.pin, "plain": 12.5})
    await tell("labelled")
    raise ValueError(sorted(run_info().attributes))


def test_attributes_are_redacted_and_stay_literals(tmp_path: Path) -> None:
    """Also those of the start; the capture replays to the same end."""
    store = f"sqlite:///{tmp_path}/s.db"
    account = Account(user="ada", password=PASSWORD, pin=839_461, card_number=CARD)
    with Holdfast(definitions=[label, tell], store=store, capture_dir=tmp_path / "captures") as app:
        handle = app.start(label, account, id="l-1", attributes={"token": PASSWORD, "region": "eu"})
        with pytest.raises(RunFailedError):
            handle.result(timeout=30)
    (entry,) = CaptureFolder(tmp_path / "captures").entries()
    text = entry.path.read_text("utf-8")
    assert PASSWORD not in json.loads(json.dumps(text))
    assert "839461" not in text
    history = load_history(entry.path)
    assert decode_attributes(history.started.attributes)["region"] == "eu"
    result = WorkflowReplayer(label).replay(history)
    assert (result.verdict, result.status) == (Verdict.IDENTICAL, "FAILED")
