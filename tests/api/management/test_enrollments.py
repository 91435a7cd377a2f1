"""Tickets and enrolments, with a simulated phone at the other end."""

from urllib.parse import parse_qs, quote, urlsplit

import httpx2
import pytest

from consent.identifiers import person_id_of
from scripts.simulated_phone import PhoneError
from tests.support.management import check_refused
from tests.support.nod import Nod


def test_a_ticket_says_what_a_qr_code_must(nod: Nod) -> None:
    user_id = nod.new_user(email="a+b@example.com")
    answer = nod.admin("POST", "guardian/enrollments/ticket", {"user_id": user_id})
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"ticket_id", "ticket_url", "enrollment_uri"}
    assert len(body["ticket_id"]) == 32
    assert body["ticket_url"] == f"{nod.url}mfa/enrollment?ticket={body['ticket_id']}"
    uri = urlsplit(body["enrollment_uri"])
    assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/Nod:a%2Bb%40example.com")
    assert parse_qs(uri.query) == {
        "enrollment_tx_id": [body["ticket_id"]],
        "base_url": [nod.url.rstrip("/")],
    }


def test_two_tickets_of_one_user_are_different(nod: Nod) -> None:
    """T34."""
    user_id = nod.new_user()

    assert nod.new_ticket(user_id) != nod.new_ticket(user_id)


@pytest.mark.parametrize(
    ("body", "status", "error_code"),
    [
        ({"user_id": "auth0|nobody"}, 404, "inexistent_user"),
        ({"user_id": "*"}, 404, "inexistent_user"),
        ({}, 400, "invalid_body"),
        ({"user_id": 1}, 400, "invalid_body"),
        ({"user_id": "a" * 256}, 400, "invalid_body"),
        ({"user_id": "a\nb"}, 400, "invalid_body"),
        ({"user_id": "a", "factor": "sms"}, 400, "invalid_body"),
        ({"user_id": "a", "send_mail": "yes"}, 400, "invalid_body"),
    ],
)
def test_a_bad_ticket_request_is_refused(
    nod: Nod, body: object, status: int, error_code: str
) -> None:
    check_refused(nod.admin("POST", "guardian/enrollments/ticket", body), status, error_code)


def test_mail_is_refused_and_not_forgotten(nod: Nod) -> None:
    body = {"user_id": nod.new_user(), "send_mail": True, "email": "a@example.com"}
    answer = nod.admin("POST", "guardian/enrollments/ticket", body)

    assert "mail is not supported" in check_refused(answer, 400, "invalid_body")


def test_an_enrolled_phone_is_listed_read_and_deleted(nod: Nod) -> None:
    user_id = nod.new_user()
    listed = f"users/{quote(user_id, safe='')}/enrollments"
    assert nod.admin("GET", listed).json() == []
    phone = nod.new_phone(user_id)
    assert phone.account is not None
    device_id = phone.account.id

    [enrollment] = nod.admin("GET", listed).json()

    assert enrollment["id"] == device_id
    assert enrollment["status"] == "confirmed"
    assert enrollment["auth_method"] == "guardian"
    assert enrollment["push_reachable"] is True
    assert enrollment["enrolled_at"].endswith("Z")
    assert set(enrollment) == {
        "id",
        "status",
        "type",
        "name",
        "identifier",
        "auth_method",
        "enrolled_at",
        "push_reachable",
    }
    path = f"guardian/enrollments/{device_id}"
    assert nod.admin("GET", path).json() == enrollment
    assert nod.admin("DELETE", path).status_code == 204
    assert nod.admin("GET", listed).json() == []
    for method in ("GET", "DELETE"):
        message = check_refused(nod.admin(method, path), 404, "enrollment_not_found")
        assert message == "Enrollment not found"
    with pytest.raises(PhoneError):
        phone.pending()


def test_all_enrolments_of_a_user_are_deleted_and_nobody_elses(nod: Nod) -> None:
    user_id, other = nod.new_user(), nod.new_user()
    nod.new_phone(user_id)
    nod.new_phone(user_id)
    nod.new_phone(other)

    for _ in range(2):
        path = f"users/{quote(user_id, safe='')}/authenticators"
        assert nod.admin("DELETE", path).status_code == 204

    assert enrollments(nod, user_id).json() == []
    assert len(enrollments(nod, other).json()) == 1


def test_the_enrolments_of_nobody_are_not_found(nod: Nod) -> None:
    check_refused(enrollments(nod, "auth0|nobody"), 404, "inexistent_user")


@pytest.mark.parametrize(
    "device_id",
    [
        "x",
        "*",
        "dev_",
        "dev_000%0A",
        "a%00b",
        "%FF",
        "dev_" + "0" * 36 + "%7D",
        f"dev_{person_id_of('auth0|nobody', 16)}{'x' * 11}",
    ],
)
def test_an_id_that_is_not_one_finds_no_enrolment(nod: Nod, device_id: str) -> None:
    """T28."""
    for method in ("GET", "DELETE"):
        answer = nod.admin(method, f"guardian/enrollments/{device_id}")
        check_refused(answer, 404, "enrollment_not_found")


def enrollments(nod: Nod, user_id: str) -> httpx2.Response:
    return nod.admin("GET", f"users/{quote(user_id, safe='')}/enrollments")
