"""Whom a client means, with which code of theirs, at which level: hints, user_code, acr_values."""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from consent import policy
from consent.signing_key import SigningKey, new_signing_key
from scripts.simulated_phone import SimulatedPhone
from tests.support.equipped import ACR_VALUES, HINT_ISSUER, hint_key, our_key
from tests.support.forgery import hs256, unsigned
from tests.support.nod import Nod, OAuthClient
from tests.support.refusals import Refused, refusal_of
from tests.support.signing_client import SigningClient

UNKNOWN: Refused = (400, "unknown_user_id", "User ID is malformed or unknown")
DAY = 86_400


class Person(NamedTuple):
    user_id: str
    email: str
    phone_number: str
    phone: SimulatedPhone


def invalid(description: str) -> Refused:
    return 400, "invalid_request", description


def a_person(nod: Nod, name: str, **profile: object) -> Person:
    email, number = f"{name}.{nod.port}@example.com", f"+1206{time.time_ns() % 10**10:010}"
    user_id = nod.new_user(email=email, phone_number=number, **profile)
    return Person(user_id, email, number, nod.new_phone(user_id))


@pytest.fixture(scope="module")
def client(equipped_nod: Nod) -> OAuthClient:
    return equipped_nod.new_client()


@pytest.fixture(scope="module")
def person(equipped_nod: Nod) -> Person:
    return a_person(equipped_nod, "Aiko")


def started(nod: Nod, client: OAuthClient, **parameters: str) -> httpx2.Response:
    """With the hints that are given, and no other."""
    form = {"scope": "openid", "binding_message": "Pay 10", **parameters}
    return nod.http.post("bc-authorize", data=form, auth=client.basic)


def rung(person: Person, answer: httpx2.Response) -> None:
    """It is this person who is asked, and nobody has to be asked for long."""
    assert answer.status_code == 200, answer.text
    [notification] = person.phone.pending()
    person.phone.resolve(notification, accept=True)


def redeemed(nod: Nod, client: OAuthClient, person: Person, **parameters: str) -> dict[str, Any]:
    """The tokens of a request the person has approved."""
    auth_req_id = nod.accepted(client, person.user_id, **parameters)
    [notification] = person.phone.pending()
    person.phone.resolve(notification, accept=True)
    answer = nod.poll(client, auth_req_id)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


# login_hint

LOGIN_HINTS: dict[str, Callable[[Nod, Person], str]] = {
    "auth0's": lambda nod, it: nod.login_hint(it.user_id),
    "without the issuer's slash": lambda nod, it: (
        f'{{"format":"iss_sub","iss":"{nod.url.rstrip("/")}","sub":"{it.user_id}"}}'
    ),
    "in another order, with spaces": lambda nod, it: (
        f' {{ "sub" : "{it.user_id}", "iss" : "{nod.url}", "format" : "iss_sub", "x" : 1 }} '
    ),
    "the bare user id": lambda _, it: it.user_id,
    "the bare address": lambda _, it: it.email,
    "the address in capitals": lambda _, it: it.email.upper(),
    "the address as a subject": lambda _, it: json.dumps({"format": "email", "email": it.email}),
    "the bare number": lambda _, it: it.phone_number,
    "the number as a subject": lambda _, it: json.dumps(
        {"format": "phone_number", "phone_number": it.phone_number}
    ),
}


@pytest.mark.parametrize("hint", LOGIN_HINTS.values(), ids=LOGIN_HINTS)
@pytest.mark.parametrize("signed", [False, True], ids=["in a form", "in a request object"])
def test_a_person_is_named_in_many_ways(
    equipped_nod: Nod, person: Person, hint: Callable[[Nod, Person], str], signed: bool
) -> None:
    """A028, RFC 9493 3.2: a form says it, or a request object."""
    text = hint(equipped_nod, person)
    answer = (
        SigningClient(equipped_nod).ask(login_hint=text)
        if signed
        else started(equipped_nod, equipped_nod.new_client(), login_hint=text)
    )

    rung(person, answer)


