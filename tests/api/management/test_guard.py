"""Who gets in: a valid access token for this API, of a client that still exists."""

from collections.abc import Callable

import jwt
import pytest

from consent.access import management_audience
from consent.signing_key import new_signing_key
from tests.support.management import (
    BOOTSTRAP,
    ISSUER,
    Administration,
    Story,
    check_refused,
)

Told = Callable[[Story], None]


def test_a_token_of_the_token_endpoint_opens_the_api(told: Told) -> None:
    async def story(admin: Administration) -> None:
        granted = await admin.http.post(
            "oauth/token",
            json={
                "grant_type": "client_credentials",
                "client_id": BOOTSTRAP[0],
                "client_secret": BOOTSTRAP[1],
                "audience": f"{ISSUER}api/v2/",
            },
        )
        answer = await admin.call("GET", "clients", token=granted.json()["access_token"])
        assert answer.status_code == 200

    told(story)


@pytest.mark.parametrize(
    "authorization", [None, "", "Basic YTpi", "Bearer", "Bearer ", "Bearer x", "x" * 9_000]
)
def test_without_a_token_there_is_a_401_with_a_challenge(
    told: Told, authorization: str | None
) -> None:
    """RFC 6750 3."""

    async def story(admin: Administration) -> None:
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = await admin.http.get("api/v2/clients", headers=headers)
        message = check_refused(answer, 401, "invalid_token")
        is_token = (authorization or "").startswith("Bearer")
        assert message == ("Invalid token" if is_token else "Missing authentication")
        assert answer.headers["www-authenticate"].startswith("Bearer")

    told(story)


def test_a_token_that_is_not_for_this_api_is_refused(told: Told) -> None:
    """D005, T13: another audience, issuer, key, type, algorithm, or a changed octet."""

    async def story(admin: Administration) -> None:
        key, other = admin.signing_key, new_signing_key()
        good = admin.token()
        claims = jwt.decode(good, options={"verify_signature": False})
        header, payload, signature = good.split(".")
        changed = signature[:10] + ("A" if signature[10] != "A" else "B") + signature[11:]
        refused = [
            admin.token(audience="https://other/"),
            admin.token(issuer="https://other/"),
            other.sign(claims, "at+jwt"),
            key.sign(claims, "JWT"),
            key.sign(claims | {"gty": "password"}, "at+jwt"),
            key.sign({name: claims[name] for name in claims if name != "exp"}, "at+jwt"),
            f"{header}.{payload}.{changed}",
            f"{header}.{payload}.",
            f"{header}..{signature}",
            jwt.encode(claims, "", algorithm="none", headers={"typ": "at+jwt", "kid": key.kid}),
            jwt.encode(claims, "k" * 32, headers={"typ": "at+jwt", "kid": key.kid}),
        ]
        for token in refused:
            answer = await admin.call("GET", "clients", token=token)
            assert check_refused(answer, 401, "invalid_token") == "Invalid token"

    told(story)


def test_an_expired_token_is_told_so(told: Told) -> None:
    async def story(admin: Administration) -> None:
        token = admin.token()
        admin.now += 59
        assert (await admin.call("GET", "clients", token=token)).status_code == 200
        admin.now += 1
        answer = await admin.call("GET", "clients", token=token)
        assert check_refused(answer, 401, "invalid_token") == "Expired token"

    told(story)


def test_the_token_of_a_removed_client_opens_nothing(told: Told) -> None:
    async def story(admin: Administration) -> None:
        client_id = str((await admin.created("clients", {"name": "Short lived"}))["client_id"])
        token = admin.token(client_id=client_id)
        audience = management_audience(ISSUER)
        body = {"client_id": client_id, "audience": audience, "scope": ["read:clients"]}
        await admin.created("client-grants", body)
        assert (await admin.call("GET", "clients", token=token)).status_code == 200
        await admin.call("DELETE", f"clients/{client_id}")
        answer = await admin.call("GET", "clients", token=token)
        assert check_refused(answer, 401, "invalid_token") == "Invalid token"

    told(story)


def test_a_scope_that_was_taken_back_opens_nothing_and_is_not_granted_again(told: Told) -> None:
    """T33: although the token that has it still stands."""

    async def story(admin: Administration) -> None:
        client = await admin.created("clients", {"name": "Portal"})
        client_id, audience = str(client["client_id"]), management_audience(ISSUER)
        scopes = ["update:client_grants", "read:users"]
        body = {"client_id": client_id, "audience": audience, "scope": scopes}
        grant = await admin.created("client-grants", body)
        token, path = admin.token(scopes, client_id=client_id), f"client-grants/{grant['id']}"
        assert (await admin.call("GET", "users", token=token)).status_code == 200

        await admin.call("PATCH", path, {"scope": ["update:client_grants"]})

        refused = await admin.call("GET", "users", token=token)
        check_refused(refused, 403, "insufficient_scope")
        refused = await admin.call("PATCH", path, {"scope": scopes}, token=token)
        check_refused(refused, 403, "insufficient_scope")
        await admin.call("DELETE", path)
        refused = await admin.call("PATCH", path, {"scope": []}, token=token)
        check_refused(refused, 403, "insufficient_scope")

    told(story)


def test_a_body_that_is_no_json_object_is_refused(told: Told) -> None:
    async def story(admin: Administration) -> None:
        headers = {"Authorization": f"Bearer {admin.token()}", "Content-Type": "application/json"}
        for body in (b"", b"[]", b'"x"', b"{", b'{"a":1,"a":2}', b"\xff", b'{"a":"\\u0000"}'):
            answer = await admin.http.post("api/v2/clients", content=body, headers=headers)
            message = check_refused(answer, 400, "invalid_body")
            assert message.startswith("Payload validation error: ")
        headers["Content-Type"] = "text/plain"
        answer = await admin.http.post("api/v2/clients", content=b"{}", headers=headers)
        check_refused(answer, 400, "invalid_body")

    told(story)
