"""Which key signs at a time, and how long the others are published."""

import functools

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import jose, policy
from consent.client import SigningAlgorithm
from consent.key_ring import KeyRing
from consent.management.clients import _LIFETIME_SECONDS_MAX
from consent.settings import _RANGES
from consent.signing_key import SigningKey, new_signing_key
from tests.support.domain import NOW

MS = NOW * 1_000
PUBLISHED_AFTER_MS = policy.KEY_PUBLISHED_AFTER_SECONDS * 1_000
HOUR_MS = 3_600_000


@functools.cache
def key(number: int, alg: SigningAlgorithm = "ES256") -> SigningKey:  # noqa: ARG001 - tells them apart
    return new_signing_key(alg)


def kids(published: list[dict[str, str]]) -> set[str]:
    return {jwk["kid"] for jwk in published}


# The first key has always signed, the second was rotated in, the third will be.
RING = KeyRing([(key(2), MS), (key(1), 0), (key(3), MS + HOUR_MS)])


@pytest.mark.parametrize(
    ("now_ms", "number"),
    [
        (0, 1),
        (MS - 1, 1),
        (MS, 2),
        (MS + 0.5, 2),
        (MS + HOUR_MS - 1, 2),
        (MS + HOUR_MS, 3),
        (MS + 1_000 * HOUR_MS, 3),
    ],
)
def test_the_newest_key_whose_time_has_come_signs(now_ms: float, number: int) -> None:
    assert RING.signer("ES256", now_ms) is key(number)


def test_an_algorithm_without_a_key_that_may_sign_has_no_signer() -> None:
    assert KeyRing([]).signer("ES256", MS) is None
    assert RING.signer("RS256", MS) is None
    assert KeyRing([(key(1), MS + 1)]).signer("ES256", MS) is None


def test_algorithms_do_not_supersede_each_other() -> None:
    ring = KeyRing([(key(1), 0), (key(1, "EdDSA"), MS)])

    assert ring.signer("ES256", MS) is key(1)
    assert ring.signer("EdDSA", MS) is key(1, "EdDSA")
    assert {entry.state(MS) for entry in ring.entries} == {"signing"}


@pytest.mark.parametrize(
    ("now_ms", "states"),
    [
        (MS - 1, ["signing", "upcoming", "upcoming"]),
        (MS, ["superseded", "signing", "upcoming"]),
        (MS + PUBLISHED_AFTER_MS - 1, ["superseded", "superseded", "signing"]),
        (MS + PUBLISHED_AFTER_MS, ["retired", "superseded", "signing"]),
        (MS + HOUR_MS + PUBLISHED_AFTER_MS, ["retired", "retired", "signing"]),
    ],
)
def test_a_key_is_published_before_it_signs_and_as_long_as_its_tokens_live(
    now_ms: int, states: list[str]
) -> None:
    told = {entry.key.kid: entry.state(now_ms) for entry in RING.entries}
    published = {key(n).kid for n, state in enumerate(states, 1) if state != "retired"}

    assert [told[key(n).kid] for n in (1, 2, 3)] == states
    assert kids(RING.published(now_ms)) == published


def test_no_token_outlives_the_publication_of_its_key() -> None:
    """Every lifetime that can be set, and the allowance for clocks."""
    longest = max(_RANGES["access_token_lifetime_seconds"][1], _LIFETIME_SECONDS_MAX)

    assert longest <= policy.TOKEN_LIFE_SECONDS_MAX
    assert longest + policy.CLOCK_SKEW_SECONDS <= policy.KEY_PUBLISHED_AFTER_SECONDS


def test_a_retired_key_is_still_found() -> None:
    """CIBA 14, A031: an id_token_hint may be signed with it."""
    late = MS + 2 * PUBLISHED_AFTER_MS
    token = key(1).sign({"sub": "u"}, "JWT")

    assert key(1).kid not in kids(RING.published(late))
    assert RING.find(key(1).kid) is key(1)
    assert jose.claims_of(token, RING.public_keys(), ["ES256"]) == {"sub": "u"}
    assert RING.find("another") is None


def test_public_keys_verify_by_their_own_algorithm_alone() -> None:
    [public] = KeyRing([(key(1), 0)]).public_keys()

    assert (public.kid, public.algorithms) == (key(1).kid, ("ES256",))
    with pytest.raises(jose.Unverified):
        jose.claims_of(jwt.encode({}, "k" * 32, "HS256"), [public], ["ES256"])


times = st.integers(0, 5).map(lambda hours: MS + hours * HOUR_MS)


@given(starts=st.lists(times, max_size=5), now_ms=times)
def test_every_process_chooses_the_same_key_and_it_is_published(
    starts: list[int], now_ms: int
) -> None:
    """In whatever order the records are read; at most one key of an algorithm signs."""
    keys = [(key(number), start) for number, start in enumerate(starts)]
    ring, again = KeyRing(keys), KeyRing(reversed(keys))
    signer = ring.signer("ES256", now_ms)

    assert signer is again.signer("ES256", now_ms)
    signing = [entry.key for entry in ring.entries if entry.state(now_ms) == "signing"]
    assert signing == ([signer] if signer else [])
    assert kids(ring.published(now_ms)) >= {it.kid for it in signing}
    assert kids(ring.published(now_ms)) == {key(n).kid for n in range(len(starts))}