NOBODY: dict[str, str] = {
    "an unknown id": "auth0|nobody",
    "an unknown bare id": "nobody",
    "an unknown address": "nobody@example.com",
    "an unknown number": "+12065550199",
    "an unknown subject": '{"format":"email","email":"nobody@example.com"}',
    "two ats": "a@b@example.com",
    "a number with a space": "+1 206 555 0100",
    "a short number": "+123",
    "a number in Arabic digits": "+١٢٠٦٥٥٥٠١٠٠",
    "an unknown format": '{"format":"account","uri":"acct:x@example.com"}',
    "no format": '{"email":"nobody@example.com"}',
    "a list for an address": '{"format":"email","email":["nobody@example.com"]}',
    "a number for a number": '{"format":"phone_number","phone_number":12065550100}',
    "repeated": '{"format":"email","format":"email","email":"nobody@example.com"}',
    "deep": '{"format":' + "[" * 10_000,
    "NaN": '{"format":NaN}',
    "half a surrogate pair": '{"format":"email","email":"\\ud800@example.com"}',
    "too long": "x" * 256,
    "of 16 KB": "x" * 16_000,
}


@pytest.mark.parametrize("hint", NOBODY.values(), ids=NOBODY)
def test_who_cannot_be_found_is_unknown(equipped_nod: Nod, client: OAuthClient, hint: str) -> None:
    """A028, A049: malformed or unknown, in one and the same words."""
    answer = started(equipped_nod, client, login_hint=hint)

    assert refusal_of(answer, hint) == UNKNOWN


def test_the_hint_is_of_this_issuer(equipped_nod: Nod, client: OAuthClient, person: Person) -> None:
    hint = json.dumps({"format": "iss_sub", "iss": HINT_ISSUER, "sub": person.user_id})

    assert refusal_of(started(equipped_nod, client, login_hint=hint)) == UNKNOWN


def test_a_person_is_found_by_what_their_record_says_now(
    equipped_nod: Nod, client: OAuthClient
) -> None:
    """A028: a new address finds them, the old one does not, and who is deleted nobody finds."""
    moved = a_person(equipped_nod, "moved")
    new_email = f"new.{moved.email}"
    path = f"users/{moved.user_id.replace('|', '%7C')}"
    changed = equipped_nod.admin("PATCH", path, {"email": new_email})
    old = started(equipped_nod, client, login_hint=moved.email)
    new = started(equipped_nod, client, login_hint=new_email)
    equipped_nod.admin("DELETE", path)
    gone = started(equipped_nod, client, login_hint=new_email)

    assert changed.status_code == 200
    assert refusal_of(old) == UNKNOWN
    assert new.status_code == 200
    assert refusal_of(gone) == UNKNOWN


def test_who_is_blocked_is_not_asked(equipped_nod: Nod, client: OAuthClient) -> None:
    """A105, T39: 403, by whatever hint."""
    blocked = a_person(equipped_nod, "blocked", blocked=True)
    for hint in (blocked.user_id, blocked.email, blocked.phone_number):
        answer = started(equipped_nod, client, login_hint=hint)

        assert refusal_of(answer) == (403, "access_denied", "The user is blocked")
    assert blocked.phone.pending() == []


HINTS = ("login_hint", "login_hint_token", "id_token_hint")


@pytest.mark.parametrize(
    "given",
    [(), HINTS[:2], HINTS[1:], (HINTS[0], HINTS[2]), HINTS],
    ids=lambda given: " ".join(given) or "none",
)
def test_one_hint_is_given(
    equipped_nod: Nod, client: OAuthClient, person: Person, given: tuple[str, ...]
) -> None:
    """A027: before anybody is looked for."""
    answer = started(equipped_nod, client, **dict.fromkeys(given, person.user_id))

    assert refusal_of(answer, person.user_id) == invalid(
        "Exactly one of login_hint, login_hint_token, id_token_hint is needed"
    )


# id_token_hint


def test_our_own_id_token_names_its_person_again(
    equipped_nod: Nod, client: OAuthClient, person: Person
) -> None:
    """A031: out of a real redemption; A033: to the client it was given to, and to no other."""
    id_token = redeemed(equipped_nod, client, person)["id_token"]
    other = started(equipped_nod, equipped_nod.new_client(), id_token_hint=id_token)

    assert refusal_of(other, id_token) == invalid("id_token_hint is meant for somebody else")
    rung(person, started(equipped_nod, client, id_token_hint=id_token))


