"""Redirect URIs (C013-C016)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.errors import InvalidRedirectUri
from consent.registration.redirect_uris import ApplicationType, redirect_uris


def registered(
    sent: object,
    application_type: ApplicationType = "web",
    *,
    required: bool = True,
    is_implicit: bool = False,
) -> list[str]:
    return redirect_uris(
        sent, application_type=application_type, required=required, is_implicit=is_implicit
    )


TAKEN: list[tuple[ApplicationType, str]] = [
    ("web", "https://app.example/cb"),
    ("web", "https://app.example"),
    ("web", "https://app.example:8443/cb?a=b&c=%2F"),
    ("web", "https://xn--bnk-sna.example/cb"),
    ("web", "https://localhost/cb"),
    ("web", "https://[2001:db8::1]/cb"),
    ("native", "http://localhost:49152/cb"),
    ("native", "http://127.0.0.1/cb"),
    ("native", "http://[::1]:8000/cb"),
    ("native", "com.example.app:/cb"),
    ("native", "cursor://anysphere.cursor-retrieval/oauth/callback"),
]


@pytest.mark.parametrize(("application_type", "uri"), TAKEN)
def test_a_redirect_uri_is_registered_as_it_was_sent(
    application_type: ApplicationType, uri: str
) -> None:
    assert registered([uri], application_type) == [uri]


REFUSED: dict[str, tuple[ApplicationType, str]] = {
    "a fragment": ("web", "https://app.example/cb#"),
    "a fragment with text": ("web", "https://app.example/cb#a"),
    "a relative reference": ("web", "/cb"),
    "no scheme": ("web", "app.example/cb"),
    "no host": ("web", "https:///cb"),
    "a scheme and a path": ("web", "https:cb"),
    "an empty text": ("web", ""),
    "http of a web client": ("web", "http://app.example/cb"),
    "http on localhost of a web client": ("web", "http://localhost/cb"),
    "a scheme of its own of a web client": ("web", "com.example.app:/cb"),
    "https of a native client": ("native", "https://app.example/cb"),
    "http elsewhere of a native client": ("native", "http://app.example/cb"),
    "http on what begins like loopback": ("native", "http://127.0.0.1.evil.example/cb"),
    "http on what begins like localhost": ("native", "http://localhost.evil.example/cb"),
    "javascript": ("native", "javascript:alert(1)"),
    "javascript in capitals": ("native", "JavaScript:alert(1)"),
    "data": ("native", "data:text/html,x"),
    "file": ("native", "file:///etc/passwd"),
    "vbscript": ("native", "vbscript:x"),
    "blob": ("native", "blob:https://app.example/x"),
    "javascript of a web client": ("web", "javascript://app.example/%0aalert(1)"),
    "a user": ("web", "https://user@app.example/cb"),
    "a user and a password": ("web", "https://app.example:x@evil.example/cb"),
    "a user of a native client": ("native", "com.example.app://u@x/cb"),
    "a wildcard for a host": ("web", "https://*.example/cb"),
    "a wildcard in the path": ("web", "https://app.example/*"),
    "a backslash": ("web", "https://app.example\\@evil.example/cb"),
    "a control": ("web", "https://app.example/\r\ncb"),
    "a tab": ("web", "https://app.exa\tmple/cb"),
    "a space": ("web", "https://app.example/c b"),
    "a leading space": ("web", " https://app.example/cb"),
    "markup": ("web", "https://app.example/<script>"),
    "a homograph": ("web", "https://\u0430pp.example/cb"),
    "half an escape": ("web", "https://app.example/%2"),
    "a port of 65536": ("web", "https://app.example:65536/cb"),
    "a port of 0": ("web", "https://app.example:0/cb"),
    "a bracket": ("web", "https://[app.example/cb"),
    "an escape in the host": ("web", "https://app%2eexample/cb"),
    "2049 characters": ("web", "https://app.example/".ljust(2_049, "a")),
}


@pytest.mark.parametrize(("application_type", "uri"), REFUSED.values(), ids=REFUSED)
def test_what_leads_elsewhere_is_refused(application_type: ApplicationType, uri: str) -> None:
    with pytest.raises(InvalidRedirectUri) as refused:
        registered(
            ["https://app.example/cb", uri][application_type == "native" :], application_type
        )

    assert refused.value.error == "invalid_redirect_uri"
    assert refused.value.description.isascii()
    assert "evil" not in refused.value.description


@pytest.mark.parametrize("sent", [None, []])
def test_a_grant_that_redirects_needs_one(sent: object) -> None:
    """C013; without such a grant there may be none (X05)."""
    assert registered(sent, required=False) == []
    with pytest.raises(InvalidRedirectUri):
        registered(sent)


@pytest.mark.parametrize(
    "sent", ["https://app.example/cb", {}, [1], [None], [["https://app.example/cb"]], True, 1.5]
)
def test_anything_but_a_list_of_texts_is_refused(sent: object) -> None:
    with pytest.raises(InvalidRedirectUri):
        registered(sent)


def test_there_may_be_fifty() -> None:
    fifty = [f"https://app.example/{n}" for n in range(50)]
    assert registered(fifty) == fifty
    with pytest.raises(InvalidRedirectUri):
        registered([*fifty, "https://app.example/50"])


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "app.localhost"])
def test_tokens_are_not_sent_to_a_localhost(host: str) -> None:
    """C014."""
    with pytest.raises(InvalidRedirectUri):
        registered([f"https://{host}/cb"], is_implicit=True)


@given(st.text() | st.from_regex(r"[a-z]{1,9}:/{0,2}[!-~]{0,20}", fullmatch=True))
def test_any_text_is_one_or_refused_as_one(uri: str) -> None:
    for application_type in ("web", "native"):
        try:
            registered([uri], application_type)
        except InvalidRedirectUri:
            continue
        assert uri.isascii()
        assert not set(uri) & set('#*\\ <>"')
        assert application_type == "native" or uri.lower().startswith("https://")
