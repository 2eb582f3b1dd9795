"""Nothing secret is left in a redacted history, and what is left still means the same."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec
import pytest

from holdfast.errors import SettingsError
from holdfast.history import (
    AnyEvent,
    Attempt,
    Failure,
    FanOutStarted,
    History,
    LockRequested,
    SignalReceived,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    WorkflowFailed,
    WorkflowStarted,
    to_json,
)
from holdfast.observe import SecretKeys, forms, known_secrets, redact
from holdfast.observe.looks import is_card
from holdfast.replay.redaction import RedactionRules, redact_history
from holdfast.replay.redaction.redactor import Strength, strength_of

CANARY = 'c4n4ry/W1th "qu0tes" & söme+more'
CARD = "4242 4242 4242 4242"


def encoded(value: Any) -> bytes:
    """Return a payload."""
    return msgspec.json.encode(value)


def history(*events: AnyEvent, input: Any = None, **more: Any) -> History:
    """Return a history that begins with a start."""
    return History([WorkflowStarted(1.0, -1, "W", "w-1", "w-1", encoded(input), 1, 0, "", "3.11"), *events], **more)


def redacted(given: History, **rules: Any) -> str:
    """Return what would be written of a history."""
    cleaned, _ = redact_history(given, RedactionRules(**rules))
    return to_json(cleaned.events, outcomes=cleaned.outcomes, about=cleaned.about).decode()


FORMS = [
    "plain",
    "json",
    "json in json",
    "url",
    "form",
    "html",
    "repr",
    "hex",
    "base64",
    "base64url",
    "base64 of more",
    "base64 of binary",
]


def scan(text: str, secret: str) -> list[str]:
    """Return every form of a secret that is found in `text`: what somebody with `grep` and patience would find."""
    raw = secret.encode()
    wanted = {
        "plain": secret,
        "json": json.dumps(secret)[1:-1],
        "json in json": json.dumps(json.dumps(secret))[3:-3],
        "url": quote(secret, safe=""),
        "form": quote_plus(secret),
        "html": html.escape(secret),
        "repr": repr(secret)[1:-1],
        "hex": raw.hex(),
        "base64": base64.b64encode(raw).decode()[:-4],
        "base64url": base64.urlsafe_b64encode(raw).decode()[:-4],
        "base64 of more": base64.b64encode(b"user:" + raw).decode()[8:-4],
        "base64 of binary": base64.b64encode(b"\xff\xfe" + raw).decode()[4:-4],
    }
    texts = [text, *strings(json.loads(text))]
    return [name for name, form in wanted.items() if len(form) > 5 and any(form in each for each in texts)]


def strings(value: Any) -> Iterator[str]:
    """Return every text in a JSON value, without JSON's escapes."""
    match value:
        case str():
            yield value
        case dict():
            for key, each in value.items():
                yield key
                yield from strings(each)
        case list():
            for each in value:
                yield from strings(each)


def wrapped(secret: str) -> dict[str, Any]:
    """Return a value that holds a secret in every way but under a name that says so."""
    raw = secret.encode()
    return {
        "plain": secret,
        "sentence": f"it was {secret}, was it",
        "deep": [{"list": [secret]}],
        "json": json.dumps({"inner": secret}),
        "json in json": json.dumps({"inner": json.dumps([secret])}),
        "broken json": json.dumps({"inner": secret})[:-1],
        "url": f"https://shop.example/pay?order=7&by={quote_plus(secret)}#top",
        "html": f"<b>{html.escape(secret)}</b>",
        "repr": repr([secret]),
        "hex": raw.hex(),
        "base64": base64.b64encode(raw).decode(),
        "base64url": base64.urlsafe_b64encode(raw).decode().rstrip("="),
        "base64 of more": base64.b64encode(b"user:" + raw + b"!").decode(),
        "base64 of binary": base64.b64encode(b"\xff\xfe" + raw + b"\xff").decode(),
        "base64 of json": base64.b64encode(json.dumps({"inner": secret}).encode()).decode(),
        secret: "as a key",
    }


