"""
What the simulated phone puts on the wire is what the Guardian SDKs put there, checked by a server
that knows only their formats.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import httpx2
import jwt
import msgspec
import pytest

from scripts.guardian_messages import Notification
from scripts.simulated_phone import CAPABILITIES, Account, PhoneError, SimulatedPhone, Style

BASE = "https://nod.example:8443/"
NOW = 1_787_303_700.25
ENROLLED = {
    "id": "dev_7Yk2Pq",
    "url": f"{BASE}appliance-mfa",
    "issuer": "Nod",
    "user_id": "auth0|u1",
    "token": "dt_secret",
}
NOTIFICATION = Notification(
    dai="dev_7Yk2Pq",
    txtkn="header.claims.signature",
    txlnkid="0consent",
    c="k3q",
    d="2026-08-21T09:15:00.000Z",
    sh="https://nod.example:8443",
)
CONSENT = {
    "id": "0consent",
    "requested_details": {
        "audience": f"{BASE}userinfo",
        "scope": ["openid"],
        "binding_message": "4",
    },
    "created_at": "2026-08-21T09:15:00.000Z",
    "expires_at": "2026-08-21T09:20:00.000Z",
}
STYLES: list[Style] = ["ios", "android", "ec"]


class Server:
    """Answers as told and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[httpx2.Request] = []
        self.answer: Callable[[], httpx2.Response] = lambda: httpx2.Response(204)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if request.url.path == "/appliance-mfa/api/enroll":
            return httpx2.Response(201, json=ENROLLED)
        return self.answer()

    @property
    def last(self) -> httpx2.Request:
        return self.requests[-1]

    @property
    def body(self) -> Any:  # noqa: ANN401
        return json.loads(self.last.content)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture(params=STYLES)
def phone(request: pytest.FixtureRequest, server: Server) -> SimulatedPhone:
    http = httpx2.Client(transport=httpx2.MockTransport(server))
    phone = SimulatedPhone(http, BASE, style=request.param, clock=lambda: NOW)
    phone.enroll("t1cket", name="Aiko's phone", push_token="f00d")
    return phone


