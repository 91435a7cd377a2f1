"""Software statements (C050-C054)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import policy
from consent.errors import InvalidSoftwareStatement, UnapprovedSoftwareStatement
from consent.registration.software_statement import check_not_widened, with_statement
from consent.signing_key import new_signing_key
from tests.support.domain import ISSUER, NOW
from tests.support.forgery import hs256, unsigned
from tests.support.registering import ISSUERS, STATING, statement


def stated(text: object, **body: object) -> dict[str, Any]:
    return with_statement(
        {"software_statement": text, **body}, issuers=ISSUERS, issuer=ISSUER, now=NOW
    )


def test_what_is_stated_overrides_what_the_client_says() -> None:
    """C050, C051: the statement itself is returned as it was sent."""
    text = statement(client_name="Stated", client_uri=None, software_statement="x")

    body = stated(text, client_name="Mine", client_uri="https://mine.example/")

    assert body["client_name"] == "Stated"
    assert body["client_uri"] == "https://mine.example/"
    assert body["software_id"] == "app-1"
    assert body["software_statement"] == text


def test_without_a_statement_the_client_speaks_for_itself() -> None:
    body: dict[str, object] = {"client_name": "Mine"}
    assert with_statement(body, issuers=ISSUERS, issuer=ISSUER, now=NOW) == body


BELIEVED = {
    "no time": statement(),
    "a life that has not ended": statement(exp=NOW + 1),
    "a life that ended within the allowance for clocks": statement(
        exp=NOW - policy.CLOCK_SKEW_SECONDS + 1
    ),
    "a life that has begun": statement(nbf=NOW),
    "meant for us": statement(aud=ISSUER),
    "meant for us and others": statement(aud=["https://other.example/", ISSUER]),
}


@pytest.mark.parametrize("text", BELIEVED.values(), ids=BELIEVED)
def test_a_statement_of_somebody_we_trust_is_believed(text: str) -> None:
    assert stated(text)["software_id"] == "app-1"


INVALID: dict[str, object] = {
    "a number": 1,
    "an object": {},
    "nothing": "",
    "no JWT": "abc",
    "no signature": unsigned({"alg": "none"}, {"iss": STATING}),
    "a MAC": hs256({"alg": "HS256"}, {"iss": STATING}, b"k" * 32),
    "another's signature": new_signing_key().sign({"iss": STATING}, "JWT"),
    "a changed claim": statement()[:-2] + "xx",
    "no issuer": statement(iss=None),
    "an issuer that is a number": statement(iss=1),
    "another type of token": statement(typ="at+jwt"),
    "expired": statement(exp=NOW - policy.CLOCK_SKEW_SECONDS),
    "a time that is a text": statement(exp=str(NOW + 60)),
    "not valid yet": statement(nbf=NOW + policy.CLOCK_SKEW_SECONDS + 1),
    "meant for somebody else": statement(aud="https://other.example/"),
    "too long": statement(x="a" * policy.SIGNED_REQUEST_CHARACTERS_MAX),
    "half a surrogate pair": "\ud800.\ud800.\ud800",
}


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID)
def test_what_is_not_signed_as_it_says_is_invalid(text: object) -> None:
    """C052."""
    with pytest.raises(InvalidSoftwareStatement) as refused:
        stated(text)

    assert refused.value.error == "invalid_software_statement"
    assert refused.value.description.isascii()


def test_a_stranger_approves_nothing() -> None:
    """C052, C053: nor does anybody where nobody is trusted."""
    with pytest.raises(UnapprovedSoftwareStatement):
        stated(new_signing_key().sign({"iss": "https://stranger.example"}, "JWT"))
    with pytest.raises(UnapprovedSoftwareStatement):
        with_statement({"software_statement": statement()}, issuers={}, issuer=ISSUER, now=NOW)


def test_on_an_update_the_same_is_stated_again() -> None:
    """C054."""
    check_not_widened(None, None)
    check_not_widened(None, statement())
    check_not_widened(statement(), statement(client_name="Later"))
    with pytest.raises(InvalidSoftwareStatement):
        check_not_widened(statement(), None)
    with pytest.raises(UnapprovedSoftwareStatement):
        check_not_widened(statement(), statement(software_id="app-2"))
    with pytest.raises(UnapprovedSoftwareStatement):
        check_not_widened(statement(), statement(iss="https://else.example"))


@given(st.text() | st.binary().map(lambda octets: octets.decode("latin-1")))
def test_any_text_is_a_statement_or_refused_as_one(text: str) -> None:
    with pytest.raises(InvalidSoftwareStatement):
        stated(text)
