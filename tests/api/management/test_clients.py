"""/api/v2/clients."""

import base64
from collections.abc import Callable

import pytest

from consent.access import MANAGEMENT_SCOPES
from consent.client import CIBA_GRANT
from consent.identifiers import digest
from consent.store import keys
from tests.support.domain import vector
from tests.support.management import BOOTSTRAP, ISSUER, Administration, Story, check_refused

Told = Callable[[Story], None]


async def secret_works(admin: Administration, client_id: object, secret: object) -> bool:
    answer = await admin.http.post(
        "oauth/token",
        json={"grant_type": "x", "client_id": client_id, "client_secret": secret},
    )
    assert answer.json()["error"] in {"invalid_client", "unsupported_grant_type"}
    return answer.status_code == 400


def test_a_client_is_created_with_a_secret_that_is_shown_once(told: Told) -> None:
    async def story(admin: Administration) -> None:
        body = {
            "name": "Bank 愛子",
            "grant_types": [CIBA_GRANT],
            "client_metadata": {"a": "b"},
            "callbacks": ["https://app/cb"],
            "client_id": "mine",
            "tenant": "x",
            "is_system": True,
        }
        created = await admin.created("clients", body)
        secret = created.pop("client_secret")
        client_id = created["client_id"]
        assert len(str(client_id)) == 32
        assert len(str(secret)) == 43
        assert created == {
            "client_id": client_id,
            "name": "Bank 愛子",
            "description": "",
            "grant_types": [CIBA_GRANT],
            "token_endpoint_auth_method": "client_secret_post",
            "is_first_party": True,
            "oidc_conformant": True,
            "app_type": "regular_web",
            "callbacks": ["https://app/cb"],
            "client_metadata": {"a": "b"},
            "jwt_configuration": {
                "lifetime_in_seconds": 36_000,
                "secret_encoded": False,
                "alg": "ES256",
            },
            "profile": "standard",
            "refresh_token": {
                "rotation_type": "non-rotating",
                "leeway": 10,
                "expiration_type": "expiring",
            },
            "tls_client_certificate_bound_access_tokens": False,
            "dpop_bound_access_tokens": False,
            "backchannel_token_delivery_mode": "poll",
            "backchannel_user_code_parameter": False,
            "number_matching": False,
            "long_poll_seconds": 0,
        }
        assert (await admin.call("GET", f"clients/{client_id}")).json() == created
        assert await secret_works(admin, client_id, secret)

    told(story)


@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_jwt"])
def test_no_secret_is_in_the_store(told: Told, method: str) -> None:
    async def story(admin: Administration) -> None:
        body = {"name": "N", "token_endpoint_auth_method": method}
        secret = str((await admin.created("clients", body))["client_secret"])
        flat = b"".join(await admin.services.store.redis.execute("HGETALL", keys.CLIENTS))
        for encoded in (secret.encode(), base64.b64encode(secret.encode())):
            assert encoded not in flat

    told(story)


def test_a_rotated_secret_replaces_the_old_one(told: Told) -> None:
    async def story(admin: Administration) -> None:
        created = await admin.created("clients", {"name": "N"})
        path = f"clients/{created['client_id']}/rotate-secret"
        answer = await admin.call("POST", path)
        assert answer.status_code == 200
        rotated = answer.json()
        assert rotated.pop("client_secret") != created["client_secret"]
        assert rotated == {name: created[name] for name in created if name != "client_secret"}
        secret = (await admin.call("POST", path)).json()["client_secret"]
        assert await secret_works(admin, created["client_id"], secret)
        assert not await secret_works(admin, created["client_id"], created["client_secret"])

    told(story)


def test_the_two_copies_of_a_secret_for_a_mac_are_rotated_together(told: Told) -> None:
    async def story(admin: Administration) -> None:
        body = {"name": "N", "token_endpoint_auth_method": "client_secret_jwt"}
        created = await admin.created("clients", body)
        path = f"clients/{created['client_id']}/rotate-secret"
        rotated = (await admin.call("POST", path)).json()
        assert created["client_secret"] != rotated["client_secret"]
        assert not {"secret_digest", "secret_sealed"} & set(rotated)
        client = await admin.services.client(str(created["client_id"]))
        assert client is not None
        assert client.secret_digest == digest(rotated["client_secret"])
        opened = admin.services.seal.decrypt(client.secret_sealed, client.client_id)
        assert opened.decode() == rotated["client_secret"]

    told(story)


def test_a_client_without_a_secret_is_shown_none_and_rotates_none(told: Told) -> None:
    """C042."""

    async def story(admin: Administration) -> None:
        body = {
            "name": "N",
            "grant_types": [CIBA_GRANT],
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [vector("rfc7517_x5c")["jwk"]]},
        }
        created = await admin.created("clients", body)
        assert "client_secret" not in created
        assert created["jwks"] == body["jwks"]
        path = f"clients/{created['client_id']}"
        assert (await admin.call("GET", path)).json() == created
        check_refused(await admin.call("POST", f"{path}/rotate-secret"), 400, "no_client_secret")
        assert not await secret_works(admin, created["client_id"], "x")

    told(story)


