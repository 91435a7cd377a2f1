"""Whom a hint names, in each of its forms, and that no other text names anybody (A028)."""

import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consent.errors import UnknownUserId
from consent.login_hint import LoginHint, login_hint, normal_email, normal_phone, subject
from tests.support.domain import ISSUER, USER_ID, assert_says_nothing


def hint(**members: object) -> str:
    return json.dumps(members)


def iss_sub(**changes: object) -> str:
    return hint(**({"format": "iss_sub", "iss": ISSUER, "sub": USER_ID} | changes))


def refused(text: str) -> UnknownUserId:
    with pytest.raises(UnknownUserId) as caught:
        login_hint(text, issuer=ISSUER)
    assert caught.value.detail, "the log is told what was wrong"
    assert_says_nothing(caught.value)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        iss_sub(),
        iss_sub(iss=ISSUER.rstrip("/")),
        iss_sub(more=["is", "ignored"]),
        json.dumps({"sub": USER_ID, "iss": ISSUER, "format": "iss_sub"}, indent=2),
        f" \n{iss_sub()} ",
    ],
)
def test_an_issuers_subject_is_understood_as_the_client_libraries_write_it(text: str) -> None:
    """auth0-wire 1.1: any order, spaces, an issuer with or without its slash; A011."""
    assert login_hint(text, issuer=ISSUER) == LoginHint("user_id", USER_ID)


@pytest.mark.parametrize("user_id", ["u", "u" * 255, "auth0|\u00e4 \u2603", "a:b}*", "u@x", "+1"])
def test_a_user_id_is_any_text_of_at_most_255_characters(user_id: str) -> None:
    assert login_hint(iss_sub(sub=user_id), issuer=ISSUER) == LoginHint("user_id", user_id)


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ({"format": "email", "email": "User@Example.com"}, ("email", "user@example.com")),
        ({"format": "email", "email": "a|b@example.com"}, ("email", "a|b@example.com")),
        (
            {"format": "phone_number", "phone_number": "+12065550100"},
            ("phone_number", "+12065550100"),
        ),
    ],
)
def test_a_subject_identifier_may_be_an_address_or_a_number(
    identifier: dict[str, str], expected: tuple[str, str]
) -> None:
    """RFC 9493 3.2.2, 3.2.5."""
    found = login_hint(json.dumps(identifier), issuer=ISSUER)

    assert (found.kind, found.value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auth0|u1", ("user_id", "auth0|u1")),
        ("auth0|u1@example.com", ("user_id", "auth0|u1@example.com")),
        ("+49|170", ("user_id", "+49|170")),
        ("nobody", ("user_id", "nobody")),
        ("12065550100", ("user_id", "12065550100")),
        ("u" * 255, ("user_id", "u" * 255)),
        ("Anna@Example.com", ("email", "anna@example.com")),
        ("+49@example.com", ("email", "+49@example.com")),
        ("+1206555", ("phone_number", "+1206555")),
        ("+123456789012345", ("phone_number", "+123456789012345")),
    ],
)
def test_a_bare_value_is_what_it_looks_like(text: str, expected: tuple[str, str]) -> None:
    """A `|` makes a user id, else an `@` an e-mail address, else a leading `+` a number."""
    found = login_hint(text, issuer=ISSUER)

    assert (found.kind, found.value) == expected


