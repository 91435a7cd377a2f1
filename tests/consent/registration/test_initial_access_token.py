"""Initial access tokens (C002, C003, C069)."""

import msgspec
import pytest

from consent.errors import InvalidToken
from consent.registration.initial_access_token import (
    bearer_token,
    checked,
    new_initial_access_token,
    token_id,
)

NOW = 1_000.0


def test_a_token_is_kept_as_its_digest_only() -> None:
    record, token = new_initial_access_token(created_at=0, expires_at=1, uses=1)

    assert len(token) == 43
    assert token not in msgspec.json.encode(record).decode()
    assert record.id == token_id(token)
    assert record.id.removeprefix("iat_") not in record.digest


def test_it_is_used_up_after_its_uses() -> None:
    record, _ = new_initial_access_token(created_at=0, expires_at=1, uses=2)

    left = record.used()
    assert left == msgspec.structs.replace(record, uses_left=1)
    assert left is not None
    assert left.used() is None


def test_it_is_good_until_it_expires() -> None:
    record, token = new_initial_access_token(created_at=0, expires_at=1_001, uses=1)
    assert checked(record, token, NOW) is record
    for it, offered, now in (
        (record, token, 1_001.0),
        (record, "another", NOW),
        (None, token, NOW),
    ):
        with pytest.raises(InvalidToken) as refused:
            checked(it, offered, now)
        assert refused.value.headers == (("WWW-Authenticate", 'Bearer error="invalid_token"'),)


@pytest.mark.parametrize("header", ["Bearer t", "bearer t", "BEARER  t "])
def test_a_bearer_token_is_in_the_header(header: str) -> None:
    assert bearer_token(header) == "t"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic eDp5", "t", "DPoP t"])
def test_without_one_no_error_is_named(header: str | None) -> None:
    """C003, RFC 6750 3.1."""
    with pytest.raises(InvalidToken) as refused:
        bearer_token(header)

    assert (refused.value.status, refused.value.error) == (401, "invalid_token")
    assert refused.value.headers == (("WWW-Authenticate", "Bearer"),)
