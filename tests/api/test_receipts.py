"""POST /oauth/receipt: whose, of what, and in which words there is none."""

import secrets
from typing import Any

import msgspec
import pytest

from consent.client import Client
from consent.identifiers import consent_id_of, new_auth_req_id
from consent.lifecycle import Event
from consent.receipt import Approval
from consent.store.consents import PLAIN, Answer, Terms
from consent.store.keys import Partition
from tests.support import receipt_verifier
from tests.support.domain import a_phone, a_request
from tests.support.provider import ISSUER, SECRET, Provider, check_refused, claims_of, tell
from tests.support.redis_server import RedisServer
from tests.support.store import THUMBPRINT, Person

PATH = "oauth/receipt"


async def asked(nod: Provider, client: Client, person: Person, terms: Terms = PLAIN) -> str:
    """A request that nobody has answered: its auth_req_id."""
    auth_req_id = new_auth_req_id(person.person_id)
    request = a_request(client_id=client.client_id, user_id=person.user_id, acr="urn:x")
    refused = await nod.services.consents.accept(
        consent_id=consent_id_of(auth_req_id),
        client_id=client.client_id,
        person_id=person.person_id,
        request=msgspec.json.encode(request),
        life_seconds=60,
        terms=terms,
    )
    assert refused is None
    return auth_req_id


async def answered(person: Person, auth_req_id: str, answer: Answer) -> None:
    outcome = await person.store.consents.answer(
        consent_id=consent_id_of(auth_req_id),
        person_id=person.person_id,
        device_id=person.devices[0],
        thumbprint=THUMBPRINT,
        answer=answer,
    )
    assert outcome in {"answered", "call"}


def an_approval(response: str = "a.b.c") -> Answer:
    approval = Approval("dev_1", a_phone("ec").public_jwk(), response)
    return Answer(Event.APPROVE, b"{}", msgspec.json.encode(approval))


async def over(nod: Provider, auth_req_id: str) -> None:
    consent_id = consent_id_of(auth_req_id)
    key = Partition.of(consent_id).consent(consent_id)
    await nod.services.store.redis.execute("HSET", key, "expires_at", 1)


MODES: list[dict[str, Any]] = [
    {"backchannel_token_delivery_mode": mode} for mode in ("poll", "ping", "push")
]


@pytest.mark.parametrize("registered", MODES, ids=lambda it: it["backchannel_token_delivery_mode"])
def test_a_client_gets_the_receipt_of_an_approval_whatever_its_mode(
    redis_server: RedisServer, registered: dict[str, Any]
) -> None:
    async def story(nod: Provider) -> None:
        client, person = await nod.client(**registered), await nod.person()
        mode = registered["backchannel_token_delivery_mode"]
        auth_req_id = await asked(nod, client, person, Terms(mode=mode, callback=b"sealed"))
        await answered(person, auth_req_id, an_approval())

        answer = await nod.post(PATH, client, auth_req_id=auth_req_id)

        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json().keys() == {"receipt"}
        claims = claims_of(answer.json()["receipt"])
        consent_id = consent_id_of(auth_req_id)
        assert (claims["iss"], claims["aud"]) == (ISSUER, client.client_id)
        assert (claims["sub"], claims["txn"]) == (person.user_id, consent_id)
        assert (claims["consent"]["id"], claims["acr"]) == (consent_id, "urn:x")
        assert claims["consent_digest"] == receipt_verifier.digest(claims["consent"])
        assert claims["device"] == {"id": "dev_1", "jwk": a_phone("ec").public_jwk()}
        assert claims["device_signature"] == "a.b.c"

    tell(redis_server.url, story)


def test_asked_again_it_is_the_same_and_the_tokens_are_still_there(
    redis_server: RedisServer,
) -> None:
    """In either form, as often as is wanted: a receipt is no poll."""

    async def story(nod: Provider) -> None:
        client, person = await nod.client(), await nod.person()
        auth_req_id = await asked(nod, client, person)
        await answered(person, auth_req_id, an_approval())
        body = {
            "auth_req_id": auth_req_id,
            "client_id": client.client_id,
            "client_secret": SECRET,
        }

        first = (await nod.post(PATH, client, auth_req_id=auth_req_id)).json()
        again = [(await nod.http.post(PATH, json=body)).json() for _ in range(3)]
        poll = {"grant_type": "urn:openid:params:grant-type:ciba", "auth_req_id": auth_req_id}
        tokens = await nod.post("oauth/token", client, **poll)

        assert again == [first] * 3
        assert tokens.status_code == 200, tokens.text
        assert (await nod.post(PATH, client, auth_req_id=auth_req_id)).json() == first
        await over(nod, auth_req_id)
        assert (await nod.post(PATH, client, auth_req_id=auth_req_id)).status_code == 200

    tell(redis_server.url, story)


def test_what_is_not_approved_is_refused_in_the_words_of_the_token_endpoint(
    redis_server: RedisServer,
) -> None:
    async def story(nod: Provider) -> None:
        client, person = await nod.client(), await nod.person()
        requests = [await asked(nod, client, person) for _ in range(4)]
        pending, denied, late, cancelled = requests
        await answered(person, denied, Answer(Event.DENY, b"{}"))
        await over(nod, late)
        records = nod.services.consent_records
        assert await records.cancel(consent_id_of(cancelled), event=b"{}") == "cancelled"

        async def refused(auth_req_id: str, error: str) -> str:
            return check_refused(await nod.post(PATH, client, auth_req_id=auth_req_id), 400, error)

        for _ in range(3):  # nobody is told to slow down
            assert "pending" in await refused(pending, "authorization_pending")
        assert "denied" in await refused(denied, "access_denied")
        assert "cancelled" in await refused(cancelled, "access_denied")
        assert "expired" in await refused(late, "expired_token")
        unsigned = await asked(nod, client, person)
        await answered(person, unsigned, Answer(Event.APPROVE, b"{}"))
        assert "No device signed" in await refused(unsigned, "invalid_grant")
        for unknown in (new_auth_req_id(person.person_id), "x", "é", "0" * 5_000):
            assert "unknown" in await refused(unknown, "invalid_grant")

    tell(redis_server.url, story)


def test_a_client_of_the_auth0_profile_hears_its_words(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        client, person = await nod.client(profile="auth0"), await nod.person()
        auth_req_id = await asked(nod, client, person)
        await over(nod, auth_req_id)

        check_refused(await nod.post(PATH, client, auth_req_id=auth_req_id), 400, "access_denied")

    tell(redis_server.url, story)


def test_only_the_client_that_asked_and_proves_who_it_is_gets_one(
    redis_server: RedisServer,
) -> None:
    async def story(nod: Provider) -> None:
        client, other, person = await nod.client(), await nod.client(), await nod.person()
        auth_req_id = await asked(nod, client, person)
        await answered(person, auth_req_id, an_approval())

        description = check_refused(
            await nod.post(PATH, other, auth_req_id=auth_req_id), 400, "invalid_grant"
        )
        assert auth_req_id not in description
        wrong = {"client_id": client.client_id, "client_secret": secrets.token_urlsafe()}
        for form in (wrong, {"client_id": client.client_id}, {"client_id": "nobody"}):
            answer = await nod.http.post(PATH, data=form | {"auth_req_id": auth_req_id})
            check_refused(answer, 401, "invalid_client")
        public = await nod.client(token_endpoint_auth_method="none", grant_types=["refresh_token"])
        answer = await nod.post(PATH, public, auth_req_id=auth_req_id)
        check_refused(answer, 401, "invalid_client")
        check_refused(await nod.post(PATH, client), 400, "invalid_request")

    tell(redis_server.url, story)