NOBODY = {
    "nothing": "",
    "a user id of 256 characters": "u" * 256,
    "half a surrogate pair": "auth0|\ud800",
    "two @": "a@b@example.com",
    "an @ alone": "@",
    "no domain": "a@",
    "no local part": "@example.com",
    "an address with a space": "a b@example.com",
    "an address with a line break": "a@example.com\n",
    "an address with a wide space": "a\u2003b@example.com",
    "an address with a bidi override": "a\u202e@example.com",
    "an address of 256 characters": "a" * 244 + "@example.com",
    "a + alone": "+",
    "a number of 6 digits": "+120655",
    "a number of 16 digits": "+1234567890123456",
    "a number with spaces": "+1 206 555 0100",
    "a number with a line break": "+12065550100\n",
    "a number of other digits": "+\u0661\u0662\u0663\u0664\u0665\u0666\u0667",
    "an unclosed object": "{",
    "deep": "{" * 5_000,
    "no format": hint(iss=ISSUER, sub=USER_ID),
    "another format": hint(format="aliases", identifiers=[]),
    "a format that is a list": hint(format=["iss_sub"], iss=ISSUER, sub=USER_ID),
    "an opaque one": hint(format="opaque", id=USER_ID),
    "no issuer": hint(format="iss_sub", sub=USER_ID),
    "another issuer": iss_sub(iss="https://nod.example.org/"),
    "an issuer that begins alike": iss_sub(iss="https://nod.example.evil/"),
    "an issuer that is a number": iss_sub(iss=1),
    "no subject": hint(format="iss_sub", iss=ISSUER),
    "an empty subject": iss_sub(sub=""),
    "a subject of 256 characters": iss_sub(sub="u" * 256),
    "a subject that is a number": iss_sub(sub=1),
    "two subjects": iss_sub()[:-1] + ', "sub": "auth0|u2"}',
    "a NUL": iss_sub(sub="a\0b"),
    "a number of many digits": iss_sub()[:-1] + ', "n": ' + "9" * 5_000 + "}",
    "a NaN": iss_sub()[:-1] + ', "n": NaN}',
    "no address": hint(format="email"),
    "an address that is none": hint(format="email", email="a"),
    "an address that is a list": hint(format="email", email=["a@example.com"]),
    "no number": hint(format="phone_number"),
    "a number that is a number": hint(format="phone_number", phone_number=12065550100),
    "a number without its +": hint(format="phone_number", phone_number="12065550100"),
}


@pytest.mark.parametrize("text", NOBODY.values(), ids=NOBODY)
def test_what_can_name_nobody_is_answered_like_somebody_unknown(text: str) -> None:
    refusal = refused(text)

    assert (refusal.error, refusal.description) == (
        "unknown_user_id",
        "User ID is malformed or unknown",
    )


@pytest.mark.parametrize("identifier", [None, 1, "auth0|u1", [], {}])
def test_what_is_no_identifier_names_nobody(identifier: object) -> None:
    with pytest.raises(UnknownUserId):
        subject(identifier, issuer=ISSUER)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("a@b", "a@b"),
        (f"{'a' * 243}@example.com", f"{'a' * 243}@example.com"),
        ("ANNA.B+tag@EXAMPLE.COM", "anna.b+tag@example.com"),
        ("cafe\u0301@example.com", "caf\u00e9@example.com"),
        ("J\u030c@example.com", "\u01f0@example.com"),  # composed in lower case only
        ("\u212a@example.com", "k@example.com"),  # the Kelvin sign is a K
        ("\u00c9@example.com", "\u00c9@example.com"),  # not ASCII: kept
        ("a@b\uff20c", "a@b\uff20c"),  # looks like an @ and is none
        (" a@b", None),
        ("a@b\u00a0", None),
        ("a@b\0", None),
        ("a@\ud800", None),
        ("a", None),
    ],
)
def test_an_address_has_one_spelling(text: str, normal: str | None) -> None:
    assert normal_email(text) == normal


@given(st.text() | st.from_regex(r"[^@\s]{1,20}@[^@\s]{1,20}", fullmatch=True))
@example("J\u030c@x")
@example("\u212a\u0331@x")
def test_the_spelling_is_its_own_and_that_of_all_equivalents(text: str) -> None:
    normal = normal_email(text)

    assert normal is None or normal_email(normal) == normal
    for form in ("NFC", "NFD"):
        same = unicodedata.normalize(form, text)
        if len(same) <= 255 and len(text) <= 255:
            assert normal_email(same) == normal


@given(st.text() | st.text("+0123456789"))
def test_a_number_is_kept_as_it_is_or_refused(text: str) -> None:
    assert normal_phone(text) in {text, None}


TEXTS = st.text(st.characters())


@given(
    TEXTS
    | st.sampled_from(list(NOBODY.values()))
    | st.dictionaries(
        st.sampled_from(["format", "iss", "sub", "email", "phone_number"]),
        st.sampled_from(["iss_sub", "email", "phone_number", ISSUER, "a@b", "+1206555"])
        | st.none()
        | st.integers()
        | st.lists(st.text(), max_size=2)
        | st.text(),
    ).map(json.dumps)
)
def test_any_text_names_somebody_or_nobody(text: str) -> None:
    """Nothing but UnknownUserId, and what is found can be written and looked for."""
    try:
        found = login_hint(text, issuer=ISSUER)
    except UnknownUserId as refusal:
        assert_says_nothing(refusal)
    else:
        assert found.value.encode()
        assert found.kind in {"user_id", "email", "phone_number"}
