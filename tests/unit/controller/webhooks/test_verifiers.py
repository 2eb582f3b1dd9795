"""Verifiers take what was signed, and answer everything else with SignatureError and nothing else."""

from __future__ import annotations

import copy
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.controller.webhooks import GitHub, Hmac, Slack, StandardWebhooks, Stripe
from holdfast.errors import DefinitionError, SettingsError, SignatureError
from tests.unit.controller.webhooks.senders import NOW, SECRETS, SENDERS, github, mac, now, plain, standard, stripe

BODY = b'{"id": "evt_1", "type": "paid", "amount": 7, "name": "\xc3\xa9"}'
EVERY = pytest.mark.parametrize("name", sorted(SENDERS))
TIMED = pytest.mark.parametrize("name", sorted(name for name, each in SENDERS.items() if each.has_time))


@pytest.fixture(autouse=True)
def _secrets(monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def refused(name, headers, body=BODY, at=0.0):
    """Return why a delivery is refused; it has to be, and in the same words as any other."""
    with pytest.raises(SignatureError) as caught:
        SENDERS[name].verifier.verify(headers, body, now=now(at))
    assert caught.value.message() == SignatureError("").message()
    assert not any(secret in caught.value.reason for secret in SECRETS.values())
    return caught.value.reason


def test_the_hmac_of_the_senders_is_the_one_of_the_standard():
    """Test case 2 of RFC 4231, and GitHub's own example, so that the vectors below mean something."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert mac(b"Jefe", b"what do ya want for nothing?").hex() == expected
    example = github(b"Hello, World!")["X-Hub-Signature-256"]
    assert example == "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


@EVERY
def test_what_was_signed_is_taken(name):
    """Body, id, event and time come out as they were sent; header names in any case, as pairs of bytes too."""
    sender = SENDERS[name]
    headers = sender.sign(BODY)
    for given_headers in (
        headers,
        {each.upper(): value for each, value in headers.items()},
        [(each.lower().encode(), value.encode()) for each, value in headers.items()],
    ):
        delivery = sender.verifier.verify(given_headers, BODY, now=now())
        assert delivery.body == BODY
        assert delivery.id == ("d-1" if sender.has_id else "")
        assert (delivery.signed_at == now()) is sender.has_time
        assert delivery.event == {"github": "push", "shop": "paid"}.get(name, "")
        assert delivery.is_bound is (name != "github")
    sender.verifier.check()


@EVERY
def test_an_empty_body_can_be_signed(name):
    """Nothing is something."""
    sender = SENDERS[name]
    assert sender.verifier.verify(sender.sign(b""), b"", now=now()).body == b""


@EVERY
def test_a_verifier_is_a_frozen_value(name):
    """It can be compared, hashed and shown, and shows no secret."""
    verifier = SENDERS[name].verifier
    assert len({verifier, copy.copy(verifier)}) == 1
    assert not any(secret in repr(verifier) for secret in SECRETS.values())
    with pytest.raises(dataclasses.FrozenInstanceError):
        verifier.secrets = ()


@EVERY
def test_what_was_forged_or_changed_is_refused(name):
    """Another secret, another body, a cut one, a longer one, a signature cut or left out."""
    sender = SENDERS[name]
    headers = sender.sign(BODY)
    wrong = "whsec_" + "QUFB" * 8 if name == "standard" else "another secret"
    assert "another secret" in refused(name, sender.sign(BODY, secret=wrong))
    for body in (BODY[:-1], BODY + b" ", b"", BODY.replace(b"7", b"8")):
        assert "do not match" in refused(name, headers, body)
    assert "no header" in refused(name, {})
    for value in ("", headers[sender.header][:-1], headers[sender.header][:10], "é", "\0", "x" * 5_000, "sha256="):
        refused(name, {**headers, sender.header: value})


@EVERY
def test_a_header_sent_twice_is_refused(name):
    """Also when both say the same: another part of the system might read the other one."""
    sender = SENDERS[name]
    headers = list(sender.sign(BODY).items())
    for each in headers:
        assert "2 times" in refused(name, [*headers, (each[0].swapcase(), each[1])])


@TIMED
def test_the_window_is_bounded_both_ways(name):
    """What was signed too long ago, or will be signed too far ahead, is refused; the edges are taken."""
    sender = SENDERS[name]
    for offset in (-300, 0, 300):
        assert sender.verifier.verify(sender.sign(BODY), BODY, now=now(offset)).body == BODY
    assert "stale" in refused(name, sender.sign(BODY), at=301)
    assert "future" in refused(name, sender.sign(BODY), at=-301)


@TIMED
def test_a_time_is_written_in_one_way(name):
    """No sign, no space, no zero in front, no fraction, no other digits, no more than twelve: signed or not."""
    sender = SENDERS[name]
    for at in (f"0{NOW}", f"+{NOW}", f"-{NOW}", f"{NOW}.0", f"{NOW}e0", f" {NOW}", "1_800_000_000", "9" * 13, "0"):
        headers = sender.sign(BODY) if name in {"slack", "standard", "shop"} else {}
        if name == "slack":
            headers["X-Slack-Request-Timestamp"] = at
        elif name == "standard":
            headers["webhook-timestamp"] = at
        elif name == "shop":
            headers["X-Shop-Time"] = at
        else:
            digest = mac(SECRETS["HOOK_STRIPE"].encode(), f"{at}.".encode() + BODY).hex()
            headers = {"Stripe-Signature": f"t={at},v1={digest}"}
        refused(name, headers)
    assert "no number" in refused("slack", {**SENDERS["slack"].sign(BODY), "X-Slack-Request-Timestamp": "1e9"})


def test_fields_given_twice_are_refused():
    """Two times in one header: nobody could tell which of them was signed."""
    headers = stripe(BODY)["Stripe-Signature"]
    assert "2 fields t" in refused("stripe", {"Stripe-Signature": f"t={NOW},{headers}"})
    assert "0 fields t" in refused("stripe", {"Stripe-Signature": headers.partition(",")[2]})
    assert "without a value" in refused("stripe", {"Stripe-Signature": headers + ",v1"})


def test_a_delivery_may_have_ten_signatures_and_no_more():
    """Any of them is good; an eleventh makes the server work for strangers."""
    time, _, good = stripe(BODY)["Stripe-Signature"].split(",")
    bad = "v1=" + "0" * 64
    Stripe("env:HOOK_STRIPE").verify({"Stripe-Signature": ",".join([time, *[bad] * 9, good])}, BODY, now=now())
    assert "SIGNATURES_MAX" in refused("stripe", {"Stripe-Signature": ",".join([time, *[bad] * 10, good])})
    assert "fields" in refused("stripe", {"Stripe-Signature": ",".join([time, *["v0=00"] * 21, good])})
    headers = standard(BODY)
    many = " ".join(["v1," + "AAAA" * 8] * 10 + [headers["webhook-signature"]])
    assert "SIGNATURES_MAX" in refused("standard", {**headers, "webhook-signature": many})
    others = " ".join(["v1a,AAAA"] * 10 + [headers["webhook-signature"]])
    StandardWebhooks("env:HOOK_STANDARD").verify({**headers, "webhook-signature": others}, BODY, now=now())


def test_signatures_of_other_schemes_do_not_count():
    """An older scheme's signature is no signature."""
    headers = stripe(BODY)["Stripe-Signature"]
    assert "no signature" in refused("stripe", {"Stripe-Signature": headers.replace("v1=", "v0=")})
    given = standard(BODY)
    assert "no signature" in refused("standard", {**given, "webhook-signature": "v2" + given["webhook-signature"][2:]})
    old = {**github(BODY), "X-Hub-Signature": "sha1=" + mac(SECRETS["HOOK_GITHUB"].encode(), BODY, "sha1").hex()}
    del old["X-Hub-Signature-256"]
    assert "X-Hub-Signature-256" in refused("github", old)


def test_a_signature_is_for_one_delivery():
    """One that was seen does not fit another id, another time, or parts put together otherwise."""
    headers = standard(BODY)
    refused("standard", {**headers, "webhook-id": "d-2"})
    refused("standard", {**headers, "webhook-timestamp": str(NOW + 1)})
    # `msg.17` signed at NOW is, letter by letter, `msg` signed at 17 with the time before the body.
    shifted = standard(BODY, delivery="msg.17")
    assert "two ways" in refused("standard", shifted)
    headers = SENDERS["shop"].sign(BODY, delivery="a/b")
    assert "two ways" in refused("shop", headers)


@pytest.mark.parametrize("delivery", ["", " ", "a b", "é", "x" * 201, "a\n", "\x7f"])
def test_an_id_is_printable_and_short(delivery):
    """It becomes a key of the inbox and a part of run ids."""
    refused("github", github(BODY, delivery=delivery))


def test_several_secrets_are_good_at_a_time(monkeypatch, tmp_path):
    """While a secret is changed both are taken; a file is read again each time."""
    both = GitHub("env:HOOK_GITHUB", "env:HOOK_GITHUB_OLD")
    for secret in (SECRETS["HOOK_GITHUB"], SECRETS["HOOK_GITHUB_OLD"]):
        assert both.verify(github(BODY, secret=secret), BODY, now=now()).id == "d-1"
    file = tmp_path / "secret"
    file.write_text("from a file\n")
    written = GitHub(f"file:{file}")
    assert written.verify(github(BODY, secret="from a file"), BODY, now=now()).id == "d-1"
    file.write_text("another one")
    with pytest.raises(SignatureError):
        written.verify(github(BODY, secret="from a file"), BODY, now=now())


@pytest.mark.parametrize("make", [GitHub, Stripe, Slack, StandardWebhooks, lambda *each: Hmac(*each, header="X")])
def test_a_secret_itself_is_refused_and_not_shown(make):
    """Code and settings say where a secret is."""
    for given_secrets in (
        ("whsec_canary",),
        ("env:A", "canary"),
        ("env:",),
        ("env:1A",),
        ("file:",),
        (),
        ("env:A",) * 11,
    ):
        with pytest.raises(DefinitionError) as caught:
            make(*given_secrets)
        assert "canary" not in str(caught.value)
        assert "env:NAME" in str(caught.value)


@EVERY
def test_a_secret_that_is_not_there_is_a_setting_that_is_wrong(name, monkeypatch, tmp_path):
    """Not there, empty, or too short to be one: nobody can sign with it, and it is said before the first delivery."""
    verifier = SENDERS[name].verifier
    variable = verifier.secrets[0].removeprefix("env:")
    monkeypatch.delenv(variable)
    with pytest.raises(SettingsError, match=variable):
        verifier.check()
    for value in ("", " \n ", "no 9th"):
        monkeypatch.setenv(variable, value)
        with pytest.raises(SettingsError, match=r"SECRET_BYTES_MIN|Base64"):
            verifier.check()
        with pytest.raises(SettingsError):
            verifier.verify(SENDERS[name].sign(BODY, secret="whsec_"), BODY, now=now())
    with pytest.raises(SettingsError, match="cannot be read"):
        GitHub(f"file:{tmp_path}/nothing").check()
    monkeypatch.setenv("HOOK_STANDARD", "whsec_not base64!")
    with pytest.raises(SettingsError, match="whsec_"):
        StandardWebhooks("env:HOOK_STANDARD").check()


@pytest.mark.parametrize(
    "wrong",
    [
        {"header": ""},
        {"header": "X Y"},
        {"header": "X", "encoding": "base32"},
        {"header": "X", "algorithm": "md5"},
        {"header": "X", "signed": "{timestamp}."},
        {"header": "X", "signed": "{body}{body}"},
        {"header": "X", "signed": "{body}."},
        {"header": "X", "signed": "{timestamp}{body}", "timestamp_header": "T"},
        {"header": "X", "signed": "{timestamp}.{body}"},
        {"header": "X", "signed": "{id}.{body}"},
        {"header": "X", "signed": "{body}", "timestamp_header": "T"},
        {"header": "X", "tolerance": "soon"},
    ],
)
def test_parts_that_do_not_fit_together_are_refused(wrong):
    """Whatever could be read in two ways, or leaves out what it names, is refused where it is written."""
    with pytest.raises(DefinitionError, match="Hmac"):
        Hmac("env:HOOK_SHOP", **wrong)


def test_an_id_that_was_not_signed_binds_nothing():
    """Whoever has one delivery could send it again under another id: the verifier says so."""
    loose = Hmac("env:HOOK_SHOP", header="X-Sign", algorithm="sha1", id_header="X-Id")
    assert loose.verify({**plain(BODY), "X-Id": "1"}, BODY, now=now()).is_bound is False


def test_the_body_is_read_by_expressions_where_no_header_says_it():
    """Where id and event are, for whoever reads the body later; signatures are named, so that nobody keeps them."""
    found = {name: (each.verifier.id_in_body, each.verifier.event_in_body) for name, each in SENDERS.items()}
    assert found["stripe"] == ("body.id", "body.type")
    assert found["slack"] == ("body.event_id", "body.event.type || body.type")
    assert found["standard"] == ("", "body.type")
    assert found["github"] == found["shop"] == ("", "")
    assert all(each.header.lower() in each.verifier.signature_headers for each in SENDERS.values())


TEXT = st.one_of(
    st.text(max_size=60), st.sampled_from(["t=1,v1=00", "v1,AAAA", "sha256=00", str(NOW), "v0=", ",", "="])
)


@given(st.data())
def test_no_headers_and_no_body_bring_out_anything_else(data):
    """Whatever comes: SignatureError. 25 hostile inputs brought eight other exceptions out of a reference verifier."""
    name = data.draw(st.sampled_from(sorted(SENDERS)))
    sender = SENDERS[name]
    headers = list(sender.sign(BODY).items())
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(headers) - 1))
        value = data.draw(st.one_of(TEXT, TEXT.map(str(headers[index][1])[:20].__add__), st.binary(max_size=40)))
        headers[index] = (headers[index][0], value)
    body = data.draw(st.one_of(st.binary(max_size=50), st.just(BODY)))
    with pytest.raises(SignatureError):
        sender.verifier.verify(
            [*headers, *headers[: data.draw(st.integers(0, 1))], (sender.header, b"")], body, now=now()
        )