def verified(phone: SimulatedPhone, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token whose signature is that of the enrolled key."""
    key = jwt.PyJWK(phone.public_jwk())
    checks = {"verify_exp": False, "verify_aud": False, "verify_iat": False}
    decoded = jwt.decode_complete(token, key, [str(key.algorithm_name)], options=checks)  # type: ignore[arg-type]
    return decoded["header"], decoded["payload"]


def test_enrolment_carries_the_ticket_and_the_public_key(
    phone: SimulatedPhone, server: Server
) -> None:
    request = server.requests[0]

    assert (request.method, str(request.url)) == ("POST", f"{BASE}appliance-mfa/api/enroll")
    assert request.headers["authorization"] == 'Ticket id="t1cket"'
    assert json.loads(base64.urlsafe_b64decode(request.headers["auth0-client"] + "=="))["name"]
    service = "APNS" if phone.style == "ios" else "GCM"
    assert phone.account is not None
    assert server.body == {
        "identifier": phone.account.identifier,
        "name": "Aiko's phone",
        "push_credentials": {"service": service, "token": "f00d"},
        "public_key": phone.public_jwk(),
    }


def test_only_android_names_the_charset(phone: SimulatedPhone, server: Server) -> None:
    charset = "; charset=utf-8" if phone.style == "android" else ""

    assert server.last.headers["content-type"] == f"application/json{charset}"


def test_the_rsa_modulus_keeps_its_leading_zero_byte(phone: SimulatedPhone) -> None:
    jwk = phone.public_jwk()
    if phone.style == "ec":
        assert {name: len(jwk[name]) for name in "xy"} == {"x": 43, "y": 43}
        return
    modulus = base64.urlsafe_b64decode(jwk["n"] + "==")
    assert (len(modulus), modulus[0]) == (257, 0)
    assert modulus[1] >= 0x80


def test_the_answer_is_signed_for_this_challenge_alone(
    phone: SimulatedPhone, server: Server
) -> None:
    phone.resolve(NOTIFICATION, accept=True)

    assert str(server.last.url) == f"{BASE}appliance-mfa/api/resolve-transaction"
    assert server.last.headers["authorization"] == f"Bearer {NOTIFICATION.txtkn}"
    header, claims = verified(phone, server.body["challenge_response"])
    now = NOW if phone.style == "ios" else int(NOW)
    assert header == {"alg": "ES256" if phone.style == "ec" else "RS256", "typ": "JWT"}
    assert phone.account is not None
    assert claims == {
        "iss": phone.account.identifier,
        "sub": "k3q",
        "aud": f"{BASE}appliance-mfa/api/resolve-transaction",
        "iat": now,
        "exp": now + 30,
        "auth0_guardian_method": "push",
        "auth0_guardian_accepted": True,
    }


def test_our_own_phone_signs_what_it_was_shown_and_what_was_typed(
    phone: SimulatedPhone, server: Server
) -> None:
    """The digest is of what arrived, whatever the server says it is (RFC 8785)."""
    shown = CONSENT | {"number_matching": True}
    server.answer = lambda: httpx2.Response(200, json=shown | {"consent_digest": "of another"})
    consent = phone.fetch("0consent", NOTIFICATION.txtkn)
    assert consent is not None
    assert consent.number_matching

    server.answer = lambda: httpx2.Response(204)
    phone.resolve(NOTIFICATION, accept=True, consent=consent, number="42")

    _, claims = verified(phone, server.body["challenge_response"])
    canonical = json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest())
    assert claims["consent_digest"] == digest.rstrip(b"=").decode()
    assert claims["matching_number"] == "42"


def test_a_phone_that_can_more_says_so_when_it_enrols(server: Server) -> None:
    phone = SimulatedPhone(httpx2.Client(transport=httpx2.MockTransport(server)), BASE)
    phone.enroll("t1cket", capabilities=CAPABILITIES)

    assert server.body["capabilities"] == ["number_matching", "consent_digest"]


def test_times_are_fractions_on_ios_and_integers_elsewhere(phone: SimulatedPhone) -> None:
    _, claims = verified(
        phone,
        phone.device_token()
        if phone.style != "android"
        else phone.challenge_response("k3q", accept=True),
    )

    assert {type(claims["iat"]), type(claims["exp"])} == {float if phone.style == "ios" else int}


def test_a_reason_goes_with_a_refusal_only(phone: SimulatedPhone, server: Server) -> None:
    phone.resolve(NOTIFICATION, accept=False, reason="not me")
    _, refusal = verified(phone, server.body["challenge_response"])
    phone.resolve(NOTIFICATION, accept=True, reason="not me")
    _, approval = verified(phone, server.body["challenge_response"])

    assert refusal["auth0_guardian_accepted"] is False
    assert refusal["auth0_guardian_reason"] == "not me"
    assert "auth0_guardian_reason" not in approval


def test_the_question_is_fetched_with_a_proof_of_the_key(
    phone: SimulatedPhone, server: Server
) -> None:
    server.answer = lambda: httpx2.Response(200, json=CONSENT)

    consent = phone.fetch("0consent", NOTIFICATION.txtkn)

    assert consent is not None
    assert consent.requested_details.binding_message == "4"
    assert server.last.headers["authorization"] == f"MFA-DPoP {NOTIFICATION.txtkn}"
    header, claims = verified(phone, server.last.headers["mfa-dpop"])
    assert (header["typ"], header["jwk"]) == ("dpop+jwt", phone.public_jwk())
    digest = hashlib.sha256(NOTIFICATION.txtkn.encode()).digest()
    assert claims["ath"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert (claims["htm"], claims["htu"]) == ("GET", f"{BASE}rich-consents/0consent")


def test_no_proof_is_used_twice(phone: SimulatedPhone, server: Server) -> None:
    server.answer = lambda: httpx2.Response(200, json=CONSENT)
    phone.fetch("0consent", NOTIFICATION.txtkn)
    phone.fetch("0consent", NOTIFICATION.txtkn)

    identifiers = [
        verified(phone, request.headers["mfa-dpop"])[1]["jti"] for request in server.requests[1:]
    ]
    assert len(set(identifiers)) == 2


def test_an_unknown_consent_is_none_and_any_other_refusal_is_raised(
    phone: SimulatedPhone, server: Server
) -> None:
    server.answer = lambda: httpx2.Response(404, json={"errorCode": "not_found"})
    assert phone.fetch("0consent", NOTIFICATION.txtkn) is None

    refusal = {"errorCode": "invalid_dpop_assertion", "description": "stale"}
    server.answer = lambda: httpx2.Response(403, json=refusal)
    with pytest.raises(PhoneError, match="403 invalid_dpop_assertion: stale"):
        phone.fetch("0consent", NOTIFICATION.txtkn)


def test_a_refusal_that_is_no_json_is_still_a_refusal(
    phone: SimulatedPhone, server: Server
) -> None:
    server.answer = lambda: httpx2.Response(502, text="<html>")

    with pytest.raises(PhoneError, match="502 unknown: Bad Gateway"):
        phone.resolve(NOTIFICATION, accept=True)


def test_what_is_pending_is_listed_with_the_device_token(
    phone: SimulatedPhone, server: Server
) -> None:
    entry = {**msgspec.to_builtins(NOTIFICATION), "expires_at": "2026-08-21T09:20:00.000Z"}
    server.answer = lambda: httpx2.Response(200, json=[entry])

    [pending] = phone.pending()

    assert pending.expires_at == "2026-08-21T09:20:00.000Z"
    assert str(server.last.url) == f"{BASE}rich-consents"
    assert server.last.headers["authorization"] == "MFA-DPoP dt_secret"
    _, claims = verified(phone, server.last.headers["mfa-dpop"])
    assert claims["htu"] == f"{BASE}rich-consents"


def test_the_enrolment_is_changed_under_the_phones_own_authority(
    phone: SimulatedPhone, server: Server
) -> None:
    """Old SDKs send the token of the enrolment, newer ones a token signed by the key."""
    credentials = {"service": phone.push_service, "token": "beef"}
    server.answer = lambda: httpx2.Response(200, json={"push_credentials": credentials})

    phone.update(push_credentials=credentials)

    assert str(server.last.url) == f"{BASE}appliance-mfa/api/device-accounts/dev_7Yk2Pq"
    assert (server.last.method, server.body) == ("PATCH", {"push_credentials": credentials})
    assert phone.account is not None
    assert phone.account.push_token == "beef"
    token = server.last.headers["authorization"].removeprefix("Bearer ")
    if phone.style == "android":
        assert token == "dt_secret"
        return
    _, claims = verified(phone, token)
    assert (claims["iss"], claims["sub"]) == ("dev_7Yk2Pq", "auth0|u1")
    assert claims["aud"] == f"{BASE}appliance-mfa/api/device-accounts"
    assert claims["exp"] - claims["iat"] == 7_200


def test_unenrolling_forgets_the_account(phone: SimulatedPhone, server: Server) -> None:
    phone.unenroll()

    assert (server.last.method, server.last.content) == ("DELETE", b"")
    assert phone.account is None
    with pytest.raises(RuntimeError, match="not enrolled"):
        phone.pending()


def test_a_phone_goes_on_from_what_it_saved(phone: SimulatedPhone) -> None:
    saved = msgspec.json.encode(phone.account)

    again = SimulatedPhone(httpx2.Client(), "", account=msgspec.json.decode(saved, type=Account))

    assert again.public_jwk() == phone.public_jwk()
    assert (again.style, again.base_url) == (phone.style, BASE)
