"""What a browser is told that it may not do."""

from api.authenticator.security_headers import SECURITY_HEADERS


def directives() -> dict[str, str]:
    policy = dict(SECURITY_HEADERS)[b"content-security-policy"].decode()
    pairs = (directive.partition(" ") for directive in policy.split("; "))
    return {name: value for name, _, value in pairs}


def test_nothing_is_loaded_but_from_here_and_nothing_inline_runs() -> None:
    found = directives()

    assert found.pop("default-src") == "'none'"
    for name in ("form-action", "base-uri", "frame-ancestors"):
        assert found.pop(name) == "'none'", name
    assert found.pop("require-trusted-types-for") == "'script'"
    assert "*" not in found.pop("trusted-types")
    assert set(found.values()) == {"'self'"}


def test_nobody_learns_the_address_and_no_other_page_holds_this_one() -> None:
    """The address of an enrolment holds its ticket (T34)."""
    headers = dict(SECURITY_HEADERS)

    assert headers[b"referrer-policy"] == b"no-referrer"
    assert headers[b"cross-origin-opener-policy"] == b"same-origin"
    assert headers[b"x-content-type-options"] == b"nosniff"
