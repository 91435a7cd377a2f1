"""Identifiers: unguessable, findable by their partition, and told apart from what is not one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import identifiers as ids

PERSON = ids.person_id_of("auth0|u1", 16)


def test_an_auth_req_id_is_256_bits_in_the_allowed_characters() -> None:
    """CIBA 7.3, A091, T3: and no two are alike."""
    made = {ids.new_auth_req_id(PERSON) for _ in range(1_000)}

    assert len(made) == 1_000
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{46}", auth_req_id) for auth_req_id in made)
    assert all(ids.is_auth_req_id(auth_req_id) for auth_req_id in made)


def test_everything_about_a_person_is_in_their_partition() -> None:
    partition = ids.partition_of(PERSON)
    auth_req_id = ids.new_auth_req_id(PERSON)

    assert ids.partition_of(auth_req_id) == partition
    assert ids.partition_of(ids.consent_id_of(auth_req_id)) == partition
    assert ids.partition_of(ids.new_ticket(PERSON)) == partition
    assert ids.person_of_device(ids.new_device_id(PERSON)) == PERSON


@given(st.text(max_size=300), st.integers(1, 4_096))
def test_any_user_id_has_a_person_id_that_tells_nothing_of_it(user_id: str, count: int) -> None:
    person_id = ids.person_id_of(user_id, count)

    assert re.fullmatch(r"[0-9a-f]{3}[A-Za-z0-9_-]{22}", person_id)
    assert int(ids.partition_of(person_id), 16) < count
    assert person_id == ids.person_id_of(user_id, count)


def test_people_are_spread_over_the_partitions() -> None:
    used = {ids.partition_of(ids.person_id_of(f"auth0|{n}", 16)) for n in range(500)}

    assert used == {f"{n:03x}" for n in range(16)}


def test_a_consent_id_redeems_nothing() -> None:
    """One way: the id in pushes and logs is a digest, and is no auth_req_id's own digest."""
    auth_req_id = ids.new_auth_req_id(PERSON)
    consent_id = ids.consent_id_of(auth_req_id)

    assert ids.is_consent_id(consent_id)
    assert auth_req_id[3:] not in consent_id
    assert ids.consent_id_of(consent_id) != consent_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "g" * 46,
        "000" + "a" * 42,
        "000" + "a" * 44,
        "000" + "a" * 42 + "}",
        "000" + "a" * 42 + ":",
        "000" + "a" * 42 + "*",
        "000" + "a" * 42 + "=",
        "000" + "a" * 43 + "\n",
        "000\0" + "a" * 42,
        "00A" + "a" * 43,
        "\u0660\u0660\u0660" + "a" * 43,
        "000" + "a" * 42 + "\u00e9",
        "0" * 65_536,
    ],
)
def test_what_is_no_identifier_never_reaches_a_key(text: str) -> None:
    """T28: characters with a meaning in a key, other alphabets, wrong lengths."""
    assert not ids.is_auth_req_id(text)
    assert not ids.is_consent_id(text)
    assert not ids.is_ticket(text)
    assert ids.person_of_device(text) is None
    assert ids.person_of_device(f"dev_{text}") is None


@given(st.text())
def test_a_random_text_is_no_identifier_of_ours(text: str) -> None:
    assert not ids.is_auth_req_id(text)
    assert not ids.is_ticket(text)
    assert ids.person_of_device(text) is None


def test_a_ticket_is_32_characters() -> None:
    """auth0-wire 3.5; T29: and is told from every other identifier."""
    ticket = ids.new_ticket(PERSON)

    assert (len(ticket), ids.is_ticket(ticket)) == (32, True)
    assert not ids.is_auth_req_id(ticket)
    assert not ids.is_ticket(ids.new_auth_req_id(PERSON))
    assert ids.person_of_device(ticket) is None


def test_a_client_id_is_32_characters_and_a_secret_256_bits() -> None:
    assert len(ids.new_client_id()) == 32
    assert len(ids.new_secret()) == 43
    assert ids.new_secret() != ids.new_secret()


def test_a_digest_is_unpadded_base64url_of_sha_256() -> None:
    """FIPS 180-4, the digest of "abc"."""
    assert ids.digest("abc") == "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"
    assert ids.b64url(b"\xfb\xff") == "-_8"


def test_what_a_mail_opens_is_told_apart_from_a_device() -> None:
    mailbox, device = ids.new_mailbox_device_id(PERSON), ids.new_device_id(PERSON)

    assert ids.person_of_mailbox_device(mailbox) == PERSON
    assert ids.person_of_device(mailbox) is None
    for other in (device, "", "mbx_", mailbox + "x", mailbox[:-1], mailbox + "\n"):
        assert ids.person_of_mailbox_device(other) is None
