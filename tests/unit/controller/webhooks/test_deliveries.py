"""What comes to a webhook: taken once, refused alike, and in the inbox with the true reason."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import GitHub, Hmac, Slack, StandardWebhooks, Stripe, signal, wait_for_signal, webhook, workflow
from holdfast.controller import Scope
from holdfast.controller.webhooks import desk
from holdfast.controller.webhooks.redaction import HEADER_CHARACTERS_MAX, Redaction
from holdfast.errors import DefinitionError, SettingsError, UnknownNameError
from tests.logbook import logbook
from tests.unit.controller.rig import START, Review, check_problem, greet, on_loop, raw_request, serving
from tests.unit.controller.webhooks.senders import SECRETS, github, plain, slack, standard, stripe

pytestmark = pytest.mark.usefixtures("backend")

AT = int(START)
REFUSAL = "this delivery's signature is not good"


@webhook("shop", verify=Hmac("env:HOOK_SHOP", header="X-Sign", algorithm="sha1"), id="order-{body.id}")
@workflow
async def ordered(order: dict[str, Any]) -> None:
    """Start with the whole body."""


@workflow
class Listening:
    """Handle one signal, and wait for another."""

    async def run(self) -> str:
        """Wait for a word that has no handler."""
        return await wait_for_signal("answer", type=str)

    @signal
    def hush(self) -> None:
        """Hear it."""


DEFINITIONS = (
    greet,
    Review,
    ordered,
    webhook("pay", verify=Stripe("env:HOOK_STRIPE"), start=greet, id="pay-{body.data.id}", input="body.data.name"),
    webhook(
        "git", verify=GitHub("env:HOOK_GITHUB"), on="push", filter="!(body.deleted)", start=greet, input="body.ref"
    ),
    webhook(
        "git",
        verify=GitHub("env:HOOK_GITHUB"),
        on=["review", "comment"],
        signal=Review.approve,
        id="r-{body.number}",
        message="body.by",
    ),
    webhook(
        "std",
        verify=StandardWebhooks("env:HOOK_STANDARD"),
        start="Review",
        signal="approve",
        id="r-{body.number}",
        input={"order": {"account": "body.account", "lines": "body.lines"}, "note": "'by webhook'"},
        message="body.by",
    ),
    webhook("chat", verify=Slack("env:HOOK_SLACK"), start=greet, input="body.event.text"),
)


@pytest.fixture(autouse=True)
def _secrets(monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def encode(body) -> bytes:
    """Return JSON text."""
    return msgspec.json.encode(body)


async def send(api, name, sign, body, **options):
    """Send a delivery, as its sender does."""
    text = body if isinstance(body, bytes) else encode(body)
    return await api.http.post(f"/v1/hooks/{name}", content=text, headers=sign(text, at=AT, **options))


async def inbox(api, **where):
    """Return the deliveries in the inbox, newest first."""
    return (await api.http.get("/v1/deliveries", params=where)).json()["deliveries"]


def payment(number=1, **more):
    """Return what a payment provider sends."""
    return {"id": f"evt_{number}", "type": "charge", "data": {"id": number, "name": "bob"}, **more}


@on_loop
async def test_a_delivery_starts_a_run_and_is_answered_alike_for_ever(tmp_path):
    """202 with the run's id; three at once, later, through another process, signed anew: one run, the same answer."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        answers = await asyncio.gather(*(send(api, "pay", stripe, payment()) for _ in range(3)))
        assert [each.status_code for each in answers] == [202] * 3
        (answer,) = {each.content for each in answers}
        assert msgspec.json.decode(answer) == {
            "delivery": answers[0].json()["delivery"],
            "state": "accepted",
            "run_id": "pay-1",
        }
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        api.clock.time += 3_600
        text = encode(payment())
        later = await api.http.post("/v1/hooks/pay", content=text, headers=stripe(text, at=AT + 3_600))
        assert (later.status_code, later.content) == (202, answer)
        runs = (await api.http.get("/v1/runs", params={"payloads": True})).json()["runs"]
        assert [(each["run_id"], each["workflow"]) for each in runs] == [("pay-1", "greet")]
        (started, *_) = await api.engine.history("pay-1")
        assert started.event.input == b'"bob"'
        (row,) = await inbox(api)
        assert (row["state"], row["delivery_id"], row["event"], row["attempts"]) == ("accepted", "evt_1", "charge", 1)


