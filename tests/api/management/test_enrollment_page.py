"""Where a ticket's URL leads."""

import html
import re

import httpx2
import pytest

from tests.support.nod import Nod


def test_the_page_of_a_ticket_has_its_code_and_its_link(nod: Nod) -> None:
    user_id = nod.new_user(email="\"'&@example.com")
    ticket = nod.admin("POST", "guardian/enrollments/ticket", {"user_id": user_id}).json()

    answer = httpx2.get(ticket["ticket_url"])

    assert answer.status_code == 200
    [link] = re.findall(r'href="([^"]*)"', answer.text)
    assert html.unescape(link) == ticket["enrollment_uri"]
    assert "<svg" in answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "ticket", ["", "x", "0" * 32, "*" * 32, "<script>", "%C3%A9", "000" + "a" * 29 + "%0A"]
)
def test_a_ticket_that_is_not_one_is_explained(nod: Nod, ticket: str) -> None:
    answer = httpx2.get(f"{nod.url}mfa/enrollment?ticket={ticket}")

    assert answer.status_code in {400, 404}
    assert "script" not in answer.text
