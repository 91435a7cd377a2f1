"""The metadata a client sends: typed, bounded, and no more of it than is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.access import MANAGEMENT_SCOPES
from consent.client_metadata import InvalidClientMetadata
from consent.errors import InvalidMetadata
from consent.registration.metadata import Metadata, kept, metadata, tagged
from tests.support.registering import check_url

PAGES = ["client_uri", "logo_uri", "policy_uri", "tos_uri"]


def read(**body: object) -> Metadata:
    return metadata(body, check_url)


def test_what_is_not_sent_has_its_default() -> None:
    """C010, but for the method, which is Auth0's, and the algorithm, which is ours."""
    wanted = read()
    assert wanted.token_endpoint_auth_method == "client_secret_post"
    assert wanted.id_token_signed_response_alg == "ES256"
    assert wanted.grant_types is None
    assert kept(wanted) == {
        "application_type": "web",
        "subject_type": "public",
        "require_auth_time": False,
        "require_signed_request_object": False,
        "use_mtls_endpoint_aliases": False,
    }


def test_null_is_as_good_as_nothing_and_the_unknown_is_ignored() -> None:
    """C004, C005, RFC 7592 2.2."""
    assert read(client_name=None, jwks=None, is_first_party=True, profile="x", y=[{}]) == read()
    for name in ("client_id", "client_secret", "registration_access_token"):
        assert read(**{name: 1}) == read()


def test_what_decides_nothing_is_kept() -> None:
    members: dict[str, object] = {
        "application_type": "native",
        "default_max_age": 0,
        "require_auth_time": True,
        "client_uri": "https://app.example/",
        "logo_uri": "http://app.example/logo.png?size=1#x",
        "contacts": ["a@app.example"],
        "scope": "openid pay:all",
        "software_id": "s",
        "software_version": "1.0",
        "sector_identifier_uri": "https://app.example/sector",
    }
    assert kept(read(**members)).items() >= members.items()


def test_a_scope_of_the_management_api_is_never_a_strangers() -> None:
    """C028; whatever else is asked for may be registered."""
    assert read(scope=f"openid {' '.join(MANAGEMENT_SCOPES)}  pay:all").scope == "openid pay:all"
    assert "scope" not in kept(read(scope="create:clients"))


def test_members_for_people_may_come_in_languages() -> None:
    """C025: compared by code point, so another tag is another member."""
    body: dict[str, object] = {
        "client_name#ja": "アプリ",
        "client_name#ja-Hani-JP": "応用",
        "tos_uri#de": "https://app.example/agb",
        "logo_uri#fr": None,
        "client_name#": "x",
        "client_name#a b": "x",
        "client_name#1": "x",
        "scope#ja": "x",
    }
    assert tagged(body) == {
        name: body[name] for name in ("client_name#ja", "client_name#ja-Hani-JP", "tos_uri#de")
    }