@on_loop
async def test_what_is_not_genuine_is_refused_alike(tmp_path):
    """Forged, stale, future, replayed, truncated, oversized: one answer, byte by byte; the inbox knows why."""
    async with serving(tmp_path, definitions=DEFINITIONS, body_bytes_max=2_000) as api:
        text = encode(payment())
        good = stripe(text, at=AT)
        big = encode(payment(note="x" * 3_000))
        pieces = [big[each : each + 500] for each in range(0, len(big), 500)]
        taken = await send(api, "git", github, {"ref": "main"})
        assert taken.status_code == 202
        answers = [
            await api.http.post("/v1/hooks/pay", content=text, headers=headers)
            for headers in (
                stripe(text, at=AT, secret="somebody else's"),
                stripe(text, at=AT - 301),
                stripe(text, at=AT + 301),
                {},
            )
        ]
        answers.append(await api.http.post("/v1/hooks/pay", content=text[:-5], headers=good))
        answers.append(await api.http.post("/v1/hooks/pay", content=big, headers=stripe(big, at=AT)))
        headers = [("host", "localhost"), *stripe(big, at=AT).items()]
        answers.append(await raw_request(api.app, "POST", b"/v1/hooks/pay", headers=headers, body=pieces))
        bodies = {each.content if hasattr(each, "content") else each.body for each in answers}
        assert len(bodies) == 1
        for each in answers:
            assert REFUSAL in check_problem(each, 401, "HF630")["detail"]
        replayed = await send(api, "git", github, {"ref": "main"}, delivery="d-2")
        assert REFUSAL in check_problem(replayed, 401, "HF630")["detail"]
        assert {**replayed.json(), "instance": ""} == {**answers[0].json(), "instance": ""}
        rows = await inbox(api, state="refused")
        reasons = [each["reason"] for each in rows][::-1]
        expected = ("forged", "stale", "future", "no header", "changed", "larger than", "larger than", "replayed")
        assert len(reasons) == len(expected), reasons
        for reason, words in zip(reasons, expected, strict=True):
            assert words in reason, reasons
        assert len((await api.http.get("/v1/runs")).json()["runs"]) == 1
        detail = (await api.http.get(f"/v1/deliveries/{rows[-1]['delivery']}")).json()
        assert detail["headers"]["stripe-signature"] == "REDACTED"
        assert detail["body"] == payment()


@on_loop
async def test_the_first_declaration_that_fits_is_done(tmp_path):
    """By event, then by filter; what nobody wants is taken all the same, so that nobody sends it for ever."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        await api.service.starts.start("Review", b'{"order":{"account":"a"}}', "r-7")
        pushed = await send(api, "git", github, {"ref": "main"}, delivery="d-1")
        assert pushed.json()["run_id"] == "git-d-1"
        deleted = await send(api, "git", github, {"ref": "gone", "deleted": True}, delivery="d-2")
        assert (deleted.status_code, deleted.json()["state"]) == (202, "ignored")
        assert "about 'push'" in deleted.json()["reason"]
        text = encode({"number": 7, "by": "ann"})
        headers = {**github(text, delivery="d-3"), "X-GitHub-Event": "review"}
        signalled = [await api.http.post("/v1/hooks/git", content=text, headers=headers) for _ in range(2)]
        assert [each.json()["run_id"] for each in signalled] == ["r-7"] * 2
        record = await api.store.run("r-7")
        (row,) = await api.store.execution_inbox(record.execution_id)
        assert (row.name, row.body) == ("approve", b'"ann"')
        assert [each["state"] for each in await inbox(api)] == ["accepted", "ignored", "accepted"]


@on_loop
async def test_a_run_is_started_and_signalled_in_one(tmp_path):
    """With start and signal: the first delivery starts the run, each signals it; inputs are mapped and validated."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        body = {"number": 1, "account": "acme", "lines": [{"name": "x"}], "by": "ann"}
        first = await send(api, "std", standard, body, delivery="m-1")
        second = await send(api, "std", standard, {**body, "by": "bob", "account": "other"}, delivery="m-2")
        assert [first.json()["run_id"], second.json()["run_id"]] == ["r-1", "r-1"]
        (started, *_) = await api.engine.history("r-1")
        expected = {"order": {"account": "acme", "lines": [{"name": "x", "count": 1}]}, "note": "by webhook"}
        assert msgspec.json.decode(started.event.input) == expected
        record = await api.store.run("r-1")
        assert [each.body for each in await api.store.execution_inbox(record.execution_id)] == [b'"ann"', b'"bob"']