@pytest.mark.parametrize("alg", ["RS256", "PS256", "EdDSA"])
def test_an_id_token_of_another_algorithm_is_ours_too(
    equipped_nod: Nod, person: Person, alg: str
) -> None:
    """A031, A140."""
    client = equipped_nod.new_client(jwt_configuration={"alg": alg})
    id_token = redeemed(equipped_nod, client, person)["id_token"]

    assert jwt.get_unverified_header(id_token)["alg"] == alg
    rung(person, started(equipped_nod, client, id_token_hint=id_token))


def test_an_access_token_is_no_hint(equipped_nod: Nod, client: OAuthClient, person: Person) -> None:
    """A034, D006: ours, of this client and person, and good at its own endpoint."""
    access_token = redeemed(equipped_nod, client, person)["access_token"]
    bearer = {"authorization": f"Bearer {access_token}"}

    assert equipped_nod.http.get("userinfo", headers=bearer).status_code == 200
    answer = started(equipped_nod, client, id_token_hint=access_token)
    assert refusal_of(answer, access_token) == invalid("id_token_hint is a token of another type")


class Hinting(NamedTuple):
    """What an ID token of this client and person says, and who could have signed it."""

    ours: SigningKey
    client: OAuthClient
    person: Person
    issuer: str

    def claims(self, **changes: object) -> dict[str, object]:
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": self.issuer,
            "sub": self.person.user_id,
            "aud": self.client.client_id,
            "iat": now - 60,
            "exp": now + 600,
        }
        return {name: v for name, v in (claims | changes).items() if v is not None}

    def signed(self, typ: str = "JWT", **changes: object) -> str:
        return self.ours.sign(self.claims(**changes), typ)


@pytest.fixture(scope="module")
def hinting(equipped_nod: Nod, client: OAuthClient, person: Person) -> Hinting:
    return Hinting(our_key(equipped_nod), client, person, equipped_nod.url)


STILL_GOOD: dict[str, Callable[[Hinting], str]] = {
    "as it was given": lambda it: it.signed(),
    "A031 one of several aud": lambda it: it.signed(aud=["other", it.client.client_id]),
    "A032 expired yesterday": lambda it: it.signed(exp=time.time() - DAY),
    "A032 expired 89 days ago": lambda it: it.signed(exp=time.time() - 89 * DAY),
}


@pytest.mark.parametrize("made", STILL_GOOD.values(), ids=STILL_GOOD)
def test_a_hint_is_good_for_a_while(
    equipped_nod: Nod, hinting: Hinting, made: Callable[[Hinting], str]
) -> None:
    rung(hinting.person, started(equipped_nod, hinting.client, id_token_hint=made(hinting)))


def _public_pem(key: SigningKey) -> bytes:
    return key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


_UNSIGNED = "id_token_hint is not a JWT signed by its issuer"
NO_HINT: dict[str, tuple[Callable[[Hinting], str], str]] = {
    "A032 expired 91 days ago": (
        lambda it: it.signed(exp=time.time() - 91 * DAY),
        "id_token_hint has expired too long ago",
    ),
    "without exp": (lambda it: it.signed(exp=None), "id_token_hint has no exp that is a time"),
    "A033 another issuer": (
        lambda it: it.signed(iss=HINT_ISSUER),
        "id_token_hint is not from this issuer",
    ),
    "T15 the issuer without its slash": (
        lambda it: it.signed(iss=it.issuer.rstrip("/")),
        "id_token_hint is not from this issuer",
    ),
    "A033 another client": (
        lambda it: it.signed(aud=["other"]),
        "id_token_hint is meant for somebody else",
    ),
    "A034 a logout token": (
        lambda it: it.signed(typ="logout+jwt"),
        "id_token_hint is a token of another type",
    ),
    "A034 a request object": (
        lambda it: it.signed(typ="oauth-authz-req+jwt"),
        "id_token_hint is a token of another type",
    ),
    "without sub": (lambda it: it.signed(sub=None), "id_token_hint has no sub"),
    "a sub that is a number": (lambda it: it.signed(sub=5), "id_token_hint has no sub"),
    "A033 a stranger's signature": (
        lambda it: new_signing_key("ES256").sign(it.claims(), "JWT"),
        _UNSIGNED,
    ),
    "none": (lambda it: unsigned({"alg": "none"}, it.claims()), _UNSIGNED),
    "T13 our public key as a secret": (
        lambda it: hs256({"alg": "HS256", "kid": it.ours.kid}, it.claims(), _public_pem(it.ours)),
        _UNSIGNED,
    ),
    "not a JWT": (lambda _: "x", _UNSIGNED),
    "a JWE": (lambda _: "a.b.c.d.e", _UNSIGNED),
    "of 16 KB": (lambda _: "." * 16_000, _UNSIGNED),
}


