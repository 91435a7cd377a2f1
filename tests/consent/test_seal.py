"""What one secret key protects, and from whom."""

import pytest

from consent.seal import Seal, SealError

KEY = "a secret key for nothing but these tests"


def test_what_is_sealed_is_opened_by_every_process_with_the_same_key() -> None:
    assert Seal(KEY).decrypt(Seal(KEY).encrypt(b"plain", "kid"), "kid") == b"plain"


def test_the_same_is_never_sealed_alike() -> None:
    seal = Seal(KEY)

    assert seal.encrypt(b"plain", "kid") != seal.encrypt(b"plain", "kid")
    assert b"plain" not in seal.encrypt(b"plain", "kid")


def test_another_key_opens_nothing() -> None:
    sealed = Seal(KEY).encrypt(b"plain", "kid")

    with pytest.raises(SealError):
        Seal(KEY + "!").decrypt(sealed, "kid")


def test_a_record_in_the_place_of_another_is_not_opened() -> None:
    """The context is bound: whoever can write Redis cannot swap records."""
    seal = Seal(KEY)

    with pytest.raises(SealError):
        seal.decrypt(seal.encrypt(b"plain", "one kid"), "another kid")


def test_a_changed_or_cut_record_is_not_opened() -> None:
    seal = Seal(KEY)
    sealed = seal.encrypt(b"plain", "kid")

    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        for damaged in (bytes(changed), sealed[:place]):
            with pytest.raises(SealError):
                seal.decrypt(damaged, "kid")


def test_a_challenge_is_the_same_whenever_asked_and_another_for_any_other() -> None:
    seal = Seal(KEY)
    challenge = seal.challenge("consent", "device")

    assert challenge == Seal(KEY).challenge("consent", "device")
    assert len(challenge) == 43
    others = {
        seal.challenge("consent", "device2"),
        seal.challenge("consent2", "device"),
        Seal(KEY + "!").challenge("consent", "device"),
    }
    assert challenge not in others
    assert len(others) == 3


def test_each_use_has_a_key_of_its_own() -> None:
    """RFC 5869: none can stand in for another, and none is the secret itself."""
    seal = Seal(KEY)

    assert len(seal.transaction_key) == 32
    assert seal.transaction_key != KEY.encode()
    with pytest.raises(SealError):
        Seal(seal.transaction_key.hex()).decrypt(seal.encrypt(b"plain", "kid"), "kid")


def test_a_user_code_is_kept_as_what_only_the_key_can_make() -> None:
    """A041: the same code of another person, or under another key, is kept as something else."""
    kept = Seal(KEY).user_code("person", "2511")

    assert kept == Seal(KEY).user_code("person", "2511")
    assert len(kept) == 43
    others = {
        Seal(KEY).user_code("person", "2512"),
        Seal(KEY).user_code("person2", "2511"),
        Seal(KEY + "!").user_code("person", "2511"),
        Seal(KEY).challenge("person", "2511"),
    }
    assert kept not in others
    assert len(others) == 4


def test_a_refresh_token_is_proved_by_what_only_the_key_can_make() -> None:
    """B020: none of it is stored, and no other use of the key makes the same."""
    mac = Seal(KEY).refresh_token_mac("consent", 1)

    assert mac == Seal(KEY).refresh_token_mac("consent", 1)
    assert len(mac) == 43
    others = {
        Seal(KEY).refresh_token_mac("consent", 2),
        Seal(KEY).refresh_token_mac("consent2", 1),
        Seal(KEY + "!").refresh_token_mac("consent", 1),
        Seal(KEY).challenge("consent", "1"),
        Seal(KEY).user_code("consent", "1"),
    }
    assert mac not in others
    assert len(others) == 5


def test_no_key_of_one_use_is_that_of_another() -> None:
    seal = Seal(KEY)
    ours = {seal.transaction_key, seal.nonce_key, seal.audit_key}

    assert len(ours) == 3
    assert Seal(KEY).audit_key == seal.audit_key != Seal(KEY + "!").audit_key