@on_loop
async def test_a_delivery_without_an_id_is_known_by_what_is_in_it(tmp_path):
    """The same body is the same delivery; the decorated workflow gets it whole."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        for _ in range(2):
            assert (await send(api, "shop", plain, {"id": 5, "lines": []})).json()["run_id"] == "order-5"
        (row,) = await inbox(api)
        assert row["delivery_id"].startswith("sha256:")


@on_loop
async def test_slack_gets_its_challenge_back(tmp_path):
    """Without that no address can be entered there; only whoever signs it is answered."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        asked = await send(api, "chat", slack, {"type": "url_verification", "challenge": "abc"})
        assert (asked.status_code, asked.json()) == (200, {"challenge": "abc"})
        forged = await send(api, "chat", slack, {"type": "url_verification", "challenge": "abc"}, secret="not theirs")
        check_problem(forged, 401, "HF630")
        said = await send(api, "chat", slack, {"event_id": "Ev1", "event": {"type": "message", "text": "hi"}})
        assert said.json()["run_id"] == "chat-Ev1"
        assert [each["state"] for each in await inbox(api)] == ["accepted", "refused", "ignored"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 422, "truncated"),
        (b'{"id":"a","id":"a"}', 422, "more than once"),
        (b'{"id":NaN}', 422, "malformed"),
        (b"[" * 100_000, 422, "JSON_DEPTH_MAX"),
        (payment(data={"name": "bob"}), 422, "finds nothing"),
        (payment(data={"id": 1, "name": 7}), 422, "greet"),
        (payment(data={"id": "a\nb", "name": "bob"}), 422, "run id"),
        (payment(data={"id": [1], "name": "bob"}), 422, "list"),
        (payment(id={"no": "id"}), 422, "no short text"),
    ],
)
@on_loop
async def test_what_is_genuine_and_makes_no_sense_is_told_and_noted(tmp_path, body, status, words):
    """The sender hears what does not fit, the inbox keeps it, and no run is started."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        for _ in range(2):
            answer = await send(api, "pay", stripe, body)
            problem = check_problem(answer, status)
            assert words in str(problem)
        (row,) = await inbox(api)
        assert (row["state"], row["attempts"], row["run_id"]) == ("failed", 2, None)
        assert words in row["reason"]
        assert not (await api.http.get("/v1/runs")).json()["runs"]


@on_loop
async def test_another_body_under_the_same_id_is_refused(tmp_path):
    """409: a sender names each delivery once."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        await send(api, "pay", stripe, payment())
        problem = check_problem(await send(api, "pay", stripe, payment(note="other")), 409, "HF632")
        assert "another body" in problem["detail"]
        assert [each["state"] for each in await inbox(api)] == ["refused", "accepted"]