def test_nobody_rotates_the_secret_of_a_client_with_more_power(told: Told) -> None:
    """T33: who makes a client's secret can act as that client."""

    async def story(admin: Administration) -> None:
        path = f"clients/{BOOTSTRAP[0]}/rotate-secret"
        answer = await admin.call("POST", path, scopes=["update:client_keys"])
        check_refused(answer, 403, "insufficient_scope")
        assert await secret_works(admin, *BOOTSTRAP)
        assert (await admin.call("POST", path, scopes=MANAGEMENT_SCOPES)).status_code == 200

    told(story)


def test_a_deleted_client_is_gone_with_its_grants(told: Told) -> None:
    async def story(admin: Administration) -> None:
        left, stays = [await admin.created("clients", {"name": "N"}) for _ in range(2)]
        for client in (left, stays):
            await admin.created(
                "client-grants",
                {
                    "client_id": client["client_id"],
                    "audience": f"{ISSUER}api/v2/",
                    "scope": ["read:users"],
                },
            )
        for _ in range(2):
            answer = await admin.call("DELETE", f"clients/{left['client_id']}")
            assert (answer.status_code, answer.content) == (204, b"")
        check_refused(
            await admin.call("GET", f"clients/{left['client_id']}"), 404, "inexistent_client"
        )
        path = f"clients/{left['client_id']}/rotate-secret"
        check_refused(await admin.call("POST", path), 404, "inexistent_client")
        assert not await secret_works(admin, left["client_id"], left["client_secret"])
        grants = (await admin.call("GET", "client-grants")).json()
        clients = {grant["client_id"] for grant in grants}
        assert clients == {stays["client_id"], BOOTSTRAP[0]}

    told(story)


def test_pages_hold_every_client_once_and_end_with_an_empty_one(told: Told) -> None:
    """Pagers stop on an empty page only (auth0-wire 5)."""

    async def story(admin: Administration) -> None:
        for number in range(6):
            await admin.created("clients", {"name": f"N{number}"})
        everyone = (await admin.call("GET", "clients")).json()
        assert len(everyone) == 7
        seen = []
        for page in range(4):
            answer = await admin.call("GET", f"clients?page={page}&per_page=3&include_totals=true")
            body = answer.json()
            assert (body["total"], body["start"], body["limit"]) == (7, 3 * page, 3)
            assert body["length"] == len(body["clients"])
            seen.append(body["clients"])
        assert [len(clients) for clients in seen] == [3, 3, 1, 0]
        assert [client for clients in seen for client in clients] == everyone
        assert not any({"client_secret", "secret_digest"} & set(client) for client in everyone)

        checkpoint, walked = "", []
        while True:
            body = (await admin.call("GET", f"clients?take=3{checkpoint}")).json()
            walked += body["clients"]
            if "next" not in body:
                break
            checkpoint = f"&from={body['next']}"
        assert walked == everyone

    told(story)


@pytest.mark.parametrize(
    "query",
    [
        "page=-1",
        "page=x",
        "page=1e3",
        "per_page=0",
        "per_page=101",
        "take=0",
        "take=%D9%A1",
        "include_totals=yes",
        "page=1&page=2",
        "page=%FF",
        "page=%00",
        "page=99999999999",
    ],
)
def test_a_bad_query_is_refused(told: Told, query: str) -> None:
    async def story(admin: Administration) -> None:
        for path in ("clients", "client-grants", "resource-servers"):
            answer = await admin.call("GET", f"{path}?{query}")
            message = check_refused(answer, 400, "invalid_query_string")
            assert message.startswith("Query validation error: ")

    told(story)