@pytest.mark.parametrize("case", NO_HINT.values(), ids=NO_HINT)
def test_what_is_no_id_token_of_ours_names_nobody(
    equipped_nod: Nod, hinting: Hinting, case: tuple[Callable[[Hinting], str], str]
) -> None:
    """A031-A034: invalid_request, for CIBA has no code of its own for it."""
    made, description = case
    hint = made(hinting)
    answer = started(equipped_nod, hinting.client, id_token_hint=hint)

    assert refusal_of(answer, hint if len(hint) > 1 else "") == invalid(description)


def test_an_id_token_of_somebody_who_left_names_nobody(equipped_nod: Nod, hinting: Hinting) -> None:
    """A028, T39."""
    answer = started(
        equipped_nod, hinting.client, id_token_hint=hinting.signed(sub="auth0|has left")
    )

    assert refusal_of(answer) == UNKNOWN


# login_hint_token


class Naming(NamedTuple):
    """What a trusted issuer says of a person."""

    issuer: str
    person: Person

    def token(self, typ: str = "JWT", key: SigningKey | None = None, /, **changes: object) -> str:
        claims: dict[str, object] = {
            "iss": HINT_ISSUER,
            "aud": self.issuer,
            "exp": int(time.time()) + 60,
            "sub_id": {"format": "email", "email": self.person.email},
        }
        changed = {name: v for name, v in (claims | changes).items() if v is not None}
        return (key or hint_key()).sign(changed, typ)


@pytest.fixture(scope="module")
def naming(equipped_nod: Nod, person: Person) -> Naming:
    return Naming(equipped_nod.url, person)


NAMES: dict[str, Callable[[Naming], dict[str, object]]] = {
    "an address": lambda _: {},
    "a number": lambda it: {
        "sub_id": {"format": "phone_number", "phone_number": it.person.phone_number}
    },
    "our user": lambda it: {
        "sub_id": {"format": "iss_sub", "iss": it.issuer, "sub": it.person.user_id}
    },
    "opaque": lambda it: {"sub_id": {"format": "opaque", "id": it.person.user_id}},
    "by sub": lambda it: {"sub_id": None, "sub": it.person.user_id},
    "for several": lambda it: {"aud": ["https://other.example/", it.issuer]},
    "just expired": lambda _: {"exp": time.time() - 50},
    "valid since now": lambda _: {"nbf": time.time() + 50},
}


@pytest.mark.parametrize("changes", NAMES.values(), ids=NAMES)
def test_a_trusted_issuer_names_a_person(
    equipped_nod: Nod,
    client: OAuthClient,
    naming: Naming,
    changes: Callable[[Naming], dict[str, object]],
) -> None:
    """A030, RFC 9493 4.1."""
    token = naming.token(**changes(naming))

    rung(naming.person, started(equipped_nod, client, login_hint_token=token))