@on_loop
async def test_a_run_that_cannot_be_signalled_fails_the_delivery(tmp_path):
    """404 while there is none, 409 for another input; sent again once it is there, it goes through."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        text = encode({"number": 9, "by": "ann"})
        headers = {**github(text), "X-GitHub-Event": "comment"}
        check_problem(await api.http.post("/v1/hooks/git", content=text, headers=headers), 404, "HF601")
        await send(api, "pay", stripe, payment())
        check_problem(await send(api, "pay", stripe, payment(2, data={"id": 1, "name": "eve"})), 409, "HF603")
        assert [each["state"] for each in await inbox(api)] == ["failed", "accepted", "failed"]
        await api.service.starts.start("Review", b'{"order":{"account":"a"}}', "r-9")
        answer = await api.http.post("/v1/hooks/git", content=text, headers=headers)
        assert (answer.status_code, answer.json()["run_id"]) == (202, "r-9")


@on_loop
async def test_failed_deliveries_are_carried_out_again_after_a_fix(tmp_path):
    """One by its number, many by filter; each starts once; what was refused cannot be trusted, and is not."""
    broken = webhook("pay", verify=Stripe("env:HOOK_STRIPE"), start=greet, id="pay-{body.data.id}", input="body.nmae")
    async with serving(tmp_path, definitions=(greet, broken)) as api:
        for number in range(4):
            check_problem(await send(api, "pay", stripe, payment(number)), 422)
        await send(api, "pay", stripe, payment(), secret="nobody's secret")
        again = await api.http.post("/v1/deliveries/redeliver", json={})
        assert [len(again.json()[each]) for each in ("done", "failed")] == [0, 4]
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        refused, last, *_ = await inbox(api)
        for _ in range(2):
            answer = await api.http.post(f"/v1/deliveries/{last['delivery']}/redeliver")
            assert (answer.status_code, answer.json()["run_id"]) == (202, "pay-3")
        check_problem(await api.http.post(f"/v1/deliveries/{refused['delivery']}/redeliver"), 422, "HF631")
        check_problem(await api.http.post("/v1/deliveries/999999/redeliver"), 404, "HF604")
        parts = []
        cursor: str | None = ""
        while cursor is not None:
            body = {"webhook": "pay", "limit": 2} | ({"cursor": cursor} if cursor else {})
            part = (await api.http.post("/v1/deliveries/redeliver", json=body)).json()
            parts += [each["run_id"] for each in part["done"]]
            cursor = part["next"]
        assert sorted(parts) == ["pay-0", "pay-1", "pay-2"]
        assert len((await api.http.get("/v1/runs")).json()["runs"]) == 4
        assert (await send(api, "pay", stripe, payment(2))).json()["run_id"] == "pay-2"
        assert len((await api.http.get("/v1/runs")).json()["runs"]) == 4
        assert {each["state"] for each in await inbox(api)} == {"accepted", "refused"}


@on_loop
async def test_what_was_ignored_is_done_on_purpose(tmp_path):
    """After a declaration was added, by its number."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        await send(api, "git", github, {"ref": "gone", "deleted": True})
    wanted = webhook("git", verify=GitHub("env:HOOK_GITHUB"), start=greet, input="body.ref")
    async with serving(tmp_path, definitions=(greet, wanted)) as api:
        assert (await send(api, "git", github, {"ref": "gone", "deleted": True})).json()["state"] == "ignored"
        (row,) = await inbox(api)
        done = (await api.http.post("/v1/deliveries/redeliver", json={"state": "ignored"})).json()["done"]
        assert [(each["delivery"], each["run_id"]) for each in done] == [(row["delivery"], "git-d-1")]


@pytest.mark.only_on("sqlite")  # it looks into the file
@on_loop
async def test_secrets_are_kept_out_of_the_inbox(tmp_path, monkeypatch):
    """Signatures, keys and cookies in headers, what is under telling names, and what is known to be secret."""
    monkeypatch.setenv("PARTNER_TOKEN", "canary-known-0123")
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        body = payment(password="canary-password", note="it is canary-known-0123", apiKey=["canary-list"])
        text = encode(body)
        headers = stripe(text, at=AT) | {
            "Authorization": "Bearer canary-bearer",
            "Cookie": "session=canary-cookie",
            "X-Api-Key": "canary-header",
            "X-Plain": "as it is; canary-known-0123",
            "X-Long": "x" * (HEADER_CHARACTERS_MAX - 8) + "canary-known-0123",  # what is cut was a secret before
        }
        assert (await api.http.post("/v1/hooks/pay", content=text, headers=headers)).status_code == 202
        headers["Stripe-Signature"] = stripe(text, at=AT, secret="canary-forged")["Stripe-Signature"]
        assert (await api.http.post("/v1/hooks/pay", content=text, headers=headers)).status_code == 401
        rows = await inbox(api)
        shown = [(await api.http.get(f"/v1/deliveries/{each['delivery']}")).text for each in rows]
        assert not any("canary" in each for each in [*shown, str(rows)])
        assert all("as it is; REDACTED" in each for each in shown)
        signature = stripe(text, at=AT)["Stripe-Signature"].rpartition("=")[2]
        stored = (tmp_path / "store.db").read_bytes() + (tmp_path / "store.db-wal").read_bytes()
        for each in ("canary-bearer", "canary-cookie", "canary-header", signature):
            assert each.encode() not in stored