HOSTILE: dict[str, tuple[dict[str, object], str]] = {
    "no name": ({"name": None}, "property name."),
    "an empty name": ({"name": ""}, "property name."),
    "a name of 256": ({"name": "a" * 256}, "property name."),
    "a name with markup": ({"name": "<SECRETVALUE>"}, "property name."),
    "a name with a newline": ({"name": "a\nSECRETVALUE"}, "property name."),
    "a number for a name": ({"name": 4711}, "property name."),
    "a method nobody knows": (
        {"token_endpoint_auth_method": "SECRETVALUE"},
        "Must be one of none, client_secret_post, client_secret_basic",
    ),
    "private_key_jwt without keys": (
        {"token_endpoint_auth_method": "private_key_jwt"},
        "property jwks.",
    ),
    "a private key": (
        {"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "d": "SECRETVALUE"}]}},
        "'the key is private or symmetric' on property jwks.",
    ),
    "keys that are none": ({"jwks": {"keys": [1]}}, "property jwks.keys[0]."),
    "a set that is a list": ({"jwks": []}, "property jwks."),
    "an endpoint in the house": (
        {"backchannel_client_notification_endpoint": "https://127.0.0.1/SECRETVALUE"},
        "property backchannel_client_notification_endpoint.",
    ),
    "keys at a port of another service": (
        {"jwks_uri": "https://a.example:6379/SECRETVALUE"},
        "property jwks_uri.",
    ),
    "a mode nobody knows": (
        {"backchannel_token_delivery_mode": "SECRETVALUE"},
        "property backchannel_token_delivery_mode.",
    ),
    "a profile nobody knows": ({"profile": "SECRETVALUE"}, "property profile."),
    "a client that does not fit its profile": (
        {"profile": "fapi-ciba"},
        "'Not allowed by the profile' on property token_endpoint_auth_method.",
    ),
    "an unknown channel": (
        {"async_approval_notification_channels": ["SECRETVALUE"]},
        "property async_approval_notification_channels",
    ),
    "no channel": (
        {"async_approval_notification_channels": []},
        "property async_approval_notification_channels",
    ),
    "a channel twice": (
        {"async_approval_notification_channels": ["email", "email"]},
        "property async_approval_notification_channels.",
    ),
    "a text for a poll": ({"long_poll_seconds": "5"}, "property long_poll_seconds."),
    "a type twice": (
        {"authorization_details_types": ["SECRETVALUE"] * 2},
        "property authorization_details_types.",
    ),
    "a method that is a list": ({"token_endpoint_auth_method": []}, "token_endpoint_auth_method."),
    "an unknown grant": ({"grant_types": ["SECRETVALUE"]}, "property grant_types."),
    "a grant twice": ({"grant_types": [CIBA_GRANT] * 2}, "property grant_types."),
    "a text for grants": ({"grant_types": CIBA_GRANT}, "property grant_types."),
    "a grant that is a number": ({"grant_types": [1]}, "property grant_types[0]."),
    "eleven metadata": (
        {"client_metadata": {str(number): "" for number in range(11)}},
        "client_metadata.",
    ),
    "metadata of 256": ({"client_metadata": {"a": "b" * 256}}, "property client_metadata[...]."),
    "metadata named by 256": ({"client_metadata": {"b" * 256: "a"}}, "client_metadata"),
    "metadata that is a number": ({"client_metadata": {"SECRETVALUE": 1}}, "client_metadata"),
    "metadata with a control": ({"client_metadata": {"a": "\x01"}}, "client_metadata."),
    "HS256": ({"jwt_configuration": {"alg": "HS256"}}, "property jwt_configuration.alg."),
    "no lifetime": ({"jwt_configuration": {"lifetime_in_seconds": 0}}, "lifetime_in_seconds."),
    "a number for true": ({"is_first_party": 1}, "property is_first_party."),
    "a callback with a NUL-like": ({"callbacks": ["a\x7f"]}, "property callbacks."),
}


@pytest.mark.parametrize(("members", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_bad_body_is_refused_by_the_name_of_its_member(
    told: Told, members: dict[str, object], said: str
) -> None:
    async def story(admin: Administration) -> None:
        answer = await admin.call("POST", "clients", {"name": "N"} | members)
        message = check_refused(answer, 400, "invalid_body")
        assert message.startswith("Payload validation error: ")
        assert said in message
        assert "SECRETVALUE" not in message

    told(story)


@pytest.mark.parametrize("client_id", ["*", "}", "a:b", "a%0Ab", "a%00b", "%FF", "x" * 8_000])
def test_an_id_that_is_not_one_finds_no_client(told: Told, client_id: str) -> None:
    """T28."""

    async def story(admin: Administration) -> None:
        answer = await admin.call("GET", f"clients/{client_id}")
        check_refused(answer, 404, "inexistent_client")
        assert (await admin.call("DELETE", f"clients/{client_id}")).status_code == 204
        assert (await admin.call("DELETE", f"client-grants/{client_id}")).status_code == 204

    told(story)


def test_the_channels_of_a_client_are_kept_in_order_and_null_clears_them(told: Told) -> None:
    """auth0-wire 1.5."""

    async def story(admin: Administration) -> None:
        channels = ["email", "guardian-push"]
        body = {"name": "Bank", "async_approval_notification_channels": channels}
        path = f"clients/{(await admin.created('clients', body))['client_id']}"
        shown = (await admin.call("GET", path)).json()
        assert shown["async_approval_notification_channels"] == channels

        cleared = await admin.call("PATCH", path, {"async_approval_notification_channels": None})

        assert cleared.status_code == 200
        assert "async_approval_notification_channels" not in cleared.json()

    told(story)
