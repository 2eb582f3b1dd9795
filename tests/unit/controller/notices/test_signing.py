"""Notices are signed as Standard Webhooks has it, and what receivers answer is understood."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from holdfast.controller.notices import read_secret, write_secret
from holdfast.controller.notices.sending import RETRY_AFTER_SECONDS_MAX, _meaning
from holdfast.controller.notices.signing import sign
from holdfast.errors import InputError, SettingsError
from holdfast.ports.notices import URLS_MAX, check_urls
from holdfast.ports.reach import Reach

# The example of the specification.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOTICE, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_signature_is_that_of_the_specification() -> None:
    """The published example gives the published signature; a secret is written as it was read."""
    secret = read_secret(SECRET, "a test")
    assert sign(secret, NOTICE, TIMESTAMP, BODY) == {
        "webhook-id": NOTICE,
        "webhook-timestamp": str(TIMESTAMP),
        "webhook-signature": SIGNATURE,
    }
    by_hand = hmac.new(base64.b64decode(SECRET[6:]), f"{NOTICE}.{TIMESTAMP}.".encode() + BODY, hashlib.sha256)
    assert "v1," + base64.b64encode(by_hand.digest()).decode() == SIGNATURE
    assert write_secret(secret) == SECRET


@pytest.mark.parametrize("text", ["whsec_", "whsec_c2hvcnQ=", "not base64!", "whsec_é"])
def test_a_bad_secret_is_refused_without_showing_it(text: str) -> None:
    """Too short, or not base64: the error names where it was, not what it was."""
    with pytest.raises(SettingsError, match="env:X") as caught:
        read_secret(text, "env:X")
    assert text not in str(caught.value) or text == "whsec_"


def test_answers_are_understood() -> None:
    """2xx is heard, 410 is final, redirects are not followed, Retry-After counts as seconds or as a date."""
    now = 1_700_000_000.0
    assert _meaning(204, {}, now).heard
    assert _meaning(410, {}, now).final
    assert "redirects are not followed" in _meaning(302, {b"Location": b"http://127.0.0.1/"}, now).error
    refused = _meaning(503, {b"Retry-After": b"120"}, now)
    assert (refused.heard, refused.final, refused.retry_after) == (False, False, 120.0)
    assert _meaning(429, {b"retry-after": b"Tue, 14 Nov 2023 22:15:20 GMT"}, now).retry_after == 120.0
    assert _meaning(429, {b"retry-after": b"Tue, 14 Nov 1923 22:15:20 GMT"}, now).retry_after == 0.0
    assert _meaning(429, {b"retry-after": b"9" * 5000}, now).retry_after == RETRY_AFTER_SECONDS_MAX
    for nonsense in (b"soon", b"-1", b"1.5", b"\xff", b"\xb2", b""):
        assert _meaning(429, {b"retry-after": nonsense}, now).retry_after == 0.0


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/x",
        "example.com/x",
        "https://",
        "https://user:pw@example.com/",
        "https://example.com/#part",
        "https://example.com/a b",
        "https://example.com:99999/",
        "https://example.com:0/",
        "https://[::1/",
        "https://example.com/é",
        "https://example.com/\r\nX: y",
        "https://example.com/" + "x" * 3000,
        "",
    ],
)
def test_what_cannot_be_called_is_refused(url: str) -> None:
    """Said at the start, with the place of the URL that is wrong."""
    with pytest.raises(InputError) as caught:
        check_urls(["https://example.com/fine", url])
    assert [pointer for pointer, _ in caught.value.problems] == ["/1"]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "[::1]",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
        "localhost",
        "LOCALHOST.",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "0.0.0.0",
    ],
)
def test_an_address_that_is_never_told_is_refused_at_the_start(host: str) -> None:
    """Where it can be seen without looking up a name; the setting that would allow it is named."""
    url = f"http://{host}:9/x"
    with pytest.raises(InputError, match="no public address, and the setting notify_allow does not name it"):
        check_urls([url], Reach())
    assert check_urls([url]) == (url,)
    assert check_urls([url], Reach.allowing(["0.0.0.0/0", "::/0"])) == (url,)
    assert check_urls([f"https://{host}/" for host in ("93.184.215.14", "hooks.example")], Reach())


def test_a_url_is_told_once() -> None:
    """The same URL twice is one; too many are refused."""
    assert check_urls(["https://a.example/", "https://a.example/"]) == ("https://a.example/",)
    with pytest.raises(InputError, match="at most 5"):
        check_urls([f"https://a.example/{each}" for each in range(URLS_MAX + 1)])
