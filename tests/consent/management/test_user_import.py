"""What an import reads, and what it tells."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.errors import ManagementError
from consent.management.user_import import (
    USERS_MAX,
    Failure,
    Result,
    UsersImport,
    failure,
    form_body,
    inexistent_job,
    is_job_id,
    job,
    known_by,
    users_import,
    wanted,
    warnings,
)
from consent.management.users import Term, existing_user, new_user


def test_a_form_and_a_json_body_ask_for_the_same() -> None:
    parts = {
        "users": b'[{"email": "a@b"}]',
        "connection_id": b"con_1",
        "upsert": b"true",
        "external_id": "№ 1".encode(),
        "send_completion_email": b"false",
    }
    body: dict[str, object] = {
        "users": [{"email": "a@b"}],
        "connection_id": "con_1",
        "upsert": True,
        "external_id": "№ 1",
        "send_completion_email": False,
    }

    assert users_import(form_body(parts)) == users_import(body)
    assert users_import({"users": []}) == UsersImport(users=[], upsert=False)


BAD_FORMS = {
    "no users": ({}, "property users"),
    "no JSON": ({"users": b"SECRETVALUE"}, "JSON of users is malformed"),
    "newline delimited JSON": ({"users": b'{"a":1}\n{"a":2}'}, "JSON of users is malformed"),
    "deep JSON": ({"users": b"[" * 100_000}, "nested too deeply"),
    "not UTF-8": ({"users": b"[\xff]"}, "not UTF-8"),
    "an object": ({"users": b"{}"}, "property users"),
    "too many": ({"users": b"[" + b"1," * USERS_MAX + b"1]"}, "property users"),
    "half a truth": ({"users": b"[]", "upsert": b"SECRETVALUE"}, "property upsert"),
    "an id in Latin-1": ({"users": b"[]", "connection_id": b"\xe4"}, "property connection_id"),
    "a long id": ({"users": b"[]", "external_id": b"a" * 256}, "property external_id"),
    "an id with a control": ({"users": b"[]", "external_id": b"a\n"}, "property external_id"),
}


@pytest.mark.parametrize(("parts", "said"), BAD_FORMS.values(), ids=BAD_FORMS)
def test_a_bad_form_is_refused_by_the_name_of_its_part(parts: dict[str, bytes], said: str) -> None:
    with pytest.raises(ManagementError, match=said) as refused:
        users_import(form_body(parts))

    assert refused.value.error == "invalid_body"
    assert "SECRETVALUE" not in refused.value.description
    assert refused.value.description.isascii()


EXPORTED: dict[str, Any] = {
    "user_id": "auth0|5f7c8ec7c33c6c004bbafe82",
    "email": "ann@example.com",
    "email_verified": True,
    "name": "Ann",
    "created_at": "2020-01-01T00:00:00.000Z",
    "identities": [{"connection": "other", "user_id": "5f7c", "provider": "auth0"}],
    "connection": "other",
    "logins_count": 7,
    "custom_password_hash": {"algorithm": "bcrypt", "hash": {"value": "SECRETVALUE"}},
    "password_hash": "SECRETVALUE",
    "mfa_factors": [{"totp": {"secret": "SECRETVALUE"}}],
}


def test_an_exported_user_is_read_with_the_id_they_had() -> None:
    user, body = wanted(EXPORTED, "staff")

    assert user == new_user(
        {
            "user_id": "5f7c8ec7c33c6c004bbafe82",
            "email": "ann@example.com",
            "email_verified": True,
            "name": "Ann",
            "connection": "staff",
        }
    )
    assert b"SECRETVALUE" not in msgspec.json.encode([user, body])


def test_what_is_left_out_is_said() -> None:
    assert warnings([EXPORTED, EXPORTED, {"password": "p"}, {"email": "a@b"}, 7]) == [
        "password of 1 users was left out",
        "password_hash of 2 users was left out",
        "custom_password_hash of 2 users was left out",
        "mfa_factors of 2 users was left out",
    ]
    assert warnings([{"email": "a@b"}]) == []


def test_a_user_is_there_already_by_the_id_or_else_by_what_they_are_known_by() -> None:
    for body, term in [
        ({"user_id": "u", "email": "A@b"}, Term("user_id", "auth0|u")),
        ({"email": "A@b", "username": "U"}, Term("email", "a@b")),
        ({"username": "U", "phone_number": "+1"}, Term("username", "u")),
        ({"phone_number": "+1"}, Term("phone_number", "+1")),
    ]:
        assert known_by(wanted(body, "users").user) == term


@pytest.mark.parametrize(
    ("entry", "told", "path"),
    [
        ({"user_id": "u", "email": "SECRETVALUE" * 30}, {"user_id": "u"}, "email"),
        ({"email": "a@b", "name": ["SECRETVALUE"]}, {"email": "a@b"}, "name"),
        ({"email": "ab", "password": "SECRETVALUE"}, {"email": "ab"}, "email"),
        ({"name": "SECRETVALUE"}, {}, ""),
        ({"email": "a@b", "user_code": "1"}, {"email": "a@b"}, "user_code"),
        (["SECRETVALUE"], {}, "users"),
        (None, {}, "users"),
    ],
)
def test_a_failure_tells_who_it_is_and_where_it_is_wrong(
    entry: object, told: dict[str, object], path: str
) -> None:
    with pytest.raises(ManagementError) as refused:
        wanted(entry, "users")
    said = failure(entry, refused.value)

    assert said.user == told
    assert [(error["code"], error["path"]) for error in said.errors] == [("INVALID_FORMAT", path)]
    assert b"SECRETVALUE" not in msgspec.json.encode(said)


def test_a_user_who_is_there_is_a_duplicate_in_auth0s_word() -> None:
    assert failure({"email": "a@b"}, existing_user()) == Failure(
        {"email": "a@b"},
        [{"code": "DUPLICATED_USER", "message": "The user already exists.", "path": ""}],
    )


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
MEMBERS = ["user_id", "email", "username", "phone_number", "name", "blocked", "app_metadata", "x"]
ENTRIES = st.one_of(JSON, st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=4))


@given(ENTRIES)
def test_any_entry_is_a_user_or_a_failure(entry: object) -> None:
    try:
        term = known_by(wanted(entry, "users").user)
    except ManagementError as refusal:
        said = failure(entry, refusal)
        term = Term(said.errors[0]["code"], said.errors[0]["message"])
    assert term.field in {"user_id", "email", "username", "phone_number", "INVALID_FORMAT"}


def test_a_job_shows_what_became_of_each() -> None:
    failed = Failure({}, [])
    result = Result(inserted=2, updated=3, failures=[failed], warnings=["w"])
    made = job("job_1", "now", "con_1", UsersImport(users=[], upsert=True, external_id="e"), result)

    assert made.shown == {
        "id": "job_1",
        "type": "users_import",
        "status": "completed",
        "created_at": "now",
        "connection_id": "con_1",
        "upsert": True,
        "external_id": "e",
        "summary": {"failed": 1, "updated": 3, "inserted": 2, "total": 6},
        "warnings": ["w"],
    }
    assert made.errors == [failed]


@pytest.mark.parametrize("text", ["", "job_", "job_*", "con_" + "a" * 22, "job_" + "é" * 22])
def test_an_id_that_is_none_is_not_looked_for(text: str) -> None:
    assert not is_job_id(text)
    assert is_job_id("job_" + "a" * 22)
    assert inexistent_job().status == 404
