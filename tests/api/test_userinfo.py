"""/userinfo: whose token opens it, how it must be presented, and what it releases."""

import time
import uuid
from collections.abc import Callable

import httpx2
import pytest

from api.userinfo import interaction_id
from tests.support.client_certificates import Issued, self_signed
from tests.support.provider import API, ProofKey, Provider, check_refused, tell
from tests.support.redis_server import RedisServer

INTERACTION = "x-fapi-interaction-id"
PROFILE = {
    "name": "Aiko",
    "email": "aiko@example.com",
    "email_verified": True,
    "phone_number": "+81312345678",
}


async def call(
    nod: Provider, authorization: str | None, method: str = "GET", **headers: str
) -> httpx2.Response:
    if authorization is not None:
        headers["authorization"] = authorization
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return await nod.http.request(method, "userinfo", headers=headers)


async def bearer(nod: Provider, token: str, method: str = "GET", **headers: str) -> httpx2.Response:
    return await call(nod, f"Bearer {token}", method, **headers)


def check_challenged(answer: httpx2.Response, error: str, scheme: str, status: int = 401) -> None:
    """RFC 6750 3, RFC 9449 7.1."""
    check_refused(answer, status, error)
    (challenge,) = answer.headers.get_list("www-authenticate")
    assert challenge.startswith(f'{scheme} error="{error}"')
    assert ('algs="' in challenge) == (scheme == "DPoP")
    assert uuid.UUID(answer.headers[INTERACTION])


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("scope", "released"),
    [
        ("openid", {}),
        ("openid email", {"email": "aiko@example.com", "email_verified": True}),
        ("openid profile phone", {"name": "Aiko", "phone_number": "+81312345678"}),
    ],
)
def test_it_releases_what_the_scopes_do(
    redis_server: RedisServer, method: str, scope: str, released: dict[str, object]
) -> None:
    """OpenID Connect Core 5.3, 5.4: and nothing of the record besides."""

    async def story(nod: Provider) -> None:
        person = await nod.person(**PROFILE, app_metadata={"secret": "canary"})
        token_set = await nod.tokens(await nod.client(), person, scope=scope.split())

        answer = await bearer(nod, token_set["access_token"], method)

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json() == released | {"sub": person.user_id}

    tell(redis_server.url, story)