def events_with(secret: str) -> tuple[AnyEvent, ...]:
    """Return events that hold a secret wherever an event holds anything of the user's."""
    failure = Failure(
        "PaymentError",
        f"refused: {secret}",
        f'  File "shop.py", line 3, in pay\n    client.pay("{secret}")\n',
        cause=Failure("ConnectionError", f"POST https://api.example/?q={quote(secret, safe='')}"),
    )
    return (
        TaskScheduled(2.0, 1, 0, f"fetch[{secret}]", "fetch", encoded(wrapped(secret))),
        TaskCompleted(3.0, 1, f"fetch[{secret}]", encoded(secret), (Attempt(1, 2.0, 2.5, "host:1", failure),)),
        SignalReceived(4.0, 1, "paid", encoded(wrapped(secret)), f"id-{secret}", secret),
        LockRequested(5.0, 4, 0, "lock#1", f"account:{secret}", 1),
        TaskFailed(6.0, 2, "pay#1", failure),
        WorkflowFailed(7.0, 6, 0, failure),
    )


# --- The checker itself ------------------------------------------------------------------------------------------


def test_the_scanner_finds_what_was_not_redacted() -> None:
    """Every form is seen where nothing was taken out: the tests below can fail."""
    text = to_json(history(*events_with(CANARY)).events).decode()
    assert scan(text, CANARY) == FORMS
    assert scan('"nothing"', CANARY) == []


# --- Secrets of all kinds ----------------------------------------------------------------------------------------


def test_a_known_value_is_found_in_every_form() -> None:
    """A secret that was registered is nowhere left, in whatever escaping, key, failure, traceback or name of a step."""
    text = redacted(history(*events_with(CANARY)), known={CANARY: "canary"})
    assert scan(text, CANARY) == []
    assert "REDACTED-canary-1" in text


def test_a_value_is_known_by_its_key_once_and_found_everywhere() -> None:
    """What stands under `password` in one payload is taken out of all others, where nothing gives it away."""
    text = redacted(history(*events_with(CANARY), input={"user": "ada", "db_password": CANARY}))
    assert scan(text, CANARY) == []
    assert '"user":"ada"' in text


@pytest.mark.parametrize(
    "holder",
    [
        {"password": CANARY},
        {"config": {"apiKey": CANARY}},
        {"headers": [["Authorization", CANARY]]},
        {"headers": [{"name": "X-Auth-Token", "value": CANARY}]},
        {"credentials": {"one": [CANARY]}},
        {"body": json.dumps({"client_secret": CANARY})},
        {"body": base64.b64encode(json.dumps({"token": CANARY}).encode()).decode()},
        {"url": f"https://x.example/?lang=en&access_token={quote_plus(CANARY)}"},
        {"dsn": f"postgresql://shop:{quote(CANARY, safe='')}@db.example/shop"},
        {"database": f"postgresql://shop:{quote(CANARY, safe='')}@db.example/shop"},
        {"log": f"login with password={quote(CANARY, safe='')} failed"},
        {"auth": "Basic " + base64.b64encode(f"shop:{CANARY}".encode()).decode()},
    ],
    ids=lambda each: next(iter(each)),
)
def test_one_sign_is_enough(holder: dict[str, Any]) -> None:
    """Wherever a secret is recognised, it is gone from everywhere."""
    assert scan(redacted(history(*events_with(CANARY), input=holder)), CANARY) == []


def test_what_looks_secret_needs_no_name() -> None:
    """Cards, tokens and keys are known by their looks, in values, numbers, messages and tracebacks."""
    secrets = [
        CARD,
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1" * 18,
        "xoxb-1234567890-abcdef",
        "sk_live_" + "a1" * 12,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "AIza" + "b" * 35,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ]
    failure = Failure("E", "Authorization: Bearer abc123def456", "\n".join(secrets))
    text = redacted(history(TaskFailed(2.0, 1, "a#1", failure), input=[*secrets, 5555555555554444]))
    assert "MIIE" not in text
    for each in [*secrets, "abc123def456", "5555555555554444"]:
        assert scan(text, each) == [], each