UNKNOWN = "canary-unknown-0123456789"
KNOWN = 'canary-known "0123"/+é'
FORMS = [
    KNOWN,
    quote(KNOWN, safe=""),
    json.dumps(KNOWN)[1:-1],
    json.dumps(KNOWN, ensure_ascii=False)[1:-1],
    base64.b64encode(KNOWN.encode()).decode(),
    base64.b64encode(b"user:" + KNOWN.encode()).decode(),
    KNOWN.encode().hex(),
    html.escape(KNOWN),
]
"""One that the process knows, as it may stand in other texts."""


@pytest.mark.only_on("sqlite")  # as above
@on_loop
async def test_no_canary_gets_out_of_a_delivery(tmp_path, monkeypatch):
    """By name, by value in any escaping, by its looks: inbox, logs, answers and metrics do not have it."""
    monkeypatch.setenv("PARTNER_TOKEN", KNOWN)
    monkeypatch.setenv("SHOP_DSN", f"postgresql://shop:{UNKNOWN}-dsn@db/shop")
    named = (
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "X-Api-Key",
        "X-Gitlab-Token",
        "X-Hub-Signature-256",
        "X-Signature-Ed25519",
        "X-Shopify-Hmac-Sha256",
        "X-CSRFToken",
        "Ocp-Apim-Subscription-Key",
        "X-Twilio-Signature",
        "X-Auth",
        "X-Session-Id",
    )
    headers = dict.fromkeys(named, UNKNOWN) | {
        "X-Forwarded-Uri": f"/v1/hooks/pay?lang=en&access_token={UNKNOWN}",
        "Referer": f"https://shop:{UNKNOWN}@shop.example/",
        "X-Note": f"bearer {UNKNOWN}",
        "X-Key-Of-Ours": "hf_" + "Canary" * 5,
        "X-Database": f"{UNKNOWN}-dsn",
        "Idempotency-Key": "kept-1",
        "X-Number": "4242424242424242",
    }
    headers |= {f"X-Form-{index}": each for index, each in enumerate(FORMS) if each.isascii()}
    inside = {"password": UNKNOWN, "deep": json.dumps({"api_key": UNKNOWN, "say": KNOWN})}
    body = payment(
        url=f"https://x.example/?token={UNKNOWN}",
        text=f'login with "client_secret": "{UNKNOWN}" and {KNOWN}',
        nested=json.dumps(inside),
        card="4242 4242 4242 4242",
        lines=FORMS,
        **{f"key {KNOWN}": 1},
    )
    text = encode(body)
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        with logbook(monkeypatch) as book:
            good = stripe(text, at=AT)
            forged = stripe(text, at=AT, secret="canary-forged")
            wrong = encode({"data": {"id": 5, "name": {"password": UNKNOWN}}, "id": "evt_2"})
            answers = [
                await api.http.post("/v1/hooks/pay", content=content, headers=headers | signed)
                for content, signed in ((text, good), (text, forged), (wrong, stripe(wrong, at=AT)))
            ]
        assert [each.status_code for each in answers] == [202, 401, 422]
        rows = await inbox(api)
        shown = [(await api.http.get(f"/v1/deliveries/{each['delivery']}")).json() for each in rows]
        failed = (await api.http.post("/v1/deliveries/redeliver", json={"state": "failed"})).text
        metrics = (await api.http.get("/metrics")).text
        said = {
            "inbox": "".join(json.dumps(each) + json.dumps(each, ensure_ascii=False) for each in shown),
            "answers": "".join(each.text for each in answers) + failed,
            "logs": book.text,
            "metrics": metrics,
        }
        for place, words in said.items():
            assert "anary" not in words, (place, words[max(0, words.find("anary") - 200) :][:300])
            assert not [each for each in FORMS if each in words], place
        assert len(rows) == 3
        for counted in ('state="accepted"', 'reason="forged",state="refused"', 'state="failed"'):
            assert re.search(rf"^holdfast_deliveries_total{{.*{counted}.*}} 1.0$", metrics, re.MULTILINE), metrics
        for each in shown:
            assert each["headers"]["idempotency-key"] == "kept-1"
            assert each["headers"]["x-number"] == "4242424242424242"  # it may be an id
        assert all("4242 4242" not in each for each in said.values())
        stored = (tmp_path / "store.db").read_bytes() + (tmp_path / "store.db-wal").read_bytes()
        assert b"canary-forged" not in stored


