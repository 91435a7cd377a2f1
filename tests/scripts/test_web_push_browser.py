"""What plays the browser reads what the specification printed, and nothing that was changed."""

import pytest

from scripts.doubles.web_push_browser import Browser, Undecryptable, decoded
from tests.support.domain import vector

EXAMPLE = vector("rfc8291_message")
BODY = decoded(EXAMPLE["body"])


def the_browser() -> Browser:
    key = int.from_bytes(decoded(EXAMPLE["user_agent_private_key"]))
    return Browser(key=key, auth=decoded(EXAMPLE["auth"]))


def test_the_message_of_the_specification_is_read() -> None:
    """RFC 8291 5."""
    assert the_browser().keys == {
        "p256dh": EXAMPLE["user_agent_public_key"],
        "auth": EXAMPLE["auth"],
    }
    assert the_browser().decrypted(BODY).decode() == EXAMPLE["plaintext"]


@pytest.mark.parametrize("octet", [0, 20, 22, 90, -1], ids=str)
def test_a_message_that_was_changed_is_not(octet: int) -> None:
    changed = bytearray(BODY)
    changed[octet] ^= 1

    with pytest.raises(Undecryptable):
        the_browser().decrypted(bytes(changed))


@pytest.mark.parametrize("octets", [0, 20, 86, 102])
def test_half_a_message_is_not(octets: int) -> None:
    with pytest.raises(Undecryptable):
        the_browser().decrypted(BODY[:octets])


def test_a_message_to_another_browser_is_not() -> None:
    with pytest.raises(Undecryptable):
        Browser().decrypted(BODY)
