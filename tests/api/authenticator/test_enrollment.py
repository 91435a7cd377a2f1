"""Where a ticket's URL leads, and when its page hears that it was used."""

import html
import re

import httpx2
import pytest

from tests.support.management import ISSUER, Administration, tell
from tests.support.nod import Nod
from tests.support.redis_server import RedisServer

ENROLMENT = {
    "identifier": "2C56F0B4",
    "name": "Aiko's phone",
    "push_credentials": {"service": "GCM", "token": "t"},
    "public_key": {  # RFC 7517 A.1
        "kty": "EC",
        "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    },
}
NO_TICKETS = ["", "x", "0" * 32, "*" * 32, "<script>", "%C3%A9", "000" + "a" * 29 + "%0A"]


async def new_ticket(admin: Administration, email: str = "aiko@example.com") -> dict[str, str]:
    user = await admin.created("users", {"email": email, "connection": "users"})
    body = {"user_id": user["user_id"]}
    answer = await admin.call("POST", "guardian/enrollments/ticket", body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()) | body


def test_the_page_has_the_link_of_this_device_and_that_of_an_app(redis_server: RedisServer) -> None:
    async def story(admin: Administration) -> None:
        ticket = await new_ticket(admin, "\"'&@example.com")

        answer = await admin.http.get(ticket["ticket_url"])

        assert answer.status_code == 200
        links = [html.unescape(link) for link in re.findall(r'<a [^>]*href="([^"]*)"', answer.text)]
        link = f"{ISSUER}authenticator#ticket={ticket['ticket_id']}"
        assert links == [link, ticket["enrollment_uri"]]
        assert answer.text.count("<svg") == 2
        assert "<bdi>&quot;&#x27;&amp;@example.com</bdi>" in answer.text
        assert "<bdi>Bank &amp; Co</bdi>" in answer.text
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert not re.search(r"<script(?! type=\"module\" src=)|style=|onclick", answer.text)

    tell(redis_server.database(7), story)


def test_the_page_speaks_the_language_of_its_reader(redis_server: RedisServer) -> None:
    async def story(admin: Administration) -> None:
        url = (await new_ticket(admin))["ticket_url"]
        for language, title in (("ja", "認証デバイスの追加"), ("fr", "Add an authenticator")):
            answer = await admin.http.get(url, headers={"Accept-Language": language})

            assert f"<h1>{title}</h1>" in answer.text
            assert answer.headers["vary"] == "accept-language"
            spoken = "ja" if language == "ja" else "en"
            assert f'<html lang="{spoken}">' in answer.text

    tell(redis_server.database(7), story)


@pytest.mark.parametrize("ticket", NO_TICKETS)
def test_a_ticket_that_is_not_one_is_explained(nod: Nod, ticket: str) -> None:
    answer = httpx2.get(f"{nod.url}mfa/enrollment?ticket={ticket}")

    assert answer.status_code in {400, 404}
    assert "script" not in answer.text


async def status_of(admin: Administration, ticket: str) -> httpx2.Response:
    headers = {"Authorization": f'Ticket id="{ticket}"'}
    return await admin.http.get("mfa/enrollment/status", headers=headers)


def test_the_status_says_when_the_ticket_was_used_and_when_its_person_is_gone(
    redis_server: RedisServer,
) -> None:
    async def story(admin: Administration) -> None:
        ticket = await new_ticket(admin)
        ticket_id = ticket["ticket_id"]
        assert (await status_of(admin, ticket_id)).json() == {"status": "open"}

        enrolled = await admin.http.post(
            "appliance-mfa/api/enroll",
            json=ENROLMENT,
            headers={"Authorization": f'Ticket id="{ticket_id}"'},
        )
        assert enrolled.status_code == 201, enrolled.text

        answer = await status_of(admin, ticket_id)
        assert answer.json() == {"status": "used"}
        assert answer.headers["cache-control"] == "no-store"
        page = await admin.http.get(ticket["ticket_url"])
        assert "Done" in page.text
        assert ticket_id not in page.text

        await admin.call("DELETE", f"users/{ticket['user_id'].replace('|', '%7C')}")
        assert (await status_of(admin, ticket_id)).json() == {"status": "gone"}
        assert (await admin.http.get(ticket["ticket_url"])).status_code == 404

    tell(redis_server.database(7), story)


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        (None, 401, "invalid_token"),
        ("Bearer x", 401, "invalid_token"),
        ('Ticket id="x"', 404, "enrollment_transaction_not_found"),
        ('Ticket id="\xe9"', 401, "invalid_token"),
        ('Ticket id="' + "a" * 9_000 + '"', 401, "invalid_token"),
    ],
)
def test_a_status_is_of_a_ticket(
    redis_server: RedisServer, authorization: str | None, status: int, code: str
) -> None:
    async def story(admin: Administration) -> None:
        sent = None if authorization is None else authorization.encode("latin-1")
        headers = [] if sent is None else [(b"authorization", sent)]
        answer = await admin.http.get("mfa/enrollment/status", headers=headers)

        assert (answer.status_code, answer.json()["errorCode"]) == (status, code)

    tell(redis_server.database(7), story)
