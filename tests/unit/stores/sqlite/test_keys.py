"""API keys are stored by hash, named once, and revoked for good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.errors import KeyNameError
from holdfast.ports.operations import KeyRecord, NoteUse, PutKey, RevokeKey, RotateKey
from tests.unit.stores.sqlite.desk import Desk, desk_at


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Open a fresh store."""
    with desk_at(tmp_path) as desk:
        yield desk


def test_keys_are_listed_by_name(desk: Desk) -> None:
    """With everything but the secret, which the store never had."""
    made = desk.now
    assert desk.do(PutKey("ops", b"h1", ("read", "operate"))) is True
    assert desk.do(PutKey("ci", b"h2", (), expires_at=9.0)) is True
    assert desk.do(RevokeKey("ops")) is True
    assert desk.ask(desk.store.keys()) == [
        KeyRecord("ci", b"h2", (), made, 9.0, revoked=False),
        KeyRecord("ops", b"h1", ("read", "operate"), made, None, revoked=True),
    ]


def test_a_name_and_a_hash_belong_to_one_key(desk: Desk) -> None:
    """The very same key again is no news, another one is refused."""
    assert desk.do(PutKey("ops", b"h1", ("read",))) is True
    assert desk.do(PutKey("ops", b"h1", ("read",))) is True
    for other in (PutKey("ops", b"h2", ("read",)), PutKey("ops", b"h1", ("admin",)), PutKey("ci", b"h1", ("read",))):
        assert isinstance(desk.do(other), KeyNameError)
    assert len(desk.ask(desk.store.keys())) == 1


def test_revoked_is_for_good(desk: Desk) -> None:
    """The name stays taken, and putting the same key again does not bring it back."""
    assert desk.do(RevokeKey("ops")) is False
    desk.do(PutKey("ops", b"h1", ()))
    assert desk.do(RevokeKey("ops")) is True
    assert desk.do(RevokeKey("ops")) is True
    assert isinstance(desk.do(PutKey("ops", b"h1", ())), KeyNameError)
    assert [each.revoked for each in desk.ask(desk.store.keys())] == [True]


def test_a_key_has_another_secret_and_the_one_before_for_a_while(desk: Desk) -> None:
    """The very same change again changes nothing; a name nobody has, a revoked key and a taken hash are refused."""
    desk.do(PutKey("ops", b"h1", ("read",)))
    desk.do(PutKey("ci", b"other", ("read",)))
    for _ in range(2):
        assert desk.do(RotateKey("ops", b"h2", 60.0)) is True
        record = desk.ask(desk.store.keys())[1]
        assert (record.key_hash, record.old_hash, record.old_until) == (b"h2", b"h1", desk.now + 60.0)
    assert desk.do(RotateKey("nobody", b"h3", 60.0)) is False
    assert isinstance(desk.do(RotateKey("ops", b"other", 60.0)), KeyNameError)
    desk.do(RevokeKey("ops"))
    assert isinstance(desk.do(RotateKey("ops", b"h3", 60.0)), KeyNameError)


def test_what_a_key_is_for_and_its_use_are_kept(desk: Desk) -> None:
    """Workflows and rate come back as they were put; a use never goes back in time."""
    desk.do(PutKey("ci", b"h", ("read",), None, ("a", "b"), "600/m"))
    assert desk.ask(desk.store.keys())[0].last_used_at is None
    for used, kept in ((5.0, 5.0), (3.0, 5.0), (7.0, 7.0)):
        assert desk.do(NoteUse((("ci", used), ("nobody", used)))) is True
        record = desk.ask(desk.store.keys())[0]
        assert (record.workflows, record.rate_limit, record.last_used_at) == (("a", "b"), "600/m", kept)
