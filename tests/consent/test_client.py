"""Who a client is: what it may offer as proof, and what it is told when that fails."""

import base64
from typing import get_args
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.client import (
    ASSERTION_TYPE,
    CERTIFICATE_METHODS,
    CIBA_GRANT,
    CLIENT_CREDENTIALS_GRANT,
    SECRET_METHODS,
    AuthenticationMethod,
    Client,
    Credentials,
    authenticated,
    credentials,
    failed,
)
from consent.errors import InvalidClient, InvalidRequest, OAuthError
from consent.identifiers import digest
from tests.support.domain import CLIENT_ID, CLIENT_SECRET, a_client, assert_says_nothing

CHALLENGE = (("WWW-Authenticate", 'Basic realm="nod"'),)


def basic(client_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def refusal(client: Client | None, offered: Credentials) -> InvalidClient:
    with pytest.raises(InvalidClient) as refused:
        authenticated(client, offered)
    return refused.value


@pytest.mark.parametrize(
    "secret", ["plain", "100%", "a+b", "a b", "ä:ö", "%2B", CLIENT_SECRET, "+%+"]
)
@pytest.mark.parametrize("encode", [str, quote_plus])
def test_basic_is_understood_form_encoded_and_raw(secret: str, encode: type[str]) -> None:
    """RFC 6749 2.3.1 encodes the halves; curl and many libraries do not."""
    client = a_client(secret_digest=digest(secret))

    offered = credentials(basic(encode(CLIENT_ID), encode(secret)), {})

    assert authenticated(client, offered) is client
    assert offered.by_header


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_the_scheme_is_known_in_any_case(scheme: str) -> None:
    """RFC 9110 11.1."""
    header = basic(CLIENT_ID, CLIENT_SECRET).replace("Basic", scheme, 1)

    assert authenticated(a_client(), credentials(header, {})).client_id == CLIENT_ID


def test_a_body_authenticates_as_well() -> None:
    offered = credentials(None, {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET})

    assert authenticated(a_client(), offered).client_id == CLIENT_ID
    assert not offered.by_header


ASSERTED = {"client_assertion": "eyJ", "client_assertion_type": ASSERTION_TYPE}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"client_secret": "s"},
        {"client_assertion": "eyJ", "client_id": CLIENT_ID},
        ASSERTED | {"client_assertion_type": ASSERTION_TYPE.upper()},
    ],
)
def test_no_authentication_is_no_client(parameters: dict[str, str]) -> None:
    """A004: and without a header nobody is told which scheme to use."""
    with pytest.raises(InvalidClient) as refused:
        credentials(None, parameters)

    assert (refused.value.status, refused.value.headers) == (401, ())


def test_an_assertion_says_itself_whose_it_is() -> None:
    """D070; the client_id beside it is compared once the assertion has been read (A008)."""
    assert credentials(None, ASSERTED) == Credentials("", (), by_header=False, assertion="eyJ")
    assert credentials(None, ASSERTED | {"client_id": CLIENT_ID}).client_id == CLIENT_ID


def test_a_client_without_a_secret_may_have_a_certificate() -> None:
    """RFC 8705 2: which is nowhere in the body."""
    assert credentials(None, {"client_id": CLIENT_ID}) == Credentials(
        CLIENT_ID, (), by_header=False
    )


@pytest.mark.parametrize("header", [None, "Basic YTpi"])
def test_a_secret_and_an_assertion_are_two_methods(header: str | None) -> None:
    """A006."""
    with pytest.raises(InvalidRequest):
        credentials(header, ASSERTED | {"client_secret": "s"})


def test_the_header_may_be_beside_the_client_id_in_the_body() -> None:
    """auth0-wire 5: auth0-server-python repeats it."""
    header = basic(CLIENT_ID, CLIENT_SECRET)

    assert credentials(header, {"client_id": CLIENT_ID}).client_id == CLIENT_ID


def test_two_client_ids_are_no_client() -> None:
    """A008."""
    with pytest.raises(InvalidClient):
        credentials(basic(CLIENT_ID, CLIENT_SECRET), {"client_id": "another"})


@pytest.mark.parametrize("name", ["client_secret", "client_assertion"])
@pytest.mark.parametrize("header", [basic(CLIENT_ID, CLIENT_SECRET), "Basic nonsense"])
def test_two_methods_at_once_are_refused(name: str, header: str) -> None:
    """A006, RFC 6749 2.3."""
    with pytest.raises(InvalidRequest):
        credentials(header, {"client_id": CLIENT_ID, name: CLIENT_SECRET})


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        "Basic",
        "Basic ",
        "Basic  ",
        "Bearer",
        "Bearer x",
        "Bearer  x",
        "Basic \0",
        "Basic \x00\x00",
        "Basic " + "A" * 65_536,
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic YQ",
        "Basic Y T p i",
        "Basic \u00e9",
        "Basic\tYTpi",
        "BasicYTpi",
        "Digest username=x",
        'Ticket id="x"',
        "MFA-DPoP x",
        "\r\n",
        "🔑",
    ],
)
def test_a_malformed_header_is_a_401_with_the_scheme_to_use(header: str) -> None:
    """A005, CVE-2026-9803: never an error of ours."""
    with pytest.raises(InvalidClient) as refused:
        credentials(header, {})

    assert (refused.value.status, refused.value.headers) == (401, CHALLENGE)
    assert_says_nothing(refused.value)