def test_what_settings_call_secret_is_not_shown():
    """Patterns count in texts, numbers, keys and headers; group `secret` alone goes; mail addresses where asked for."""
    given = {"note": "code 7F-121314 of ada@shop.test", "code": 121314, "7F-121314": True, "rate": 1.5}
    patterns = (r"7F-(?P<secret>\d{6})", "^121314$")
    redaction = Redaction((), patterns, emails=True)
    assert redaction.body(encode(given)) == {
        "note": "code 7F-REDACTED of REDACTED",
        "code": "REDACTED",
        "7F-REDACTED": True,
        "rate": 1.5,
    }
    headers = [(b"X-Code", b"121314"), (b"X-Note", b"7F-121314"), (b"From", b"ada@shop.test"), (b"X-Id", b"121315")]
    shown = {"x-code": "REDACTED", "x-note": "7F-REDACTED", "from": "REDACTED", "x-id": "121315"}
    assert redaction.headers(headers, ()) == shown
    assert Redaction().body(encode(given)) == given
    with pytest.raises(SettingsError, match="redact_patterns: '\\('"):
        Redaction((), ("(",))


@on_loop
async def test_a_secret_that_is_missing_is_said_to_be_whose(tmp_path, monkeypatch):
    """Which webhook, where it is declared, which variable, and what to do."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        api.service.webhooks.check()
        monkeypatch.delenv("HOOK_SLACK")
        with pytest.raises(SettingsError) as caught:
            api.service.webhooks.check()
    words = str(caught.value)
    assert "webhook 'chat' cannot check signatures: its verifier names 'env:HOOK_SLACK'" in words
    assert "test_deliveries.py:" in words
    assert "Set HOOK_SLACK to the secret." in words


@on_loop
async def test_a_flood_of_forged_deliveries_is_answered_and_not_all_noted(tmp_path, monkeypatch):
    """Whoever forges them must not keep the disk busy: some are noted, the number of the others is in the log."""
    monkeypatch.setattr(desk, "REFUSALS_NOTED_AT_A_TIME_MAX", 5)
    said = []
    monkeypatch.setattr(desk.log, "warning", lambda *_, **fields: said.append(fields["unnoted"]), raising=False)
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        forged = (send(api, "pay", stripe, payment(each), secret="not the secret") for each in range(40))
        assert {each.status_code for each in await asyncio.gather(*forged)} == {401}
        noted = len(await inbox(api, state="refused"))
        assert noted >= 5
        assert noted + sum(said) == 40
        assert (await send(api, "pay", stripe, payment())).status_code == 202


@on_loop
async def test_a_body_has_to_fit_its_schema(tmp_path):
    """422 with a pointer to each field, and nothing of their values."""
    schema = {"properties": {"number": {"type": "integer"}, "by": {"pattern": "^[a-z]+$"}}, "required": ["number"]}
    strict = webhook("strict", verify=GitHub("env:HOOK_GITHUB"), start=greet, input="body.by", schema=schema)
    async with serving(tmp_path, definitions=(greet, strict)) as api:
        answer = await send(api, "strict", github, {"number": "canary", "by": "CANARY"})
        problem = check_problem(answer, 422, "HF402")
        assert {each["pointer"] for each in problem["errors"]} == {"/number", "/by"}
        assert "canary" not in answer.text.lower()
        taken = await send(api, "strict", github, {"number": 1, "by": "ann"}, delivery="d-2")
        assert taken.json()["run_id"] == "strict-d-2"


@on_loop
async def test_a_webhook_needs_no_key_and_its_inbox_does(tmp_path):
    """The signature says who sends; a stranger learns neither names nor what came."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        keys = await api.make_keys()
        assert (await send(api, "pay", stripe, payment())).status_code == 202
        check_problem(await send(api, "nothing", stripe, payment()), 404, "HF604")
        assert "pay" not in (await send(api, "nothing", stripe, payment())).json()["detail"]
        check_problem(await api.http.get("/v1/deliveries"), 401)
        bearer = {"Authorization": f"Bearer {keys[Scope.READ]}"}
        assert (await api.http.get("/v1/deliveries", headers=bearer)).status_code == 200
        check_problem(await api.http.post("/v1/deliveries/1/redeliver", headers=bearer), 403)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "data", "name", "ref", "number", "by", "event", "type"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
