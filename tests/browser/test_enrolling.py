"""A browser becomes an authenticator, is called something, and is one no more."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewBrowser, NewPerson
from tests.support.authenticator import Authenticator
from tests.support.chromium import visited
from tests.support.nod import Nod, OAuthClient

pytestmark = pytest.mark.xdist_group("browser")

TABS_MAX = 40


def devices(nod: Nod, user_id: str) -> list[str]:
    """Their names, as an administrator sees them."""
    answer = nod.admin("GET", f"users/{user_id}/enrollments")
    assert answer.status_code == 200, answer.text
    return [device["name"] for device in answer.json()]


def test_a_link_makes_a_browser_an_authenticator(nod: Nod, new_browser: NewBrowser) -> None:
    """Its key cannot leave it, and the ticket is in no address from then on."""
    user_id = nod.new_user()
    ticket = nod.new_ticket(user_id)
    watched = new_browser()
    page = Authenticator(watched, nod).open(f"#ticket={ticket}")

    expect(page.find("device-name")).to_have_value("Chrome on Linux")
    page.confirm_enrollment("Laptop")

    assert devices(nod, user_id) == ["Laptop"]
    [account] = page.stored("accounts")
    assert account["privateKey"] == {"extractable": False}
    assert ticket in watched.secrets
    assert page.page.url == f"{nod.url}authenticator"


def test_the_page_of_a_ticket_leads_there_and_says_when_it_worked(
    nod: Nod, new_browser: NewBrowser
) -> None:
    """The computer shows the code; a phone's browser follows it."""
    user_id = nod.new_user()
    ticket = nod.admin("POST", "guardian/enrollments/ticket", {"user_id": user_id}).json()
    computer, phone = new_browser(), new_browser()
    shown = computer.new_page()
    shown.goto(ticket["ticket_url"])
    expect(shown.get_by_test_id("code")).to_be_visible()
    link = shown.get_by_test_id("use-this-browser").get_attribute("href")
    assert link == f"{nod.url}authenticator#ticket={ticket['ticket_id']}"

    page = Authenticator(phone, nod)
    page.page.goto(link)
    page.confirm_enrollment()

    expect(shown.locator("#status")).to_contain_text("Done")
    expect(shown.get_by_test_id("use-this-browser")).to_be_hidden()
    assert "ticket" not in shown.url
    assert len(devices(nod, user_id)) == 1


def test_who_stays_on_the_device_leaves_no_ticket_behind(nod: Nod, new_browser: NewBrowser) -> None:
    """The page of a ticket has it in its address, and is nowhere in the tab's history."""
    ticket = nod.admin("POST", "guardian/enrollments/ticket", {"user_id": nod.new_user()}).json()
    page = Authenticator(new_browser(), nod)
    page.page.goto(ticket["ticket_url"])

    page.find("use-this-browser").click()
    page.confirm_enrollment()

    assert [url for url in visited(page.page) if "mfa" in url] == []


def test_a_pasted_link_is_as_good_and_a_used_one_is_explained(
    nod: Nod, new_browser: NewBrowser
) -> None:
    user_id = nod.new_user()
    ticket = nod.new_ticket(user_id)
    page = Authenticator(new_browser(), nod).open()
    for wrong in ("https://nod.evil.example/authenticator#ticket=abc", "not a link"):
        page.find("link").fill(wrong)
        page.find("enroll").click()
        expect(page.find("problem")).not_to_be_empty()
    page.find("link").fill(f"{nod.url}authenticator#ticket={ticket}")
    page.find("enroll").click()
    expect(page.find("enrolled")).to_be_visible()

    page.page.evaluate("hash => { location.hash = hash }", f"ticket={ticket}")
    page.find("enroll").click()

    expect(page.find("problem")).to_contain_text("used already")
    assert len(devices(nod, user_id)) == 1


def test_a_browser_that_can_keep_no_key_uses_no_link_up(nod: Nod, new_browser: NewBrowser) -> None:
    """Some private windows keep everything else."""
    user_id = nod.new_user()
    watched = new_browser()
    watched.context.add_init_script(
        """const put = IDBObjectStore.prototype.put;
        IDBObjectStore.prototype.put = function (value, ...key) {
          if (value.privateKey) throw new DOMException("no keys here", "DataCloneError");
          return put.call(this, value, ...key);
        };"""
    )
    page = Authenticator(watched, nod).open(f"#ticket={nod.new_ticket(user_id)}")

    page.find("enroll").click()

    expect(page.find("problem")).to_contain_text("keeps nothing for this page")
    assert devices(nod, user_id) == []