def test_the_claims_are_those_of_now(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        person = await nod.person(email="old@example.com")
        token = (await nod.tokens(await nod.client(), person))["access_token"]
        people = nod.services.people
        read = await people.read(person.person_id)
        assert read is not None
        await people.change(
            person.person_id, read=read, user=read.replace(b"old@", b"new@"), hints=()
        )

        assert (await bearer(nod, token)).json()["email"] == "new@example.com"

    tell(redis_server.url, story)


@pytest.mark.parametrize("authorization", [None, "", "Basic YTpi", "Bearer", "Bearer ", "DPoP"])
def test_without_a_token_both_schemes_are_named_and_no_error(
    redis_server: RedisServer, authorization: str | None
) -> None:
    """RFC 6750 3.1."""

    async def story(nod: Provider) -> None:
        answer = await call(nod, authorization)

        check_refused(answer, 401, "invalid_token")
        bearer_challenge, dpop_challenge = answer.headers.get_list("www-authenticate")
        assert bearer_challenge == "Bearer"
        assert dpop_challenge.startswith('DPoP algs="ES256 ')

    tell(redis_server.url, story)


def test_a_token_is_taken_from_the_header_alone(redis_server: RedisServer) -> None:
    """B023: not from the query, where it would be logged, and not from a form."""

    async def story(nod: Provider) -> None:
        token = (await nod.tokens(await nod.client(), await nod.person()))["access_token"]

        for answer in (
            await nod.http.get("userinfo", params={"access_token": token}),
            await nod.http.post("userinfo", data={"access_token": token}),
        ):
            check_refused(answer, 401, "invalid_token")

    tell(redis_server.url, story)


def test_any_other_text_opens_nothing(redis_server: RedisServer) -> None:
    """D006, T15: not another kind of token, and not a client's own, which is about nobody."""

    async def story(nod: Provider) -> None:
        client = await nod.client()
        token_set = await nod.tokens(client, await nod.person())
        access_token = token_set["access_token"]
        for text in (
            "x",
            "a.b.c",
            "\u00e9.\u00e9.\u00e9".encode().decode("latin-1"),
            "x" * 9_000,
            access_token[:-3] + "AAA",
            f"{access_token} {access_token}",
            token_set["id_token"],
            token_set["refresh_token"],
            await nod.own_token(client, "openid"),
        ):
            headers = [(b"authorization", b"Bearer " + text.encode("latin-1"))]
            answer = await nod.http.get("userinfo", headers=headers)
            check_challenged(answer, "invalid_token", "Bearer")
        nod.late_seconds = 601
        check_challenged(await bearer(nod, access_token), "invalid_token", "Bearer")

    tell(redis_server.url, story)


def test_without_the_openid_scope_there_is_a_403(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        scope = ["email", "openid2"]
        token_set = await nod.tokens(await nod.client(), await nod.person(), scope=scope)

        answer = await bearer(nod, token_set["access_token"])

        check_challenged(answer, "insufficient_scope", "Bearer", 403)
        assert answer.headers["www-authenticate"].endswith('scope="openid"')

    tell(redis_server.url, story)


def test_a_token_outlives_client_person_and_approval_on_paper_only(
    redis_server: RedisServer,
) -> None:
    """T39, B023: whichever of them ends between the token and its use."""

    async def story(nod: Provider) -> None:
        for ends in ("client", "blocked", "gone", "access_token", "refresh_token"):
            client, person = await nod.client(), await nod.person()
            token_set = await nod.tokens(client, person)
            token = token_set["access_token"]
            assert (await bearer(nod, token)).status_code == 200
            match ends:
                case "client":
                    await nod.remove(client)
                case "blocked":
                    await nod.block(person)
                case "gone":
                    await nod.services.people.remove(person.person_id)
                case _:
                    await nod.post("oauth/revoke", client, token=token_set[ends])

            check_challenged(await bearer(nod, token), "invalid_token", "Bearer")

    tell(redis_server.url, story)


async def bound_token(nod: Provider, key: ProofKey) -> str:
    proof = {"DPoP": key.proof("POST", "oauth/token")}
    token_set = await nod.tokens(await nod.client(), await nod.person(), headers=proof)
    assert token_set["token_type"] == "DPoP"
    return str(token_set["access_token"])


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_bound_token_is_its_senders(redis_server: RedisServer, method: str) -> None:
    """D055, RFC 9449 7.1."""

    async def story(nod: Provider) -> None:
        key = ProofKey()
        token = await bound_token(nod, key)

        answer = await call(nod, f"dpop {token}", method, dpop=key.proof(method, "userinfo", token))

        assert answer.status_code == 200, answer.text

    tell(redis_server.url, story)


def test_a_bound_token_sent_as_a_bearers_opens_nothing(redis_server: RedisServer) -> None:
    """D055: even beside a good proof; nor is a bearer's token good as a bound one."""

    async def story(nod: Provider) -> None:
        key = ProofKey()
        bound = await bound_token(nod, key)
        unbound = (await nod.tokens(await nod.client(), await nod.person()))["access_token"]

        as_bearer = await bearer(nod, bound, dpop=key.proof("GET", "userinfo", bound))
        check_challenged(as_bearer, "invalid_token", "Bearer")
        as_bound = await call(nod, f"DPoP {unbound}", dpop=key.proof("GET", "userinfo", unbound))
        check_challenged(as_bound, "invalid_token", "DPoP")

    tell(redis_server.url, story)


def test_another_keys_proof_opens_nothing(redis_server: RedisServer) -> None:
    async def story(nod: Provider) -> None:
        token = await bound_token(nod, ProofKey())

        answer = await call(nod, f"DPoP {token}", dpop=ProofKey().proof("GET", "userinfo", token))

        check_challenged(answer, "invalid_token", "DPoP")

    tell(redis_server.url, story)


BAD_PROOFS: dict[str, Callable[[ProofKey, str], str]] = {
    "none": lambda key, token: "",  # noqa: ARG005
    "no JWT": lambda key, token: "x.y.z",  # noqa: ARG005
    "of another method": lambda key, token: key.proof("POST", "userinfo", token),
    "of another path": lambda key, token: key.proof("GET", "oauth/token", token),
    "of no token": lambda key, token: key.proof("GET", "userinfo"),  # noqa: ARG005
    "of another token": lambda key, token: key.proof("GET", "userinfo", token + "x"),
    "too old": lambda key, token: key.proof("GET", "userinfo", token, iat=int(time.time()) - 999),
}


@pytest.mark.parametrize("bad", BAD_PROOFS.values(), ids=BAD_PROOFS)
def test_a_bad_proof_is_a_401_of_its_own(
    redis_server: RedisServer, bad: Callable[[ProofKey, str], str]
) -> None:
    """RFC 9449 7.1: a resource challenges, where the token endpoint answers 400."""

    async def story(nod: Provider) -> None:
        key = ProofKey()
        token = await bound_token(nod, key)

        answer = await call(nod, f"DPoP {token}", dpop=bad(key, token))

        check_challenged(answer, "invalid_dpop_proof", "DPoP")

    tell(redis_server.url, story)


def test_a_proof_counts_once(redis_server: RedisServer) -> None:
    """D051."""

    async def story(nod: Provider) -> None:
        key = ProofKey()
        token = await bound_token(nod, key)
        proof = key.proof("GET", "userinfo", token)

        assert (await call(nod, f"DPoP {token}", dpop=proof)).status_code == 200
        check_challenged(await call(nod, f"DPoP {token}", dpop=proof), "invalid_dpop_proof", "DPoP")

    tell(redis_server.url, story)


def test_where_nonces_are_required_one_is_given_with_the_refusal(
    redis_server: RedisServer,
) -> None:
    """D056, RFC 9449 9."""

    async def story(nod: Provider) -> None:
        key = ProofKey()
        nonce = nod.services.nonces.current(nod.now())
        proof = {"DPoP": key.proof("POST", "oauth/token", nonce=nonce)}
        token_set = await nod.tokens(await nod.client(), await nod.person(), headers=proof)
        token = token_set["access_token"]

        asked = await call(nod, f"DPoP {token}", dpop=key.proof("GET", "userinfo", token))
        check_challenged(asked, "use_dpop_nonce", "DPoP")
        nonce = asked.headers["dpop-nonce"]
        answer = await call(
            nod, f"DPoP {token}", dpop=key.proof("GET", "userinfo", token, nonce=nonce)
        )
        assert answer.status_code == 200

    tell(redis_server.url, story, dpop_nonce_required="1")


def test_a_certificate_bound_token_needs_its_certificate(redis_server: RedisServer) -> None:
    """D062: another certificate, none, or one that cannot be read opens nothing."""

    def shown(issued: Issued) -> dict[str, str]:
        return {"client_cert": issued.client_cert}

    async def story(nod: Provider) -> None:
        own, other = self_signed("bank", at=time.time()), self_signed("bank", at=time.time())
        client = await nod.client(tls_client_certificate_bound_access_tokens=True)
        headers = {"Client-Cert": own.client_cert}
        token_set = await nod.tokens(client, await nod.person(), headers=headers)
        token = token_set["access_token"]

        assert (await bearer(nod, token, **shown(own))).status_code == 200
        check_challenged(await bearer(nod, token, **shown(other)), "invalid_token", "Bearer")
        check_challenged(await bearer(nod, token), "invalid_token", "Bearer")
        check_challenged(await bearer(nod, token, client_cert="x"), "invalid_token", "Bearer")

    tell(redis_server.url, story)


def test_an_interaction_is_named_by_the_client_or_by_us(redis_server: RedisServer) -> None:
    """B023: on every answer, and other headers of FAPI do no harm."""

    async def story(nod: Provider) -> None:
        token = (await nod.tokens(await nod.client(), await nod.person()))["access_token"]
        named = {
            "x_fapi_interaction_id": "c770aef3-6784-41f7-8e0e-ff5f97bddb3a",
            "x_fapi_customer_ip_address": "2001:db8::1893:25c8:1946",
            "x_fapi_auth_date": "Tue, 11 Sep 2012 19:43:31 GMT",
        }

        for authorization in (f"Bearer {token}", "Bearer x", None):
            echoed = await call(nod, authorization, **named)
            assert echoed.headers.get_list(INTERACTION) == [named["x_fapi_interaction_id"]]
            made = await call(nod, authorization)
            assert uuid.UUID(made.headers[INTERACTION])
        assert (await bearer(nod, token)).status_code == 200

    tell(redis_server.url, story)


@pytest.mark.parametrize("sent", [None, "", "a b", 'a"b', "x" * 129, "\u00e9"])
def test_what_could_do_harm_in_a_header_is_not_echoed(sent: str | None) -> None:
    assert uuid.UUID(interaction_id(sent))


def test_a_token_for_an_api_does_not_open_it(redis_server: RedisServer) -> None:
    """D005, T15: it would let whoever runs that API look further."""

    async def story(nod: Provider) -> None:
        token_set = await nod.tokens(await nod.client(), await nod.person(), audience=API)

        answer = await bearer(nod, token_set["access_token"])

        check_challenged(answer, "invalid_token", "Bearer")

    tell(redis_server.url, story)
