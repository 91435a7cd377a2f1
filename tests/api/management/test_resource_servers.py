"""/api/v2/resource-servers."""

import asyncio
from collections.abc import Callable
from urllib.parse import quote

import httpx2
import pytest

from tests.support.management import ISSUER, Administration, Story, check_refused

Told = Callable[[Story], None]
API = "https://api.example/v1/?x={*}"


def test_a_resource_server_is_found_by_its_id_and_by_its_identifier(told: Told) -> None:
    async def story(admin: Administration) -> None:
        created = await admin.created(
            "resource-servers",
            {
                "identifier": API,
                "name": "Payments",
                "token_lifetime": 60,
                "is_system": True,
                "scopes": [{"value": "pay:all", "description": "Zahlen für alles"}],
                "signing_alg": "PS256",
                "authorization_details": [{"type": "payment", "unknown": 1}],
            },
        )
        assert created == {
            "id": created["id"],
            "identifier": API,
            "name": "Payments",
            "scopes": [{"value": "pay:all", "description": "Zahlen für alles"}],
            "signing_alg": "PS256",
            "authorization_details": [{"type": "payment"}],
            "token_lifetime": 60,
            "token_dialect": "rfc9068_profile",
            "allow_offline_access": False,
            "is_system": False,
        }
        for name in (created["id"], quote(API, safe="")):
            assert (await admin.call("GET", f"resource-servers/{name}")).json() == created
        answer = await admin.call("GET", "resource-servers?include_totals=true")
        assert answer.json()["total"] == 2
        assert created in answer.json()["resource_servers"]

    told(story)


def test_resource_servers_are_found_by_several_identifiers(told: Told) -> None:
    async def story(admin: Administration) -> None:
        identifiers = [f"{API}{number}" for number in range(3)]
        for each in identifiers:
            await admin.created("resource-servers", {"identifier": each})
        wanted = [*identifiers[:2], identifiers[0], "urn:nobody"]
        query = str(httpx2.QueryParams([("identifiers", each) for each in wanted]))
        path = f"resource-servers?{query}"

        whole = (await admin.call("GET", f"{path}&include_totals=true&page=0")).json()
        assert {it["identifier"] for it in whole["resource_servers"]} == set(identifiers[:2])
        assert (whole["total"], whole["length"]) == (2, 2)
        second = (await admin.call("GET", f"{path}&per_page=1&page=1&fields=identifier")).json()
        assert second == [{"identifier": whole["resource_servers"][1]["identifier"]}]
        assert (await admin.call("GET", f"{path}&page=1")).json() == []

    told(story)


def test_of_many_equal_resource_servers_one_is_created(told: Told) -> None:
    async def story(admin: Administration) -> None:
        answers = await asyncio.gather(
            *[admin.call("POST", "resource-servers", {"identifier": API}) for _ in range(20)]
        )
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19

    told(story)


def test_the_management_api_is_neither_deleted_nor_defined_again(told: Told) -> None:
    async def story(admin: Administration) -> None:
        for identifier in (f"{ISSUER}api/v2/", f"{ISSUER}userinfo"):
            answer = await admin.call("POST", "resource-servers", {"identifier": identifier})
            check_refused(answer, 409, "resource_server_conflict")
        answer = await admin.call("DELETE", f"resource-servers/{quote(f'{ISSUER}api/v2/')}")
        check_refused(answer, 403, "system_resource_server")
        [system] = (await admin.call("GET", "resource-servers")).json()
        assert system["is_system"] is True

    told(story)


def test_a_deleted_resource_server_takes_its_grants_with_it(told: Told) -> None:
    """Made again under the same identifier, it is open to nobody."""

    async def story(admin: Administration) -> None:
        client_id = (await admin.created("clients", {"name": "N"}))["client_id"]
        body = {"identifier": API, "scopes": [{"value": "a"}]}
        grant = {"client_id": client_id, "audience": API, "scope": ["a"]}
        await admin.created("resource-servers", body)
        await admin.created("client-grants", grant)
        for _ in range(2):
            answer = await admin.call("DELETE", f"resource-servers/{quote(API, safe='')}")
            assert (answer.status_code, answer.content) == (204, b"")
        check_refused(
            await admin.call("GET", f"resource-servers/{quote(API, safe='')}"),
            404,
            "inexistent_resource_server",
        )
        check_refused(
            await admin.call("POST", "client-grants", grant), 404, "inexistent_resource_server"
        )
        await admin.created("resource-servers", body)
        grants = await admin.call("GET", f"client-grants?audience={quote(API, safe='')}")
        assert grants.json() == []

    told(story)


HOSTILE: dict[str, tuple[dict[str, object], str]] = {
    "no identifier": ({"identifier": None}, "property identifier."),
    "an empty identifier": ({"identifier": ""}, "property identifier."),
    "an identifier of 256": ({"identifier": "a" * 256}, "property identifier."),
    "an identifier with a space": ({"identifier": "SECRETVALUE b"}, "property identifier."),
    "an identifier with a newline": ({"identifier": "a\nb"}, "property identifier."),
    "scopes that are texts": ({"scopes": ["SECRETVALUE"]}, "property scopes[0]."),
    "a scope without a value": ({"scopes": [{}]}, "property scopes[0].value."),
    "a scope of two words": ({"scopes": [{"value": "a b"}]}, "property scopes."),
    "a scope with a quote": ({"scopes": [{"value": 'a"'}]}, "property scopes."),
    "a scope that is not ASCII": ({"scopes": [{"value": "é"}]}, "property scopes."),
    "a scope twice": ({"scopes": [{"value": "a"}] * 2}, "property scopes."),
    "openid": ({"scopes": [{"value": "openid"}]}, "property scopes."),
    "a description with a control": (
        {"scopes": [{"value": "a", "description": "\x1b"}]},
        "property scopes.description.",
    ),
    "a negative lifetime": ({"token_lifetime": -1}, "property token_lifetime."),
    "a lifetime of years": ({"token_lifetime": 2_592_001}, "property token_lifetime."),
    "a fraction of a lifetime": ({"token_lifetime": 1.5}, "property token_lifetime."),
    "HS256": ({"signing_alg": "HS256"}, "property signing_alg."),
    "no algorithm": ({"signing_alg": "none"}, "property signing_alg."),
    "types that are texts": (
        {"authorization_details": ["SECRETVALUE"]},
        "property authorization_details[0].",
    ),
    "a type without a name": (
        {"authorization_details": [{}]},
        "property authorization_details[0].type.",
    ),
    "an empty type": (
        {"authorization_details": [{"type": ""}]},
        "property authorization_details[0].type.",
    ),
    "a type of 256": (
        {"authorization_details": [{"type": "a" * 256}]},
        "property authorization_details[0].type.",
    ),
    "a type with a control": (
        {"authorization_details": [{"type": "\x1b"}]},
        "property authorization_details.type.",
    ),
    "a type twice": (
        {"authorization_details": [{"type": "SECRETVALUE"}] * 2},
        "property authorization_details.",
    ),
    "another dialect": ({"token_dialect": "access_token_authz"}, "property token_dialect."),
    "markup in a name": ({"name": "<SECRETVALUE"}, "property name."),
}


@pytest.mark.parametrize(("members", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_bad_body_is_refused_by_the_name_of_its_member(
    told: Told, members: dict[str, object], said: str
) -> None:
    async def story(admin: Administration) -> None:
        answer = await admin.call("POST", "resource-servers", {"identifier": API} | members)
        message = check_refused(answer, 400, "invalid_body")
        assert said in message
        assert "SECRETVALUE" not in message

    told(story)