_UNTRUSTED = "login_hint_token is from an issuer that is not trusted"
_UNSIGNED_TOKEN = "login_hint_token is not a JWT signed by its issuer"
NO_NAME: dict[str, tuple[Callable[[Naming], str], Refused]] = {
    "A029 expired": (
        lambda it: it.token(exp=time.time() - 61),
        (400, "expired_login_hint_token", "login_hint_token has expired"),
    ),
    "without exp": (
        lambda it: it.token(exp=None),
        invalid("login_hint_token has no exp that is a time"),
    ),
    "not valid yet": (
        lambda it: it.token(nbf=time.time() + 120),
        invalid("login_hint_token is not valid yet"),
    ),
    "A030 another issuer": (
        lambda it: it.token(iss="https://stranger.example"),
        invalid(_UNTRUSTED),
    ),
    "A030 no issuer": (lambda it: it.token(iss=None), invalid(_UNTRUSTED)),
    "A030 a list of issuers": (lambda it: it.token(iss=[HINT_ISSUER]), invalid(_UNTRUSTED)),
    "A030 another's signature": (
        lambda it: it.token("JWT", new_signing_key("ES256")),
        invalid(_UNSIGNED_TOKEN),
    ),
    "A030 another type": (
        lambda it: it.token("at+jwt"),
        invalid("login_hint_token is a token of another type"),
    ),
    "for somebody else": (
        lambda it: it.token(aud="https://other.example/"),
        invalid("login_hint_token is meant for somebody else"),
    ),
    "for nobody": (
        lambda it: it.token(aud=None),
        invalid("login_hint_token is meant for somebody else"),
    ),
    "A028 nobody's address": (
        lambda it: it.token(sub_id={"format": "email", "email": "nobody@example.com"}),
        UNKNOWN,
    ),
    "A028 nobody": (lambda it: it.token(sub_id=None), UNKNOWN),
    "A028 an unknown format": (lambda it: it.token(sub_id={"format": "did"}), UNKNOWN),
    "A028 a text": (lambda it: it.token(sub_id=it.person.email), UNKNOWN),
    "not a JWT": (lambda _: "x", invalid(_UNSIGNED_TOKEN)),
    "deep": (
        lambda _: unsigned({"alg": "ES256"}, "[" * 10_000),
        invalid(_UNSIGNED_TOKEN),
    ),
}


@pytest.mark.parametrize("case", NO_NAME.values(), ids=NO_NAME)
def test_what_no_trusted_issuer_says_names_nobody(
    equipped_nod: Nod,
    client: OAuthClient,
    naming: Naming,
    case: tuple[Callable[[Naming], str], Refused],
) -> None:
    """A028-A030."""
    made, refused = case
    token = made(naming)
    answer = started(equipped_nod, client, login_hint_token=token)

    assert refusal_of(answer, token if len(token) > 1 else "") == refused


def test_where_nobody_is_trusted_no_token_names_anybody(nod: Nod, naming: Naming) -> None:
    """A030, A188."""
    answer = started(nod, nod.new_client(), login_hint_token=naming.token())

    assert refusal_of(answer) == invalid(_UNTRUSTED)


# user_code

CODE = "code-kanari11"
MISSING = (400, "missing_user_code", "The user_code of the end-user is needed")
WRONG = (400, "invalid_user_code", "The user_code is wrong")


@pytest.fixture(scope="module")
def coding(equipped_nod: Nod) -> OAuthClient:
    """A client whose registration says it sends user codes."""
    return equipped_nod.new_client(backchannel_user_code_parameter=True)


@pytest.mark.parametrize("signed", [False, True], ids=["in a form", "in a request object"])
def test_a_person_with_a_code_is_asked_with_it(equipped_nod: Nod, signed: bool) -> None:
    """A038, A039: nobody is rung without it, or by a wrong one."""
    person = a_person(equipped_nod, f"coded-{signed}", user_code=CODE)
    signing = SigningClient(equipped_nod, backchannel_user_code_parameter=True)
    coding = equipped_nod.new_client(backchannel_user_code_parameter=True)

    def asked(**code: str) -> httpx2.Response:
        if signed:
            return signing.ask(login_hint=person.user_id, **code)
        return started(equipped_nod, coding, login_hint=person.user_id, **code)

    assert refusal_of(asked()) == MISSING
    assert refusal_of(asked(user_code="")) == MISSING
    for wrong in ("code-4712", CODE.upper(), "\u00e9" * 4, "x" * 10_000):
        assert refusal_of(asked(user_code=wrong), wrong) == WRONG
    assert person.phone.pending() == []
    rung(person, asked(user_code=CODE))


def test_a_code_counts_only_where_it_is_used(
    equipped_nod: Nod, client: OAuthClient, coding: OAuthClient, person: Person
) -> None:
    """A040: not of a client that registered no use for it, and not of a person without one."""
    coded = a_person(equipped_nod, "other", user_code=CODE)

    rung(coded, started(equipped_nod, client, login_hint=coded.user_id))
    rung(coded, started(equipped_nod, client, login_hint=coded.user_id, user_code="wrong"))
    rung(person, started(equipped_nod, coding, login_hint=person.user_id))
    rung(person, started(equipped_nod, coding, login_hint=person.user_id, user_code="whatever"))