SENT = st.tuples(
    st.sampled_from([("pay", stripe), ("git", github), ("std", standard), ("chat", slack), ("shop", plain)]),
    st.one_of(JSON.map(encode), st.binary(max_size=30), st.just(b"[" * 5_000), st.just(b'{"id":1e999}')),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=5),
)


@pytest.mark.only_on("sqlite")  # each example has a store of its own
@settings(max_examples=10, deadline=None)
@given(st.lists(SENT, min_size=5, max_size=15))
def test_whatever_is_signed_is_answered_properly(sent):
    """A sender can sign anything: it is taken, or told what is wrong with it, and never an accident of ours."""

    async def run(folder: Path) -> None:
        async with serving(folder, definitions=DEFINITIONS) as api:
            for (name, sign), body, delivery in sent:
                answer = await send(api, name, sign, body, delivery=delivery)
                assert answer.status_code in {200, 202, 401, 404, 409, 422}, answer.text
            assert (await api.http.get("/v1/deliveries", params={"limit": 500})).status_code == 200

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


@on_loop
async def test_the_inbox_pages_and_filters(tmp_path):
    """Newest first, by webhook, state, run and time."""
    async with serving(tmp_path, definitions=DEFINITIONS) as api:
        for number in range(5):
            await send(api, "pay", stripe, payment(number))
            api.clock.time += 10
        page = (await api.http.get("/v1/deliveries", params={"limit": 2})).json()
        assert [each["delivery_id"] for each in page["deliveries"]] == ["evt_4", "evt_3"]
        page = (await api.http.get("/v1/deliveries", params={"limit": 2, "cursor": page["next"]})).json()
        assert [each["delivery_id"] for each in page["deliveries"]] == ["evt_2", "evt_1"]
        assert [each["delivery_id"] for each in await inbox(api, run_id="pay-3")] == ["evt_3"]
        moment = datetime.fromtimestamp(START + 15, UTC).isoformat()
        assert len(await inbox(api, received_before=moment)) == 2
        assert len(await inbox(api, received_from=moment, webhook="pay", state="accepted")) == 3
        assert not await inbox(api, webhook="git")
        check_problem(await api.http.get("/v1/deliveries", params={"cursor": "x"}), 422)
        for edge in ("0001-01-01T00:00:00", "9999-12-31T23:59:59", "0001-01-01T00:00:00+14:00"):
            assert (await api.http.get("/v1/deliveries", params={"received_from": edge})).status_code == 200


@on_loop
async def test_a_controller_whose_webhooks_cannot_work_does_not_start(tmp_path):
    """An unknown workflow, two verifiers on one path, a secret that is not there: said before the first delivery."""
    verify = Stripe("env:HOOK_STRIPE")
    for definitions, error in (
        ((webhook("a", verify=verify, start="nobody"),), UnknownNameError),
        (
            (greet, webhook("a", verify=verify, start=greet), webhook("a", verify=GitHub("env:A"), start=greet)),
            DefinitionError,
        ),
        ((webhook("a", verify=verify),), DefinitionError),
    ):
        with pytest.raises(error, match="webhook"):
            async with serving(tmp_path, definitions=definitions):
                pass
    for slip, words in (
        (webhook("a", verify=verify, start=Review, signal="aprove", id="r"), "to 'Review', which handles approve"),
        (webhook("a", verify=verify, signal="aprove", id="r"), "webhook 'a' sends"),
    ):
        with pytest.raises(UnknownNameError, match=r"there is no signal 'aprove'\. Did you mean 'approve'") as caught:
            async with serving(tmp_path, definitions=(Review, slip)):
                pass
        assert words in str(caught.value)
        assert "test_deliveries.py:" in str(caught.value)
    for fine in (
        webhook("a", verify=verify, start=Listening, signal="answer", id="r"),  # its code waits for it
        webhook("a", verify=verify, start=greet, signal="anything", id="r"),  # it handles nothing
        webhook("a", verify=verify, signal="elsewhere", id="r"),  # a workflow's that is not known here
        webhook("a", verify=verify, signal=Review.approve, id="r"),
    ):
        async with serving(tmp_path, definitions=(greet, Review, Listening, fine)):
            pass
    missing = webhook("a", verify=Stripe("env:HOOK_MISSING"), start=greet)
    async with serving(tmp_path, definitions=(greet, missing)) as api:
        with pytest.raises(SettingsError, match="HOOK_MISSING"):
            api.service.webhooks.check()
