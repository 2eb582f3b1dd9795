"""The codec, and the table of what is encrypted."""

from __future__ import annotations

import sys
from typing import get_args

import pytest

from holdfast.errors import EncryptionError, MissingExtraError, SettingsError
from holdfast.history import MARK, is_encrypted, place_of
from holdfast.ports.operations import Carrying, Operation
from holdfast.stores import encryption
from holdfast.stores.bodies import ENCRYPTS, PLAIN
from holdfast.stores.encryption import AesGcmCodec, new_key, parse_key

HERE, THERE = place_of("input", 1, "fetch#1"), place_of("input", 2, "fetch#1")


def key() -> bytes:
    """Return a new key."""
    return parse_key(new_key(), "here")


def test_what_was_encrypted_is_read_at_its_place_only() -> None:
    """The content comes back where it belongs, and nowhere else."""
    codec = AesGcmCodec([key()])
    for encrypt in (codec.encrypt, codec.encrypt_alike):
        body = encrypt(b"secret", HERE)
        assert is_encrypted(body)
        assert b"secret" not in body
        assert codec.decrypt(body, HERE) == b"secret"
        with pytest.raises(EncryptionError, match="put where something else belongs"):
            codec.decrypt(body, THERE)


def test_every_changed_byte_is_noticed() -> None:
    """No byte of an encrypted body can be changed, and none cut off."""
    codec = AesGcmCodec([key()])
    body = codec.encrypt(b"secret", HERE)
    for index in range(len(MARK), len(body)):
        changed = bytearray(body)
        changed[index] ^= 1
        with pytest.raises(EncryptionError):
            codec.decrypt(bytes(changed), HERE)
    for length in range(len(MARK), len(body)):
        with pytest.raises(EncryptionError):
            codec.decrypt(body[:length], HERE)


def test_what_is_not_encrypted_stays_readable() -> None:
    """Bodies from before encryption are returned as they are."""
    assert AesGcmCodec([key()]).decrypt(b'{"a":1}', HERE) == b'{"a":1}'


def test_any_known_key_reads_and_the_first_one_writes() -> None:
    """A new key in front reads what the old one wrote; alone it does not, and names both."""
    old, new = key(), key()
    body = AesGcmCodec([old]).encrypt(b"secret", HERE)
    both = AesGcmCodec([new, old])
    assert both.decrypt(body, HERE) == b"secret"
    alone = AesGcmCodec([new])
    assert alone.decrypt(both.encrypt(b"secret", HERE), HERE) == b"secret"
    with pytest.raises(EncryptionError) as caught:
        alone.decrypt(body, HERE)
    assert caught.value.key_id == both.key_ids[1]
    assert alone.key_ids[0] in caught.value.reason


def test_alike_is_alike_only_with_the_same_key_place_and_content() -> None:
    """What is encrypted alike can be compared; everything else differs each time."""
    one, other = AesGcmCodec([key()]), AesGcmCodec([key()])
    assert one.encrypt(b"a", HERE) != one.encrypt(b"a", HERE)
    alike = {
        one.encrypt_alike(b"a", HERE),
        one.encrypt_alike(b"a", HERE),
        one.encrypt_alike(b"a", THERE),
        one.encrypt_alike(b"b", HERE),
        other.encrypt_alike(b"a", HERE),
    }
    assert len(alike) == 4


def test_a_derived_key_is_replaced_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After BODIES_MAX bodies a new salt is drawn, and what the old one encrypted is still read."""
    monkeypatch.setattr(encryption, "BODIES_MAX", 2)
    monkeypatch.setattr(encryption, "CIPHERS_KEPT", 1)
    codec = AesGcmCodec([key()])
    bodies = [codec.encrypt(b"%d" % n, HERE) for n in range(5)]
    assert len({body[:14] for body in bodies}) == 3
    assert [codec.decrypt(body, HERE) for body in bodies] == [b"%d" % n for n in range(5)]


def test_digests_are_keyed_and_older_ones_known() -> None:
    """The first digest is the newest key's; the others are what may have been written before."""
    old, new = key(), key()
    digests = AesGcmCodec([new, old]).digests(b"d" * 16)
    assert digests == (AesGcmCodec([new]).digests(b"d" * 16)[0], AesGcmCodec([old]).digests(b"d" * 16)[0], b"d" * 16)
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    "text",
    ["", "hfk_", "hfk_short", new_key()[4:], new_key() + "A", "hfk_" + "é" * 43],
    ids=["empty", "prefix", "short", "no-prefix", "long", "not-ascii"],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    """The error names where it was looked for and not what was there."""
    with pytest.raises(SettingsError, match="env:KEY holds no encryption key"):
        parse_key(text, "env:KEY")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `cryptography` there is one error, and it says what to install."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(MissingExtraError, match=r"holdfast\[encryption\]"):
        AesGcmCodec([key()])


def test_every_operation_is_encrypted_or_known_to_need_none() -> None:
    """Whoever adds an operation says whether it carries what users wrote."""
    kinds = set(get_args(Operation)) - {Carrying}  # a base: each that carries another one says it for itself
    assert kinds == ENCRYPTS.keys() | PLAIN
    assert not ENCRYPTS.keys() & PLAIN
