"""The poll flow over HTTP, as a client, a phone and a person live it."""

import base64
import concurrent.futures
import json
from collections import Counter

import httpx2
import jwt
import pytest

from consent.tokens import half_hash
from scripts.simulated_phone import PhoneError, SimulatedPhone, Style
from tests.support.nod import CIBA, Nod, OAuthClient

STYLES: list[Style] = ["ios", "android", "ec"]


def asked(
    nod: Nod, style: Style = "ec", **parameters: str
) -> tuple[OAuthClient, SimulatedPhone, str, str]:
    """A client that has asked a person with one phone."""
    client, user_id = nod.new_client(), nod.new_user(name="Aiko")
    phone = nod.new_phone(user_id, style=style)
    return client, phone, user_id, nod.accepted(client, user_id, **parameters)


def claims_of(nod: Nod, token: str, audience: str) -> dict[str, object]:
    """The claims, verified with the keys the discovery document points to."""
    metadata = nod.http.get(".well-known/openid-configuration").json()
    keys = jwt.PyJWKSet.from_dict(nod.http.get(metadata["jwks_uri"]).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return dict(
        jwt.decode(
            token,
            key,
            algorithms=metadata["id_token_signing_alg_values_supported"],
            issuer=metadata["issuer"],
            audience=audience,
        )
    )


@pytest.mark.parametrize("style", STYLES)
def test_a_person_is_asked_says_yes_and_the_client_has_tokens(nod: Nod, style: Style) -> None:
    """The whole way, for both SDKs and for a P-256 phone."""
    client, phone, user_id, auth_req_id = asked(nod, style, scope="openid profile")
    pending = nod.poll(client, auth_req_id)
    notification = nod.notified(phone)
    consent = phone.fetch(notification.txlnkid, notification.txtkn)
    phone.resolve(notification, accept=True)
    answer = nod.poll(client, auth_req_id)

    assert (pending.status_code, pending.json()["error"]) == (400, "authorization_pending")
    assert consent is not None
    assert consent.requested_details.binding_message == "Pay 10"
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert tokens["token_type"] == "Bearer"
    id_token = claims_of(nod, tokens["id_token"], client.client_id)
    assert (id_token["sub"], id_token["name"]) == (user_id, "Aiko")
    assert id_token["at_hash"] == half_hash(tokens["access_token"])
    access_token = claims_of(nod, tokens["access_token"], f"{nod.url}userinfo")
    assert access_token["azp"] == access_token["client_id"] == client.client_id
    assert jwt.get_unverified_header(tokens["access_token"])["typ"] == "at+jwt"


def test_a_push_says_nothing_of_what_is_asked(nod: Nod) -> None:
    """Neither the binding message nor the auth_req_id passes through a provider (T10)."""
    _, phone, _, auth_req_id = asked(nod, binding_message="Secret-4711")
    [push] = nod.pushes(phone)

    assert "Secret-4711" not in json.dumps(push)
    assert auth_req_id not in json.dumps(push)


def test_a_person_says_no(nod: Nod) -> None:
    """A120: 400 access_denied, now and ever after; the reason stays inside."""
    client, phone, _, auth_req_id = asked(nod)
    phone.resolve(nod.notified(phone), accept=False, reason="not me")
    answers = [nod.poll(client, auth_req_id) for _ in range(2)]

    assert [(a.status_code, a.json()["error"]) for a in answers] == [(400, "access_denied")] * 2


def test_an_approval_is_redeemed_once(nod: Nod) -> None:
    """A121."""
    client, phone, _, auth_req_id = asked(nod)
    phone.resolve(nod.notified(phone), accept=True)
    first, second = nod.poll(client, auth_req_id), nod.poll(client, auth_req_id)

    assert first.status_code == 200
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("racers", [16, 64])
def test_racing_polls_of_one_approval_have_one_winner(nod: Nod, racers: int) -> None:
    """A122, T6: over as many connections."""
    client, phone, _, auth_req_id = asked(nod)
    phone.resolve(nod.notified(phone), accept=True)

    def poll(_: int) -> httpx2.Response:
        return httpx2.post(
            f"{nod.url}oauth/token",
            data={"grant_type": CIBA, "auth_req_id": auth_req_id},
            auth=client.basic,
            timeout=15,
        )

    with concurrent.futures.ThreadPoolExecutor(racers) as pool:
        answers = list(pool.map(poll, range(racers)))

    errors = Counter(a.json().get("error") for a in answers)
    assert errors[None] == 1
    assert set(errors) <= {None, "slow_down", "invalid_grant"}


def test_every_phone_rings_and_the_first_answer_counts(nod: Nod) -> None:
    """The same answer again is a success, the opposite one a conflict (I5)."""
    client, user_id = nod.new_client(), nod.new_user()
    phones = [nod.new_phone(user_id, style=style) for style in STYLES]
    auth_req_id = nod.accepted(client, user_id)
    notifications = [nod.notified(phone) for phone in phones]
    phones[0].resolve(notifications[0], accept=True)
    phones[1].resolve(notifications[1], accept=True)
    with pytest.raises(PhoneError) as conflict:
        phones[2].resolve(notifications[2], accept=False)

    assert conflict.value.status == 409
    assert nod.poll(client, auth_req_id).status_code == 200


def test_a_phone_that_missed_its_push_finds_what_is_pending(nod: Nod) -> None:
    client, phone, _, auth_req_id = asked(nod)
    [listed] = phone.pending()
    phone.resolve(listed, accept=True)

    assert phone.pending() == []
    assert nod.poll(client, auth_req_id).status_code == 200


def test_polling_too_fast_is_slowed_down(nod: Nod) -> None:
    """A113-A115, decision: the standard's 400, with Retry-After and no WWW-Authenticate."""
    client, _, _, auth_req_id = asked(nod)
    first, second, third = (nod.poll(client, auth_req_id) for _ in range(3))

    assert first.json()["error"] == "authorization_pending"
    assert (second.status_code, second.json()["error"]) == (400, "slow_down")
    assert (second.headers["retry-after"], third.headers["retry-after"]) == ("10", "15")
    assert "www-authenticate" not in second.headers


def test_a_request_expires(nod: Nod) -> None:
    """A119: expired_token, and an answer that comes too late is refused and changes nothing."""
    client, phone, _, auth_req_id = asked(nod, requested_expiry="1")
    notification = nod.notified(phone)
    error = nod.error_after_waiting(client, auth_req_id)
    with pytest.raises(PhoneError) as late:
        phone.resolve(notification, accept=True)

    assert error == "expired_token"
    assert late.value.error_code == "transaction_expired"
    assert nod.poll(client, auth_req_id).json()["error"] == "expired_token"


def test_a_request_whose_phones_are_gone_ends_at_once(nod: Nod) -> None:
    """One provider says the address is dead, one refuses it; the poll says so at once."""
    client, user_id = nod.new_client(), nod.new_user()
    nod.new_phone(user_id, push_token=f"unregistered-{user_id[-8:]}")
    nod.new_phone(user_id, style="ios", push_token="bad0" + "0" * 60)
    auth_req_id = nod.accepted(client, user_id)

    assert nod.error_after_waiting(client, auth_req_id) == "access_denied"


def test_a_dead_address_is_retired(nod: Nod) -> None:
    """Its owner has no phone left that can be rung, and the next client hears so at once."""
    client, user_id = nod.new_client(), nod.new_user()
    nod.new_phone(user_id, push_token=f"unregistered-{user_id[-8:]}")
    ended = nod.error_after_waiting(client, nod.accepted(client, user_id))
    refused = nod.start_request(client, user_id)

    assert ended == "access_denied"
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


def test_a_push_that_fails_for_now_is_repeated(nod: Nod) -> None:
    """FCM answers 503 first; the request is pushed all the same, and each try is a fact."""
    client, user_id = nod.new_client(), nod.new_user()
    phone = nod.new_phone(user_id, style="ios", push_token="5031" + "0" * 56 + user_id[-4:])
    nod.accepted(client, user_id)
    notification = nod.notified(phone)
    attempts = nod.admin("GET", f"consents/{notification.txlnkid}").json()["attempts"]

    assert [a["outcome"] for a in attempts if a["event"] == "push"][:1] == ["retry"]


def test_strangers_learn_nothing_from_an_auth_req_id(nod: Nod) -> None:
    """A111, A112: another client's poll is invalid_grant, and the owner is not disturbed."""
    client, phone, _, auth_req_id = asked(nod)
    phone.resolve(nod.notified(phone), accept=True)
    stranger = nod.poll(nod.new_client(), auth_req_id)

    assert (stranger.status_code, stranger.json()["error"]) == (400, "invalid_grant")
    assert nod.poll(client, auth_req_id).status_code == 200


def test_a_strangers_phone_neither_sees_nor_answers(nod: Nod) -> None:
    """T8: with the victim's own notification in hand."""
    client, phone, _, auth_req_id = asked(nod)
    notification = nod.notified(phone)
    stranger = nod.new_phone(nod.new_user())
    with pytest.raises(PhoneError) as seen:
        stranger.fetch(notification.txlnkid, notification.txtkn)
    with pytest.raises(PhoneError) as answered:
        stranger.resolve(notification, accept=True)

    assert (seen.value.status, seen.value.error_code) == (403, "invalid_dpop_assertion")
    assert (answered.value.status, answered.value.error_code) == (401, "invalid_token")
    assert nod.poll(client, auth_req_id).json()["error"] == "authorization_pending"


def test_a_proof_is_used_once(nod: Nod) -> None:
    """T11."""
    _, phone, _, _ = asked(nod)
    notification = nod.notified(phone)
    url = f"{nod.url}rich-consents/{notification.txlnkid}"
    headers = {
        "Authorization": f"MFA-DPoP {notification.txtkn}",
        "MFA-DPoP": phone.proof("GET", url, notification.txtkn),
    }
    first, second = nod.http.get(url, headers=headers), nod.http.get(url, headers=headers)

    assert first.status_code == 200
    assert isinstance(first.json()["created_at"], str)
    assert (second.status_code, second.json()["errorCode"]) == (403, "invalid_dpop_assertion")


def test_an_audience_gets_its_scopes_and_its_token(nod: Nod) -> None:
    """D004: the token is for the resource server; its scopes and OIDC's may be asked for."""
    identifier = f"https://api.example.com/{nod.port}"
    nod.admin(
        "POST",
        "resource-servers",
        {
            "identifier": identifier,
            "name": "Payments",
            "scopes": [{"value": "pay"}],
        },
    )
    client, phone, user_id, auth_req_id = asked(nod, scope="pay openid", audience=identifier)
    phone.resolve(nod.notified(phone), accept=True)
    tokens = nod.poll(client, auth_req_id).json()
    unknown_scope = nod.start_request(client, user_id, scope="openid pay")
    unknown_audience = nod.start_request(client, user_id, audience="https://nowhere.example")

    assert claims_of(nod, tokens["access_token"], identifier)["scope"] == "pay openid"
    assert (unknown_scope.status_code, unknown_scope.json()["error"]) == (400, "invalid_scope")
    assert (unknown_audience.status_code, unknown_audience.json()["error"]) == (
        403,
        "access_denied",
    )


def test_the_sixth_request_in_a_minute_is_too_many(nod: Nod) -> None:
    """T1, A192: whoever asks; with the headers that say when to come back."""
    user_id = nod.new_user()
    phone = nod.new_phone(user_id)
    clients = [nod.new_client(), nod.new_client()]
    answers = [nod.start_request(clients[number % 2], user_id) for number in range(6)]
    limited = answers[5]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert limited.json()["error"] == "too_many_requests"
    assert 0 < int(limited.headers["retry-after"]) <= 60
    assert limited.headers["x-ratelimit-limit"] == "5"
    assert limited.headers["x-ratelimit-remaining"] == "0"
    assert int(limited.headers["x-ratelimit-reset"]) > 1_700_000_000
    assert len(phone.pending()) == 5


def test_a_client_may_send_its_secret_either_way(nod: Nod) -> None:
    """Basic, raw or form-encoded, and the body; whichever of the two was registered."""
    user_id = nod.new_user()
    nod.new_phone(user_id)
    for method in ("client_secret_basic", "client_secret_post"):
        client = nod.new_client(token_endpoint_auth_method=method)
        form = {
            "scope": "openid",
            "binding_message": "x",
            "login_hint": nod.login_hint(user_id),
        }
        basic = nod.http.post("bc-authorize", data=form, auth=client.basic)
        post = nod.http.post("bc-authorize", data=form | client.post)

        assert (basic.status_code, post.status_code) == (200, 200)


def test_a_wrong_secret_and_an_unknown_client_are_one_answer(nod: Nod) -> None:
    """A004, A005: 401 invalid_client, the scheme named when the header was used."""
    client = nod.new_client()
    wrong = OAuthClient(client.client_id, "wrong")
    unknown = OAuthClient("unknown", "wrong")
    answers = [nod.poll(offered, "x") for offered in (wrong, unknown)]

    assert [a.status_code for a in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["www-authenticate"].startswith("Basic")
    in_the_body = nod.http.post("oauth/token", data={"grant_type": CIBA, **wrong.post})
    assert "www-authenticate" not in in_the_body.headers


def test_the_token_endpoint_takes_json(nod: Nod) -> None:
    """auth0-python polls with it; /token is the same endpoint."""
    client, phone, _, auth_req_id = asked(nod)
    phone.resolve(nod.notified(phone), accept=True)
    answer = nod.http.post(
        "token", json={"grant_type": CIBA, "auth_req_id": auth_req_id, **client.post}
    )

    assert answer.status_code == 200


def test_a_client_without_the_grant_is_refused(nod: Nod) -> None:
    """A009, A132: 403 at /bc-authorize as Auth0 answers, 400 at the token endpoint."""
    client, user_id = nod.new_client(grant_types=["client_credentials"]), nod.new_user()
    started, polled = nod.start_request(client, user_id), nod.poll(client, "x")

    assert (started.status_code, started.json()["error"]) == (403, "unauthorized_client")
    assert (polled.status_code, polled.json()["error"]) == (400, "unauthorized_client")


def test_a_client_gets_a_token_for_itself_within_its_grant(nod: Nod) -> None:
    client = nod.new_client(grant_types=["client_credentials"])
    form = {"grant_type": "client_credentials", "audience": f"{nod.url}api/v2/", **client.post}
    without = nod.http.post("oauth/token", data=form)
    nod.admin(
        "POST",
        "client-grants",
        {
            "client_id": client.client_id,
            "audience": f"{nod.url}api/v2/",
            "scope": ["read:users", "create:users"],
        },
    )
    granted = nod.http.post("oauth/token", data=form)
    fewer = nod.http.post("oauth/token", data=form | {"scope": "read:users"})
    more = nod.http.post("oauth/token", data=form | {"scope": "delete:users"})

    assert (without.status_code, without.json()["error"]) == (403, "access_denied")
    assert granted.json()["scope"] == "read:users create:users"
    assert granted.json()["expires_in"] == 86_400
    assert fewer.json()["scope"] == "read:users"
    assert more.json()["error"] == "invalid_scope"


def test_a_deleted_client_is_nobody_at_once(nod: Nod) -> None:
    client = nod.new_client()
    assert nod.poll(client, "x").status_code == 400
    nod.admin("DELETE", f"clients/{client.client_id}")

    assert nod.poll(client, "x").status_code == 401


def test_a_deleted_user_has_no_way_to_approve(nod: Nod) -> None:
    """T39: pending requests end; the phone is not enrolled any more."""
    client, phone, user_id, auth_req_id = asked(nod)
    notification = nod.notified(phone)
    nod.admin("DELETE", f"users/{user_id}")
    with pytest.raises(PhoneError):
        phone.resolve(notification, accept=True)

    assert nod.poll(client, auth_req_id).json()["error"] == "access_denied"


def test_discovery_says_what_is_on(nod: Nod) -> None:
    """A180, A182, D030-D036: and every endpoint it names answers."""
    metadata = nod.http.get(".well-known/openid-configuration").json()
    also = nod.http.get(".well-known/oauth-authorization-server").json()

    assert metadata == also
    assert metadata["issuer"] == nod.url
    assert metadata["backchannel_token_delivery_modes_supported"] == ["poll", "ping", "push"]
    assert CIBA in metadata["grant_types_supported"]
    for name in ("token_endpoint", "backchannel_authentication_endpoint"):
        wrong_method = nod.http.get(metadata[name])
        assert (wrong_method.status_code, wrong_method.headers["allow"]) == (405, "POST")


def test_a_phone_changes_its_push_address_and_leaves(nod: Nod) -> None:
    client, user_id = nod.new_client(), nod.new_user()
    for style in STYLES:
        phone = nod.new_phone(user_id, style=style)
        token = "f00d" * 16 if style == "ios" else f"moved-{base64.b16encode(style.encode())!r}"
        token = "".join(c for c in token if c.isalnum() or c == "-")
        changed = phone.update(
            name="New name", push_credentials={"service": phone.push_service, "token": token}
        )
        assert changed["push_credentials"] == {"service": phone.push_service, "token": token}
        assert changed["name"] == "New name"
        account = phone.account
        phone.unenroll()
        phone.account = account
        with pytest.raises(PhoneError) as gone:
            phone.update(name="x")
        assert gone.value.status == 401
    assert nod.start_request(client, user_id).json()["error"] == "invalid_request"


@pytest.mark.parametrize("path", ["healthz", "readyz"])
def test_a_load_balancer_may_ask_with_head(nod: Nod, path: str) -> None:
    answer = nod.http.head(path)

    assert (answer.status_code, answer.content) == (200, b"")


def test_a_phone_that_changed_hands_rings_for_its_new_owner_only(nod: Nod) -> None:
    """T37: the same push address for two people; the one who registered it last has it."""
    client, before, now = nod.new_client(), nod.new_user(), nod.new_user()
    address = f"handed-on-{before[-8:]}"
    nod.new_phone(before, push_token=address)
    phone = nod.new_phone(now, push_token=address)
    refused = nod.start_request(client, before)
    nod.accepted(client, now)

    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    assert phone.account is not None
    assert nod.notified(phone).dai == phone.account.id
    enrolled = nod.admin("GET", f"users/{before}/enrollments").json()
    assert [enrollment["push_reachable"] for enrollment in enrolled] == [False]


def test_an_address_that_moved_is_owned_where_it_moved_to(nod: Nod) -> None:
    """T37, by a change of an enrolled phone's address."""
    client, first, second = nod.new_client(), nod.new_user(), nod.new_user()
    address = f"moved-on-{first[-8:]}"
    nod.new_phone(first, push_token=address)
    phone = nod.new_phone(second)
    phone.update(push_credentials={"service": phone.push_service, "token": address})

    assert nod.start_request(client, first).json()["error"] == "invalid_request"
    assert nod.start_request(client, second).status_code == 200


def test_who_enrols_with_the_key_of_another_takes_nothing_from_them(nod: Nod) -> None:
    """A receipt shows a device's public key, and no enrolment proves that it is one's own (T37)."""
    client, first, second = nod.new_client(), nod.new_user(), nod.new_user()
    phone = nod.new_phone(first)
    phone.update(push_credentials={"service": "NONE"})
    body = {
        "identifier": "another",
        "name": "Another browser",
        "push_credentials": {"service": "NONE"},
        "public_key": phone.public_jwk(),
    }
    ticket = {"Authorization": f'Ticket id="{nod.new_ticket(second)}"'}
    answer = nod.http.post("appliance-mfa/api/enroll", json=body, headers=ticket)

    assert answer.status_code == 201
    assert nod.start_request(client, first).status_code == 200
