"""
What brings a person to a request. Web push from end to end: Nod encrypts, a push service carries,
the page's worker rings. And e-mail: its link, in a browser with a key and in one without.
"""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewBrowser, NewPerson, Person
from tests.support.authenticator import Authenticator, MailServer, PushService, deliver
from tests.support.nod import Nod, OAuthClient, wait_for

pytestmark = pytest.mark.xdist_group("browser")

SHOWN = """async () => {
  const registration = await navigator.serviceWorker.ready;
  const shown = await registration.getNotifications();
  return shown.map(({ title, body, tag }) => ({ title, body, tag }));
}"""


def notifications(page: Authenticator, count: int) -> list[dict[str, str]]:
    """Those that are shown, as soon as they are so many."""
    shown: list[dict[str, str]] = []

    def are_shown() -> bool:
        shown[:] = page.page.evaluate(SHOWN)
        return len(shown) == count

    wait_for(are_shown, f"{count} notifications")
    return shown


def test_a_request_rings_and_says_nothing_of_what_it_asks(
    nod: Nod, bank: OAuthClient, push_service: PushService, new_person: NewPerson
) -> None:
    """The lock screen is anybody's; and what was answered calls nobody any more."""
    person = new_person(service_workers="allow")
    subscription = push_service.bind(person.watched)
    page = person.page
    page.page.reload()
    page.find("nav-accounts").click()
    page.find("notify-on").click()
    expect(page.find("notify")).to_have_attribute("data-state", "on")

    auth_req_id = nod.accepted(bank, person.user_id, binding_message="Pay 10 to Ann")
    [message] = push_service.messages(subscription)
    deliver(page.page, json.dumps(message["payload"]))

    [shown] = notifications(page, 1)
    told = message["payload"]["notification"]
    assert shown == {
        "title": "A request is waiting",
        "body": "Open to see who asks and what for.",
        "tag": told["txlnkid"],
    }
    assert "Pay" not in str(message), "nor does the push"
    assert message["urgency"] == "high"
    assert 0 < int(message["ttl"]) <= 300
    page.find("nav-list").click()
    page.request("Pay 10 to Ann").approve()
    assert nod.poll(bank, auth_req_id).status_code == 200
    notifications(page, 0)

    deliver(page.page, "not what the server sends")
    [rung] = notifications(page, 1)
    assert rung["title"] == "A request is waiting", "it rings all the same"


def test_a_push_opens_no_more_than_the_page_does(nod: Nod, bank: OAuthClient, ann: Person) -> None:
    """A link from a notification leads to the request, one that has gone to the list."""
    nod.accepted(bank, ann.user_id)
    ann.page.card("Pay 10").wait_for()
    consent_id = ann.page.find("card").get_attribute("data-consent")

    tab = ann.new_tab(f"#consent={consent_id}")
    tab.opened().deny()

    tab = ann.new_tab(f"#consent={consent_id}")
    expect(tab.find("not-here")).to_be_visible()
    assert tab.page.url == f"{nod.url}authenticator"


@pytest.fixture
def mailing_bank(nod: Nod) -> OAuthClient:
    return nod.new_client(name="Mailing bank", async_approval_notification_channels=["email"])


def by_mail(nod: Nod, client: OAuthClient, user_id: str) -> str:
    return nod.accepted(client, user_id, requested_expiry="3600")


def allow_mailboxes(nod: Nod, *, allowed: bool) -> None:
    nod.admin("PATCH", "tenants/settings", {"mailbox_approval": allowed}).raise_for_status()


@pytest.fixture
def mailboxes_may_approve(nod: Nod) -> Iterator[None]:
    allow_mailboxes(nod, allowed=True)
    yield
    allow_mailboxes(nod, allowed=False)


def test_the_link_of_a_mail_opens_the_request_for_who_has_a_key(
    nod: Nod, mailing_bank: OAuthClient, mail_server: MailServer, ann: Person
) -> None:
    auth_req_id = by_mail(nod, mailing_bank, ann.user_id)
    link = mail_server.link(ann.email)
    assert "mailbox" not in link

    tab = ann.new_tab(link)
    tab.opened().approve()

    assert tab.page.url == f"{nod.url}authenticator"
    assert nod.poll(mailing_bank, auth_req_id).status_code == 200


@pytest.mark.usefixtures("mailboxes_may_approve")
def test_who_has_a_key_answers_by_it_where_the_mailbox_would_do(
    nod: Nod, mailing_bank: OAuthClient, mail_server: MailServer, new_person: NewPerson
) -> None:
    """The stronger of two ways is the one that is taken."""
    person = new_person()
    auth_req_id = by_mail(nod, mailing_bank, person.user_id)
    link = mail_server.link(person.email)
    assert "mailbox" in link

    request = person.new_tab(link).opened()

    expect(request.find("mailbox-note")).to_have_count(0)
    request.approve()
    assert nod.poll(mailing_bank, auth_req_id).status_code == 200


@pytest.mark.usefixtures("mailboxes_may_approve")
def test_a_mailbox_answers_in_the_one_browser_that_opened_its_link_and_nothing_is_kept(
    nod: Nod, mailing_bank: OAuthClient, mail_server: MailServer, new_browser: NewBrowser
) -> None:
    email = "mailbox@example.com"
    auth_req_id = by_mail(nod, mailing_bank, nod.new_user(email=email, email_verified=True))
    link = mail_server.link(email)
    page = Authenticator(new_browser(), nod).open(link)
    assert page.page.url == f"{nod.url}authenticator"
    expect(page.find("request")).to_have_count(0)
    page.find("mailbox-open").click()
    request = page.opened()
    expect(request.find("message")).to_have_text("Pay 10")
    expect(request.find("mailbox-note")).to_contain_text("Nothing is kept")

    elsewhere = Authenticator(new_browser(), nod).open(link)
    elsewhere.find("mailbox-open").click()
    expect(elsewhere.find("problem")).to_contain_text("does not open the request")

    page.find("back").click()
    page.request("Pay 10").approve()

    expect(page.find("close")).to_be_visible()
    assert page.stored("accounts") == page.stored("answers") == []
    assert nod.poll(mailing_bank, auth_req_id).status_code == 200
    page.page.reload()
    expect(page.find("enroll-view")).to_be_visible()
    again = Authenticator(page.watched, nod).open(link)
    again.find("mailbox-open").click()
    expect(again.find("problem")).to_contain_text("does not open the request")


@pytest.mark.usefixtures("mailboxes_may_approve")
def test_a_mailbox_answers_no_more_when_the_tenant_has_changed_its_mind(
    nod: Nod, mailing_bank: OAuthClient, mail_server: MailServer, new_browser: NewBrowser
) -> None:
    """Nor does a link with another token; either is said, and nothing is decided."""
    email = "late@example.com"
    auth_req_id = by_mail(nod, mailing_bank, nod.new_user(email=email, email_verified=True))
    link = mail_server.link(email)
    page = Authenticator(new_browser(), nod).open(f"{link[:-8]}AAAAAAAA")
    page.find("mailbox-open").click()
    expect(page.find("problem")).to_contain_text("does not open the request")
    page.page.evaluate("hash => { location.hash = hash }", link)
    page.find("mailbox-open").click()
    request = page.opened()

    allow_mailboxes(nod, allowed=False)
    request.press("approve")

    expect(request.find("problem")).to_contain_text("not allowed any more")
    assert nod.poll(mailing_bank, auth_req_id).json()["error"] == "authorization_pending"
    other = Authenticator(page.watched, nod).open(link)
    other.find("mailbox-open").click()
    expect(other.find("problem")).to_contain_text("does not open the request")
