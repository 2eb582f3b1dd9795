"""API keys: what they look like, what is kept of them, whom they let in, and for how long."""

from __future__ import annotations

import re

import pytest

from holdfast.controller.keyring import CACHE_SECONDS, USE_SECONDS, Keyring
from holdfast.controller.keys import Principal, Scope, find_principal, hash_secret, issue_key
from holdfast.controller.quota import Rate
from holdfast.errors import InputError, KeyNameError, UnknownNameError
from holdfast.ports.operations import KeyRecord
from tests.unit.controller.rig import START, check_problem, on_loop, serving


def record(secret, name="ci", *, revoked=False, expires_at=None):
    """Return a stored key."""
    return KeyRecord(name, hash_secret(secret), ("read",), START, expires_at, revoked)


def test_a_secret_is_256_bits_in_base_62():
    """A key is `hf_` and 43 digits that hold every bit drawn."""
    issued = issue_key("ci", [Scope.READ])
    assert re.fullmatch(r"hf_[0-9A-Za-z]{43}", issued.secret)
    assert issue_key("ci", [Scope.READ], draw=lambda count: b"\0" * count).secret == "hf_" + "0" * 43
    most = issue_key("ci", [Scope.READ], draw=lambda count: b"\xff" * count).secret
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    value = 0
    for each in most.removeprefix("hf_"):
        value = value * 62 + digits.index(each)
    assert value == 2**256 - 1


def test_the_secret_is_not_stored():
    """What is stored is a hash, from which the secret cannot be read."""
    issued = issue_key("ci", [Scope.READ, Scope.READ, Scope.START], 5.0)
    assert issued.stored.scopes == ("read", "start")
    assert issued.stored.expires_at == 5.0
    assert issued.secret.encode() not in issued.stored.key_hash
    assert len(issued.stored.key_hash) == 32


@pytest.mark.parametrize("name", ["", "a/b", "..", ".x", "a b", "ä", "x" * 101, "a\n"])
def test_a_name_has_to_fit_into_a_path(name):
    """A key's name that could not be addressed is refused with a pointer."""
    with pytest.raises(InputError) as refused:
        issue_key(name, [Scope.READ])
    assert refused.value.problems[0][0] == "/name"


def test_a_key_allows_something():
    """A key without scopes is refused."""
    with pytest.raises(InputError) as refused:
        issue_key("ci", [])
    assert refused.value.problems[0][0] == "/scopes"


def test_a_secret_belongs_to_its_key_only():
    """Only the exact secret of a key that is valid is somebody's."""
    keys = [record("hf_a", "a"), record("hf_b", "b"), record("hf_c", "c", revoked=True)]
    keys.append(record("hf_d", "d", expires_at=START))
    assert find_principal(keys, "hf_b", START) == Principal("b", frozenset({"read"}))
    for each in ("", "hf_", "hf_B", "hf_b ", "b", "hf_c", "hf_d", "\udcff"):
        assert find_principal(keys, each, START) is None
    assert find_principal(keys, "hf_d", START - 1) is not None


def test_admin_allows_everything_and_the_others_only_themselves():
    """A scope is no rank."""
    for own in Scope:
        allowed = {each for each in Scope if Principal("x", frozenset({own})).may(each)}
        assert allowed == (set(Scope) if own is Scope.ADMIN else {own})


@pytest.mark.usefixtures("backend")
@on_loop
async def test_a_revoked_key_works_elsewhere_for_a_second_at_most(tmp_path):
    """A controller remembers keys for CACHE_SECONDS; one that changes them itself knows at once."""
    async with serving(tmp_path) as api:
        here, there = api.service.keys, Keyring(api.store, api.clock)
        assert not await there.exist()
        issued = await here.create("ci", [Scope.READ])
        assert not await there.exist()
        api.clock.time += CACHE_SECONDS
        assert await there.identify(issued.secret) == Principal("ci", frozenset({"read"}))
        await here.revoke("ci")
        assert await here.identify(issued.secret) is None
        assert await there.identify(issued.secret) is not None
        api.clock.time += CACHE_SECONDS
        assert await there.identify(issued.secret) is None


@pytest.mark.usefixtures("backend")
@on_loop
async def test_keys_exist_also_when_none_is_valid(tmp_path):
    """Revoking the last key does not open the door that the first one closed."""
    async with serving(tmp_path) as api:
        await api.service.keys.create("ci", [Scope.ADMIN])
        await api.service.keys.revoke("ci")
        assert await api.service.keys.exist()