def test_a_single_argument_is_known_by_its_parameter() -> None:
    """A call with one argument is recorded without its name, so the code is asked for it."""
    given = history(TaskScheduled(2.0, 1, 0, "login#1", "login", b'"op3n-s3same"'))
    cleaned, count = redact_history(given, RedactionRules(), {"login": "password", "W": ""}.get)  # type: ignore[arg-type]
    assert b"s3same" not in to_json(cleaned.events)
    assert count == 1


def test_mail_addresses_go_when_asked() -> None:
    """Addresses stay by default, and are replaced by addresses."""
    given = history(input=["ada@lovelace.org"])
    assert "ada@lovelace.org" in redacted(given)
    assert '["redacted-1@example.com"]' in redacted(given, emails=True)


def test_own_keys_and_patterns() -> None:
    """What only the user knows to be secret goes too; a pattern that is none is refused before anything is written."""
    text = redacted(
        history(input={"customerNumber": "K-1234567", "note": "case CASE-99871 is open"}),
        keys=("customer_number",),
        patterns=(r"CASE-(?P<secret>\d+)",),
    )
    assert "K-1234567" not in text
    assert "99871" not in text
    assert "is open" in text
    with pytest.raises(SettingsError, match="redact_patterns"):
        redacted(history(), patterns=("(",))


# --- What stays --------------------------------------------------------------------------------------------------


def test_what_is_not_secret_is_left_byte_for_byte() -> None:
    """A history without secrets comes back as it was, also what looks a little like some."""
    given = history(
        TaskScheduled(2.0, 1, 0, "fetch[a]", "fetch", b'{"tokens": 512,  "max_tokens":9, "n":12345678901234567890123}'),
        TaskCompleted(
            3.0, 1, "fetch[a]", encoded({"id": "1234567812345678", "at": 1795549081500000000, "pin_length": 4})
        ),
        TaskFailed(
            4.0, 1, "a#1", Failure("E", "password: must be longer", "  self.password = password\n  token=token\n")
        ),
        FanOutStarted(5.0, 3, 0, "map#1", "fetch", 3, b"\1" * 16),
        input={"secret_name": "db", "status": "token expired", "password": None, "auth": "basic information"},
        outcomes={"map#1": [b"1", Failure("E", "no")]},
        about={"why": "asked"},
    )
    cleaned, count = redact_history(given, RedactionRules())
    assert count == 0
    assert list(cleaned.events) == list(given.events)
    assert {step: list(items) for step, items in cleaned.outcomes.items()} == given.outcomes
    assert cleaned.about == given.about


def test_names_in_the_code_are_never_touched() -> None:
    """A secret that is also a task's name leaves the task's name alone: else the history would not replay."""
    given = history(TaskScheduled(2.0, 1, 0, "fetch-v2-all#1", "fetch-v2-all", b'"fetch-v2-all"'))
    cleaned, _ = redact_history(given, RedactionRules(known={"fetch-v2-all": "odd"}))
    event = cleaned.events[1]
    assert isinstance(event, TaskScheduled)
    assert (event.task, event.step) == ("fetch-v2-all", "fetch-v2-all#1")
    assert event.input == b'"REDACTED-odd-1"'


def test_the_same_secret_is_the_same_placeholder_and_types_are_kept() -> None:
    """Numbers stay numbers, digits digits, UUIDs UUIDs, and what is packed comes out packed the same way."""
    uuid = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
    given = history(
        TaskScheduled(
            2.0, 1, 0, "a#1", "a", encoded(["hunter2-x", json.dumps({"p": "hunter2-x"}, indent=2), 48151623])
        ),
        input={"password": "hunter2-x", "pin": 48151623, "card_number": CARD, "session_id": uuid, "otp": True},
    )
    cleaned, count = redact_history(given, RedactionRules())
    first, second = cleaned.events
    assert isinstance(first, WorkflowStarted)
    assert isinstance(second, TaskScheduled)
    assert msgspec.json.decode(first.input) == {
        "password": "REDACTED-password-1",
        "pin": 10000002,
        "card_number": "1000 0000 0000 0003",
        "session_id": "00000000-0000-4000-8000-000000000004",
        "otp": True,
    }
    assert msgspec.json.decode(second.input) == [
        "REDACTED-password-1",
        json.dumps({"p": "REDACTED-password-1"}, indent=2),
        10000002,
    ]
    assert count == 4