def test_who_guesses_codes_is_not_heard_any_more(equipped_nod: Nod, coding: OAuthClient) -> None:
    """A039: whichever client asks, and be the code right, until the person has another."""
    person, other = (a_person(equipped_nod, name, user_code=CODE) for name in ("locked", "free"))
    clients = [coding, equipped_nod.new_client(backchannel_user_code_parameter=True)]
    guesses = [
        started(equipped_nod, clients[n % 2], login_hint=person.user_id, user_code=f"guess {n}")
        for n in range(policy.USER_CODE_FAILURES_MAX)
    ]
    right = [
        started(equipped_nod, asks, login_hint=person.user_id, user_code=CODE) for asks in clients
    ]
    missing = started(equipped_nod, coding, login_hint=person.user_id)

    assert [refusal_of(guess) for guess in guesses] == [WRONG] * policy.USER_CODE_FAILURES_MAX
    for answer in [*right, missing]:
        assert refusal_of(answer) == (429, "too_many_requests", "Too many wrong user codes")
        wait_seconds = int(answer.headers["retry-after"])
        assert 890 < wait_seconds <= policy.USER_CODE_LOCKED_MS / 1_000
        assert answer.headers["x-ratelimit-limit"] == str(policy.USER_CODE_FAILURES_MAX)
        assert answer.headers["x-ratelimit-remaining"] == "0"
        assert abs(int(answer.headers["x-ratelimit-reset"]) - time.time() - wait_seconds) < 5
    assert person.phone.pending() == []
    rung(other, started(equipped_nod, coding, login_hint=other.user_id, user_code=CODE))
    path = f"users/{person.user_id.replace('|', '%7C')}"
    equipped_nod.admin("PATCH", path, {"user_code": "another"})
    rung(person, started(equipped_nod, coding, login_hint=person.user_id, user_code="another"))


def test_no_code_is_shown_or_logged(equipped_nod: Nod, coding: OAuthClient) -> None:
    """A041: neither to an administrator, nor in a log."""
    person = a_person(equipped_nod, "discreet", user_code="discreet-kanari11")
    path = f"users/{person.user_id.replace('|', '%7C')}"
    started(equipped_nod, coding, login_hint=person.user_id, user_code="indiscreet-4712")
    rung(
        person,
        started(equipped_nod, coding, login_hint=person.user_id, user_code="discreet-kanari11"),
    )

    assert "kanari11" not in equipped_nod.admin("GET", path).text
    assert "discreet-47" not in equipped_nod.logs()


# acr_values

ACRS: dict[str, tuple[str, str]] = {
    "none": ("", ACR_VALUES[0]),
    "the best": (ACR_VALUES[0], ACR_VALUES[0]),
    "another": (ACR_VALUES[1], ACR_VALUES[1]),
    "in the client's order": (f"{ACR_VALUES[2]} {ACR_VALUES[0]}", ACR_VALUES[2]),
    "after an unknown one": (f"urn:unknown {ACR_VALUES[1]}", ACR_VALUES[1]),
    "only unknown ones": ("urn:unknown urn:other", ACR_VALUES[0]),
    "in other letters": (ACR_VALUES[1].upper(), ACR_VALUES[0]),
}


@pytest.mark.parametrize(("asked", "said"), ACRS.values(), ids=ACRS)
def test_a_token_says_how_well_its_person_was_authenticated(
    equipped_nod: Nod, client: OAuthClient, person: Person, asked: str, said: str
) -> None:
    """A044, A045, A143, D092: one of the values asked for that there is, else the best."""
    tokens = redeemed(equipped_nod, client, person, acr_values=asked)
    metadata = equipped_nod.http.get(".well-known/openid-configuration").json()

    assert metadata["acr_values_supported"] == ["urn:nod:acr:number-matching", *ACR_VALUES]
    for name in ("id_token", "access_token"):
        claims = jwt.decode(tokens[name], options={"verify_signature": False})
        assert claims["acr"] == said
        assert claims["amr"] == ["pop", "mca", "user"]
        assert 0 <= time.time() - claims["auth_time"] < 60
