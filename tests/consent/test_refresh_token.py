"""Refresh tokens as text: the same whenever made, and made by nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.refresh_token import opened, refresh_token
from consent.seal import Seal
from tests.support.domain import CONSENT_ID, SEAL

TOKEN = refresh_token(SEAL, CONSENT_ID, 12)
MAC = TOKEN.rpartition(".")[2]


def test_a_refresh_token_names_its_approval_and_generation() -> None:
    assert opened(SEAL, TOKEN) == (CONSENT_ID, 12)


@given(st.integers(0, 10**9 - 1))
def test_a_generation_is_always_the_same_text_and_no_other_generations(number: int) -> None:
    """A rotation whose answer was lost is answered again, byte for byte (T17)."""
    text = refresh_token(SEAL, CONSENT_ID, number)

    assert text == refresh_token(
        Seal("a secret key for nothing but these tests"), CONSENT_ID, number
    )
    assert opened(SEAL, text) == (CONSENT_ID, number)
    assert text != refresh_token(SEAL, CONSENT_ID, number + 1)


def test_it_is_only_what_every_header_and_form_can_carry() -> None:
    """RFC 6749 A.17; and 256 bits of it are nobody's to guess (B020)."""
    assert TOKEN.isascii()
    assert TOKEN.isprintable()
    assert len(MAC) == 43


REFUSED = {
    "nothing": "",
    "another generation": f"{CONSENT_ID}.13.{MAC}",
    "another approval": f"{CONSENT_ID[:-1]}!.12.{MAC}",
    "another partition": f"fff{CONSENT_ID[3:]}.12.{MAC}",
    "no partition": f"xyz{CONSENT_ID[3:]}.12.{MAC}",
    "another key's": refresh_token(Seal("k" * 32), CONSENT_ID, 12),
    "a changed MAC": f"{CONSENT_ID}.12.{'A' * 43}",
    "no MAC": f"{CONSENT_ID}.12.",
    "half a MAC": TOKEN[:-1],
    "a longer MAC": TOKEN + "A",
    "a generation with zeros before it": f"{CONSENT_ID}.012.{MAC}",
    "a generation with a sign": f"{CONSENT_ID}.+12.{MAC}",
    "a generation in other digits": f"{CONSENT_ID}.\u0661\u0662.{MAC}",
    "a huge generation": f"{CONSENT_ID}.{'9' * 5_000}.{MAC}",
    "a line end after it": TOKEN + "\n",
    "another use of the secret key": f"{CONSENT_ID}.12.{SEAL.challenge(CONSENT_ID, '12')}",
    "a consent_id": CONSENT_ID,
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_any_other_text_is_none(text: str) -> None:
    assert opened(SEAL, text) is None


@given(st.text() | st.from_regex(r"[0-9a-f]{3}[A-Za-z0-9_-]{43}\.[0-9]{1,9}\.[A-Za-z0-9_-]{43}"))
def test_a_random_text_is_none(text: str) -> None:
    assert opened(SEAL, text) is None