def test_a_mail_opened_in_a_strange_browser_says_where_it_can_be_answered(
    nod: Nod, new_browser: NewBrowser
) -> None:
    page = Authenticator(new_browser(), nod).open("#consent=000of-another-device")

    expect(page.find("not-here")).to_contain_text("a device that you have added")
    expect(page.find("link")).to_be_visible()


def test_a_device_is_renamed(nod: Nod, new_person: NewPerson) -> None:
    person = new_person()
    person.page.find("nav-accounts").click()

    person.page.find("device-name").fill("Kitchen tablet")
    person.page.find("rename").click()

    expect(person.page.find("announcement")).to_have_text("The name was saved.")
    assert devices(nod, person.user_id) == ["Kitchen tablet"]
    person.page.page.reload()
    person.page.find("nav-accounts").click()
    expect(person.page.find("device-name")).to_have_value("Kitchen tablet")


def test_a_removed_device_leaves_the_server_and_its_key_is_destroyed(
    nod: Nod, bank: OAuthClient, new_person: NewPerson
) -> None:
    person = new_person()
    other_tab = person.new_tab()
    person.page.look().find("nav-accounts").click()
    person.page.find("remove").click()
    person.page.find("confirm-remove-no").click()
    assert len(devices(nod, person.user_id)) == 1

    person.page.find("remove").click()
    person.page.find("confirm-remove-yes").click()

    expect(person.page.find("enroll-view")).to_be_visible()
    assert devices(nod, person.user_id) == []
    assert person.page.stored("accounts") == []
    expect(other_tab.find("enroll-view")).to_be_visible()
    assert person.page.stored("accounts") == [], "the other tab has not put it back"
    assert nod.start_request(bank, person.user_id).status_code == 400


def test_a_device_that_an_administrator_removed_says_so(nod: Nod, new_person: NewPerson) -> None:
    person = new_person()
    [device] = nod.admin("GET", f"users/{person.user_id}/enrollments").json()

    assert nod.admin("DELETE", f"guardian/enrollments/{device['id']}").status_code == 204

    expect(person.page.find("gone-note")).to_be_visible()
    person.page.find("nav-accounts").click()
    expect(person.page.find("account-gone")).to_be_visible()
    person.page.find("remove").click()
    person.page.find("confirm-remove-yes").click()
    expect(person.page.find("enroll-view")).to_be_visible()
    assert person.page.stored("accounts") == []


def tab_to(page: Page, test: str) -> None:
    """As who has no mouse: Tab until it has the focus, and the focus can be seen."""
    for _ in range(TABS_MAX):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.test") == test:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"the focus on {test} cannot be seen"
            return
    raise AssertionError(f"{test} cannot be reached by keyboard")


def test_everything_can_be_done_by_keyboard(
    nod: Nod, bank: OAuthClient, new_browser: NewBrowser
) -> None:
    user_id = nod.new_user()
    page = Authenticator(new_browser(), nod).open(f"#ticket={nod.new_ticket(user_id)}")
    press = page.page.keyboard.press
    expect(page.find("link-ready")).to_be_visible()

    tab_to(page.page, "device-name")
    press("Enter")
    expect(page.find("enrolled")).to_be_focused()
    tab_to(page.page, "done")
    press("Enter")

    approved = nod.accepted(bank, user_id)
    page.card("Pay 10").wait_for()
    tab_to(page.page, "card")
    press("Enter")
    expect(page.find("client")).to_be_focused()
    press("Escape")
    expect(page.find("card")).to_be_focused()
    press("Enter")
    request = page.opened()
    tab_to(page.page, "approve")
    request.settle()
    press("Enter")
    request.ends("approved")
    expect(request.find("ended")).to_be_focused()
    assert nod.poll(bank, approved).status_code == 200
    press("Escape")

    denied = nod.accepted(bank, user_id)
    page.card("Pay 10").wait_for()
    tab_to(page.page, "card")
    press("Space")
    request = page.opened()
    tab_to(page.page, "not-me")
    request.settle()
    press("Space")
    tab_to(page.page, "confirm-not-me-yes")
    press("Space")
    request.ends("not_me")
    assert nod.poll(bank, denied).json()["error"] == "access_denied"