WRONG: dict[str, dict[str, object]] = {
    "a name that is a number": {"client_name": 1},
    "a name of 256": {"client_name": "a" * 256},
    "a name with a control": {"client_name": "SECRETVALUE\x1b"},
    "grant types that are a text": {"grant_types": "SECRETVALUE"},
    "a grant type that is a number": {"grant_types": [1]},
    "51 grant types": {"grant_types": ["a"] * 51},
    "response types that are an object": {"response_types": {}},
    "a method that is a truth": {"token_endpoint_auth_method": True},
    "C023: no algorithm": {"id_token_signed_response_alg": "none"},
    "an unknown algorithm": {"id_token_signed_response_alg": "SECRETVALUE"},
    "keys that are a list": {"jwks": []},
    "keys without keys": {"jwks": {}},
    "a key that is a text": {"jwks": {"keys": ["SECRETVALUE"]}},
    "C029: a text for a truth": {"dpop_bound_access_tokens": "true"},
    "C029: a number for a truth": {"tls_client_certificate_bound_access_tokens": 1},
    "C029: a text for types": {"authorization_details_types": "payment"},
    "C029: a text for a truth about requests": {"require_signed_request_object": "true"},
    "A183: an unknown mode": {"backchannel_token_delivery_mode": "SECRETVALUE"},
    "A187: a text for a truth about codes": {"backchannel_user_code_parameter": "true"},
    "an unknown kind of application": {"application_type": "SECRETVALUE"},
    "pairwise": {"subject_type": "pairwise"},
    "a negative age": {"default_max_age": -1},
    "a fraction of an age": {"default_max_age": 1.5},
    "an age beyond 32 bits": {"default_max_age": 2**63 - 1},
    "contacts that are a text": {"contacts": "a@app.example"},
    "a contact that is a list": {"contacts": [[]]},
    "21 contacts": {"contacts": ["a"] * 21},
    "a scope that is a list": {"scope": ["openid"]},
    "a statement that is a list": {"software_statement": []},
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_member_of_another_type_is_refused_by_its_name(body: dict[str, object]) -> None:
    with pytest.raises(InvalidMetadata) as refused:
        read(**body)

    assert next(iter(body)) in refused.value.description
    assert refused.value.description.isascii()
    assert "SECRETVALUE" not in refused.value.description


RULES: dict[str, tuple[str, object]] = {
    "markup in a name": ("client_name", "<SECRETVALUE>"),
    "a homograph": ("client_name", "SECRETVALUE \u0430b"),
    "a scope with a quote": ("scope", 'SECRETVALUE"'),
    "a scope with a letter of another alphabet": ("scope", "é"),
    "C024: a sector over http": ("sector_identifier_uri", "http://app.example/s"),
    "C024: a private sector": ("sector_identifier_uri", "https://10.0.0.1/s"),
    "C024: a sector on another port": ("sector_identifier_uri", "https://app.example:8443/s"),
}
NO_PAGES = [
    "javascript:alert(1)",
    "javascript://app.example/%0aalert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "//app.example/",
    "app.example",
    "https://",
    "https:app.example",
    "https://u:p@app.example/",
    "https://app.example/<SECRETVALUE>",
    'https://app.example/"onload=',
    "https://app.example/ x",
    "https://\u0430pp.example/",
    "https://[app.example/",
    "https://app.example:99999999/",
]


@pytest.mark.parametrize(("name", "value"), RULES.values(), ids=RULES)
def test_a_value_against_a_rule_is_refused(name: str, value: object) -> None:
    with pytest.raises(InvalidClientMetadata) as refused:
        read(**{name: value})

    assert refused.value.property_name == name
    assert "SECRETVALUE" not in str(refused.value)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("url", NO_PAGES)
def test_what_people_may_follow_is_a_web_page(name: str, url: str) -> None:
    """T20."""
    for reader in (lambda: read(**{name: url}), lambda: tagged({f"{name}#de": url})):
        with pytest.raises(InvalidClientMetadata) as refused:
            reader()
        assert refused.value.property_name == name


def test_a_name_in_a_language_is_as_good_as_any() -> None:
    for value in ("<b>", "a" * 256, 1, ["x"], "P\u0430y"):
        with pytest.raises(InvalidClientMetadata):
            tagged({"client_name#de": value})
    with pytest.raises(InvalidClientMetadata):
        tagged({f"client_name#a-{n}": "x" for n in range(51)})


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from([*Metadata.__struct_fields__, *(f"{name}#de" for name in PAGES)]),
        JSON_VALUES,
        max_size=4,
    )
)
def test_any_json_is_metadata_or_refused_as_such(body: dict[str, object]) -> None:
    try:
        tagged(body)
        metadata(body, check_url)
    except (InvalidMetadata, InvalidClientMetadata) as refused:
        check_ascii(str(refused))


def check_ascii(text: str) -> None:
    assert text.isascii()
