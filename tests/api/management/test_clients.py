"""/api/v2/clients."""

from collections.abc import Callable

import pytest

from consent.access import MANAGEMENT_SCOPES
from consent.client import CIBA_GRANT
from consent.store import keys
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
        }
        assert (await admin.call("GET", f"clients/{client_id}")).json() == created
        assert await secret_works(admin, client_id, secret)

    told(story)


def test_no_secret_is_in_the_store(told: Told) -> None:
    async def story(admin: Administration) -> None:
        secret = str((await admin.created("clients", {"name": "N"}))["client_secret"])
        flat = await admin.services.store.redis.execute("HGETALL", keys.CLIENTS)
        assert secret.encode() not in b"".join(flat)

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
    "private_key_jwt": (
        {"token_endpoint_auth_method": "private_key_jwt"},
        "Must be one of none, client_secret_post, client_secret_basic",
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
    "RS256": ({"jwt_configuration": {"alg": "RS256"}}, "property jwt_configuration.alg."),
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