@pytest.mark.usefixtures("backend")
@on_loop
async def test_impossible_keys_are_refused(tmp_path):
    """A name that is taken, a name nobody has, a key that would be over already."""
    async with serving(tmp_path) as api:
        keys = api.service.keys
        await keys.create("ci", [Scope.READ])
        root = await keys.create("root", [Scope.ADMIN])
        headers = {"Authorization": f"Bearer {root.secret}"}
        with pytest.raises(KeyNameError, match="'ci' exists already"):
            await keys.create("ci", [Scope.READ])
        taken = await api.http.post("/v1/keys", json={"name": "ci", "scopes": ["read"]}, headers=headers)
        assert "holdfast keys rotate ci" in check_problem(taken, 409, "HF623")["detail"]
        await keys.create("gone", [Scope.READ])
        await keys.revoke("gone")
        with pytest.raises(KeyNameError, match="'gone' was revoked"):
            await keys.rotate("gone")
        with pytest.raises(UnknownNameError):
            await keys.revoke("cd")
        with pytest.raises(InputError):
            await keys.create("late", [Scope.READ], expires_at=START)


def test_a_key_says_for_which_workflows_and_how_often():
    """What a key is for is stored with it, once each, and told of whoever uses it; what does not fit is refused."""
    issued = issue_key("ci", [Scope.READ], workflows=["a", "b", "a"], rate_limit="600/m")
    assert (issued.stored.workflows, issued.stored.rate_limit) == (("a", "b"), "600/m")
    kept = KeyRecord("ci", issued.stored.key_hash, ("read",), START, None, False, ("a", "b"), "600/m")
    principal = find_principal([kept], issued.secret, START)
    assert principal == Principal("ci", frozenset({"read"}), frozenset({"a", "b"}), Rate(600, 60))
    assert [principal.may_see(each) for each in ("a", "c")] == [True, False]
    for wrong in ({"workflows": [""]}, {"workflows": [str(each) for each in range(101)]}, {"rate_limit": "fast"}):
        with pytest.raises(InputError) as refused:
            issue_key("ci", [Scope.READ], **wrong)
        assert refused.value.problems[0][0] == f"/{next(iter(wrong))}"


@pytest.mark.usefixtures("backend")
@on_loop
async def test_a_renewed_key_has_two_secrets_for_a_while(tmp_path):
    """The new secret is good at once, the old one until the overlap is over, and both end with the key."""
    async with serving(tmp_path) as api:
        keys = api.service.keys
        first = await keys.create("ci", [Scope.READ])
        second = await keys.rotate("ci", 10.0)
        assert await keys.identify(second.secret) == await keys.identify(first.secret)
        api.clock.time += 10.0
        assert await keys.identify(first.secret) is None
        third = await keys.rotate("ci", 10.0)
        assert await keys.identify(second.secret) is not None
        fourth = await keys.rotate("ci", 0.0)
        assert [await keys.identify(each.secret) is not None for each in (second, third, fourth)] == [
            False,
            False,
            True,
        ]
        await keys.revoke("ci")
        assert await keys.identify(fourth.secret) is None
        with pytest.raises(KeyNameError):
            await keys.rotate("ci")
        with pytest.raises(UnknownNameError):
            await keys.rotate("cd")
        with pytest.raises(InputError):
            await keys.rotate("ci", -1.0)


@pytest.mark.usefixtures("backend")
@on_loop
async def test_it_is_known_when_a_key_was_used_last(tmp_path):
    """Within a minute, over all controllers, and with one write a minute at most."""
    async with serving(tmp_path) as api:
        here, there = api.service.keys, Keyring(api.store, api.clock)
        issued = await here.create("ci", [Scope.READ])

        async def used(keyring):
            await keyring.identify(issued.secret)
            return (await api.store.keys())[0].last_used_at

        assert (await api.store.keys())[0].last_used_at is None
        assert await used(here) == START
        api.clock.time += USE_SECONDS / 2
        assert await used(here) == START
        assert await used(there) == START
        api.clock.time += USE_SECONDS / 2
        assert await used(there) == START + USE_SECONDS
        assert await used(here) == START + USE_SECONDS


@on_loop
async def test_a_store_that_takes_no_writes_keeps_nobody_from_reading(tmp_path):
    """When a key was used is not worth refusing a request for."""
    async with serving(tmp_path) as api:
        issued = await api.service.keys.create("ci", [Scope.READ])
        api.store._writer.free_bytes_min = 1 << 60
        api.store._writer._unchecked = 0
        assert await api.service.keys.identify(issued.secret) is not None
        assert (await api.store.keys())[0].last_used_at is None
