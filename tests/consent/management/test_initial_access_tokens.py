"""Initial access tokens as administrators make and see them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.errors import ManagementError
from consent.management.initial_access_tokens import new_token, token_shown

NOW = 1_800_000_000.9


def test_the_token_is_in_no_list() -> None:
    record, token = new_token({"uses": 5}, NOW)

    assert record.uses_left == 5
    assert record.expires_at == record.created_at + 86_400
    assert token_shown(record, token) == token_shown(record) | {"token": token}
    assert record.digest not in str(token_shown(record))
    assert token not in str(token_shown(record))


@pytest.mark.parametrize("body", [{"uses": 0}, {"uses": "1"}, {"expires_in_seconds": -1}])
def test_bounds_are_kept(body: dict[str, object]) -> None:
    with pytest.raises(ManagementError):
        new_token(body, NOW)


@given(st.dictionaries(st.sampled_from(["uses", "expires_in_seconds"]), st.integers()))
def test_any_number_is_taken_or_refused(body: dict[str, object]) -> None:
    try:
        record, _ = new_token(body, NOW)
    except ManagementError:
        return
    assert record.uses_left > 0
    assert record.expires_at > record.created_at