def test_redacting_twice_is_redacting_once() -> None:
    """A placeholder is no secret."""
    once, _ = redact_history(history(*events_with(CANARY), input={"password": CANARY}), RedactionRules())
    twice, count = redact_history(once, RedactionRules())
    assert count == 0
    assert to_json(twice.events) == to_json(once.events)


def test_a_digest_over_unknown_items_is_not_kept() -> None:
    """A fan-out behind a secret may have it in its items, and then no digest would fit."""
    fan_out = FanOutStarted(2.0, 1, 0, "map#1", "fetch", 1, b"\1" * 16)
    cleaned, _ = redact_history(history(fan_out, input={"password": "hunter2-x"}), RedactionRules())
    assert cleaned.events[1].digest == b""  # type: ignore[union-attr]
    cleaned, _ = redact_history(history(fan_out), RedactionRules())
    assert cleaned.events[1].digest == b"\1" * 16  # type: ignore[union-attr]


# --- The parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("password", "password"),
        ("DB_PASSWORD", "password"),
        ("userPassword", "password"),
        ("password_hash", "password"),
        ("X-Api-Key", "api-key"),
        ("APIKEY", "apikey"),
        ("refresh_token", "token"),
        ("Set-Cookie", "cookie"),
        ("password_length", ""),
        ("tokens", ""),
        ("max_tokens", ""),
        ("token_count", ""),
        ("monkey", ""),
        ("passenger", ""),
        ("author", ""),
        ("", ""),
    ],
)
def test_keys(key: str, label: str) -> None:
    """Whole words count, whichever way they are joined."""
    assert SecretKeys().label(key) == label


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("4242424242424242", True),
        ("4242-4242-4242-4242", True),
        ("378282246310005", True),
        ("4242424242424241", False),  # check digit
        ("1234567812345670", False),  # check digit is right, but no such brand
        ("0000000000000000", False),
    ],
)
def test_cards(text: str, answer: bool) -> None:
    """A card has a brand's beginning and length, and its check digit."""
    assert is_card(text) is answer


def test_strength() -> None:
    """What is short or common is not looked for everywhere."""
    assert [strength_of(each) for each in ("true", "12", "123", "letmein", "12345678", "hunter2", "x" * 12)] == [
        Strength.NOWHERE,
        Strength.NOWHERE,
        Strength.VALUE,
        Strength.WORD,
        Strength.WORD,
        Strength.STRONG,
        Strength.STRONG,
    ]


def test_base64_pieces_are_the_same_wherever_they_stand() -> None:
    """The part of an encoding that is looked for does not depend on what stands around it."""
    pieces = forms("s3cret-value", "x")
    for before in (b"", b"a", b"ab", b"abc"):
        for behind in (b"", b"z", b"zz"):
            whole = base64.b64encode(before + b"s3cret-value" + behind).decode()
            assert any(piece in whole for piece in pieces), whole


def test_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that look secret are known, passwords in addresses too, and what was registered."""
    monkeypatch.setattr("holdfast.observe.secrets._registered", {})
    redact("r3gistered-value", name="own")
    known = known_secrets(
        {
            "STRIPE_API_KEY": "sk-something-long",
            "DATABASE_URL": "postgresql://shop:p%40ss-word@db/shop",
            "DEBUG_TOKEN": "1",
            "MONKEY": "not a secret at all",
        }
    )
    assert known == {
        "sk-something-long": "stripe_api_key",
        "p%40ss-word": "database_url password",
        "p@ss-word": "database_url password",
        "r3gistered-value": "own",
    }
    with pytest.raises(ValueError, match="SECRET_CHARACTERS_MIN"):
        redact("abc")


@pytest.mark.parametrize("piece", ["W", "a."])
def test_long_texts_are_looked_through(piece: str) -> None:
    """No text makes a pattern look at each of its places as often as there are places: that would take minutes."""
    text = piece * (200_000 // len(piece)) + " see https://ann:hunter-22@db.example/shop"
    given = history(TaskFailed(2.0, -1, "a#1", Failure("ValueError", text)), input=text)
    assert "hunter-22" not in redacted(given, emails=True)