def test_two_spaces_after_the_scheme_are_one() -> None:
    header = basic(CLIENT_ID, CLIENT_SECRET).replace(" ", "  ", 1)

    assert credentials(header, {}).client_id == CLIENT_ID


def test_nul_in_credentials_is_a_wrong_secret() -> None:
    offered = credentials(basic(CLIENT_ID, "\0"), {})

    assert refusal(a_client(), offered).status == 401


@given(st.text(), st.dictionaries(st.sampled_from(["client_id", "client_secret"]), st.text()))
def test_a_random_header_is_refused_or_read(header: str, parameters: dict[str, str]) -> None:
    try:
        offered = credentials(header, parameters)
        authenticated(None, offered)
    except OAuthError as refused:
        assert_says_nothing(refused)
    else:
        pytest.fail("nobody was authenticated as somebody")


@given(st.binary(max_size=64))
def test_random_octets_in_basic_are_refused_or_read(octets: bytes) -> None:
    with pytest.raises(OAuthError):
        authenticated(None, credentials("Basic " + base64.b64encode(octets).decode(), {}))


@pytest.mark.parametrize("by_header", [True, False])
def test_an_unknown_client_and_a_wrong_secret_are_told_the_same(by_header: bool) -> None:
    """A004, T23: class, status, description and headers; no oracle between them."""
    wrong = Credentials(CLIENT_ID, ("wrong",), by_header=by_header)
    unknown = Credentials("nobody", (CLIENT_SECRET,), by_header=by_header)
    public = a_client(token_endpoint_auth_method="none")

    told = {
        (type(r), r.status, r.error, r.description, r.headers, r.detail)
        for r in (
            refusal(a_client(), wrong),
            refusal(None, unknown),
            refusal(None, Credentials("nobody", ("nobody's secret",), by_header=by_header)),
            refusal(public, Credentials(CLIENT_ID, (CLIENT_SECRET,), by_header=by_header)),
        )
    }

    assert len(told) == 1
    assert refusal(None, unknown).headers == (CHALLENGE if by_header else ())


@pytest.mark.parametrize("method", get_args(AuthenticationMethod))
def test_a_secret_is_taken_from_a_client_that_registered_one(method: AuthenticationMethod) -> None:
    """A003, A004: the two ways of sending it stand for each other, and for nothing else."""
    client = a_client(token_endpoint_auth_method=method)

    for by_header in (True, False):
        offered = Credentials(CLIENT_ID, (CLIENT_SECRET,), by_header=by_header)
        if method in SECRET_METHODS:
            assert authenticated(client, offered) is client
        else:
            refused = refusal(client, offered)
            assert refused.detail == refusal(None, offered).detail


def test_a_client_without_a_secret_has_none_to_guess() -> None:
    client = a_client(secret_digest="")

    assert refusal(client, Credentials(CLIENT_ID, ("",), by_header=False)).status == 401


def test_every_method_is_by_secret_by_certificate_by_assertion_or_none() -> None:
    by_assertion = {"client_secret_jwt", "private_key_jwt"}

    assert {*get_args(AuthenticationMethod)} == (
        SECRET_METHODS | CERTIFICATE_METHODS | by_assertion | {"none"}
    )
    assert not SECRET_METHODS & CERTIFICATE_METHODS


def test_what_failed_is_for_the_log_alone() -> None:
    """A004, A005, A101."""
    by_header, otherwise = failed(by_header=True, detail="canary"), failed(detail="canary")

    assert (by_header.headers, otherwise.headers) == (CHALLENGE, ())
    assert by_header.description == otherwise.description
    assert by_header.detail == "canary"
    assert_says_nothing(otherwise, "canary")


def test_a_client_uses_the_grants_it_is_registered_for() -> None:
    assert a_client().may_use(CIBA_GRANT)
    assert not a_client().may_use(CLIENT_CREDENTIALS_GRANT)


def test_the_defaults_are_auth0s_and_do_not_include_ciba() -> None:
    """auth0-wire 3.2."""
    client = Client(client_id="c", name="n", secret_digest="d")

    assert client.grant_types == [
        "authorization_code",
        "implicit",
        "refresh_token",
        "client_credentials",
    ]
    assert (client.token_endpoint_auth_method, client.app_type) == (
        "client_secret_post",
        "regular_web",
    )
    assert client.jwt_configuration.lifetime_in_seconds == 36_000
    assert client.jwt_configuration.alg == "ES256"


def test_a_client_that_registers_nothing_more_polls_with_a_secret() -> None:
    """CIBA 4, X07: no callback, no signed requests, no user codes, nothing bound, no rotation."""
    client = Client(client_id="c", name="n", secret_digest="d")

    assert client.backchannel_token_delivery_mode == "poll"
    assert client.refresh_token.rotation_type == "non-rotating"
    assert client.profile == "standard"
    assert not any(
        (
            client.backchannel_client_notification_endpoint,
            client.backchannel_authentication_request_signing_alg,
            client.backchannel_user_code_parameter,
            client.tls_client_certificate_bound_access_tokens,
            client.dpop_bound_access_tokens,
            client.jwks,
            client.jwks_uri,
            client.long_poll_seconds,
        )
    )
