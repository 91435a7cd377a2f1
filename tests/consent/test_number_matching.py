"""When a number is to be matched, and what one is (T36)."""

import pytest

from consent.number_matching import ACR, matches, needs_number, new_matching_number
from consent.tenant import Tenant
from tests.support.domain import a_client


@pytest.mark.parametrize(
    ("client", "tenant", "acr_values", "needed"),
    [
        (False, False, "", False),
        (False, False, "urn:nod:acr:signed-approval", False),
        (True, False, "", True),
        (False, True, "", True),
        (False, False, ACR, True),
        (False, False, f"urn:other {ACR}", True),
        (False, False, f"{ACR}x", False),
    ],
    ids=str,
)
def test_the_client_the_tenant_or_the_request_turns_it_on(
    client: bool, tenant: bool, acr_values: str, needed: bool
) -> None:
    asking = a_client(number_matching=client)

    assert needs_number(asking, Tenant(number_matching=tenant), acr_values) is needed


def test_a_number_has_two_digits_and_no_leading_zero() -> None:
    numbers = {new_matching_number() for _ in range(5_000)}

    assert numbers == {str(number) for number in range(10, 100)}


@pytest.mark.parametrize("typed", ["", "4", "24", "042", "42 ", "\u0664\u0662", "\uff14\uff12"])
def test_only_the_same_digits_match(typed: str) -> None:
    assert not matches(typed, "42")
    assert matches("42", "42")
