"""
A person answers in their browser. Nothing can ring it: each request here is one whose every push
was lost, and the page finds out by itself.
"""

import re
import time
from email.utils import formatdate

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import NewBrowser, NewPerson, Person
from tests.support.authenticator import NOTICED_SECONDS, Authenticator
from tests.support.nod import Nod, OAuthClient

pytestmark = pytest.mark.xdist_group("browser")

NOTICED_MILLISECONDS = NOTICED_SECONDS * 1_000


@pytest.fixture
def careful_bank(nod: Nod) -> OAuthClient:
    return nod.new_client(name="Careful bank", number_matching=True)


def started(nod: Nod, client: OAuthClient, user_id: str) -> tuple[str, str]:
    """The request, and the number that the client shows."""
    answer = nod.start_request(client, user_id)
    assert answer.status_code == 200, answer.text
    return answer.json()["auth_req_id"], answer.json()["matching_number"]


def test_what_is_asked_is_shown_and_approved(nod: Nod, bank: OAuthClient, ann: Person) -> None:
    """RFC 10027 6.1.14: who asks, what for, for whom and how long."""
    auth_req_id = nod.accepted(bank, ann.user_id, binding_message="Pay 10 to Ann")
    expect(ann.page.card("Pay 10 to Ann")).to_be_visible(timeout=NOTICED_MILLISECONDS)
    request = ann.page.request("Pay 10 to Ann")

    expect(request.find("client")).to_contain_text("Example bank")
    expect(request.find("client-id")).to_have_text(bank.client_id)
    expect(request.find("message")).to_have_text("Pay 10 to Ann")
    expect(request.find("scopes")).to_contain_text("openid")
    expect(request.element).to_contain_text(ann.email)
    expect(request.find("left")).to_contain_text("left, until")
    approve, deny = request.find("approve").bounding_box(), request.find("deny").bounding_box()
    assert approve is not None
    assert deny is not None
    assert approve["width"] == deny["width"], "A191: no as easily as yes"
    assert approve["height"] == deny["height"] >= 44
    request.approve()
    assert nod.poll(bank, auth_req_id).json()["token_type"] == "Bearer"
    ann.page.find("nav-history").click()
    expect(ann.page.find("answered")).to_contain_text(["Example bank"])


def test_a_press_at_the_moment_it_appears_answers_nothing_and_a_later_one_denies(
    nod: Nod, bank: OAuthClient, ann: Person
) -> None:
    """It was on its way to something else that was there before (T36)."""
    auth_req_id = nod.accepted(bank, ann.user_id)
    ann.page.card("Pay 10").wait_for()

    ann.page.page.evaluate(
        """async () => {
          document.querySelector("[data-test=card]").click();
          await new Promise((resolve) => setTimeout(resolve)); // due before any longer wait
          document.querySelector("[data-test=approve]").click();
        }"""
    )
    request = ann.page.opened()

    expect(request.find("approve")).to_be_enabled()
    assert nod.poll(bank, auth_req_id).json()["error"] == "authorization_pending"
    request.deny()
    assert nod.error_after_waiting(bank, auth_req_id) == "access_denied"


def test_who_says_not_me_is_not_asked_again_by_that_client(
    nod: Nod, bank: OAuthClient, new_person: NewPerson
) -> None:
    """The consequence is said before it is sent; another client may ask on."""
    person = new_person()
    auth_req_id = nod.accepted(bank, person.user_id)
    request = person.page.request("Pay 10")
    request.press("not-me")
    expect(person.page.find("confirm-not-me")).to_contain_text("Example bank cannot ask you")
    person.page.find("confirm-not-me-no").click()

    request.not_me()

    assert nod.poll(bank, auth_req_id).json()["error"] == "access_denied"
    assert nod.start_request(bank, person.user_id).status_code == 403
    assert nod.start_request(nod.new_client(), person.user_id).status_code == 200


def test_the_number_that_the_client_shows_approves(
    nod: Nod, careful_bank: OAuthClient, ann: Person
) -> None:
    auth_req_id, number = started(nod, careful_bank, ann.user_id)
    request = ann.page.request("Pay 10")

    expect(request.find("approve")).to_be_disabled()
    request.find("number").fill("4x")
    expect(request.find("number")).to_have_value("4")
    expect(request.find("approve")).to_be_disabled()
    request.approve(number)

    assert nod.poll(careful_bank, auth_req_id).status_code == 200


def test_a_wrong_number_denies(nod: Nod, careful_bank: OAuthClient, ann: Person) -> None:
    """T36: there is no second try."""
    auth_req_id, number = started(nod, careful_bank, ann.user_id)
    request = ann.page.request("Pay 10")

    request.find("number").fill("10" if number != "10" else "11")
    request.press("approve")

    request.ends("wrong_number")
    assert nod.poll(careful_bank, auth_req_id).json()["error"] == "access_denied"


def test_time_runs_out_on_the_screen(nod: Nod, bank: OAuthClient, ann: Person) -> None:
    auth_req_id = nod.accepted(bank, ann.user_id, requested_expiry="2")

    request = ann.page.request("Pay 10")

    request.ends("expired")
    request.find("done").click()
    expect(ann.page.find("empty")).to_be_visible()
    assert nod.error_after_waiting(bank, auth_req_id) == "expired_token"


def test_a_server_time_of_a_moment_ago_moves_no_clock(
    nod: Nod, bank: OAuthClient, ann: Person
) -> None:
    """`Date` has whole seconds, and is made once a second: nobody has more time than there is."""

    def late(route: Route) -> None:
        answer = route.fetch()
        date = formatdate(time.time() - 2, usegmt=True)
        route.fulfill(response=answer, headers={**answer.headers, "date": date})

    ann.watched.context.route(re.compile(r"/rich-consents(/(?!events).*)?$"), late)
    nod.accepted(bank, ann.user_id)

    request = ann.page.request("Pay 10")
    left = request.find("left").inner_text()  # as it is first shown

    assert re.match(r"(5:00|4:5\d) left", left), left
    request.deny()


def test_what_was_answered_on_a_phone_goes_from_every_screen(
    nod: Nod, bank: OAuthClient, ann: Person
) -> None:
    phone = nod.new_phone(ann.user_id)
    answers = {"Pay 11": "approved", "Pay 12": "denied"}
    for message in answers:
        nod.accepted(bank, ann.user_id, binding_message=message)
    tabs = {message: ann.new_tab() for message in answers}
    opened = {message: tab.look().request(message) for message, tab in tabs.items()}
    opened["Pay 12"].press("not-me")
    expect(tabs["Pay 12"].find("confirm-not-me")).to_be_visible()
    expect(ann.page.find("card")).to_have_count(2)

    for notification in phone.pending():
        asked = phone.fetch(notification.txlnkid, notification.txtkn)
        assert asked is not None
        approved = answers[asked.requested_details.binding_message] == "approved"
        phone.resolve(notification, accept=approved)

    for message, request in opened.items():
        request.ends(answers[message])
        expect(request.find("ended")).to_have_attribute("data-here", "false")
    expect(tabs["Pay 12"].find("confirm-not-me")).to_have_count(0)
    expect(ann.page.find("empty")).to_be_visible()


def test_what_is_answered_in_one_tab_disappears_in_the_other(
    nod: Nod, bank: OAuthClient, ann: Person
) -> None:
    others = [ann.new_tab(), ann.new_tab()]
    auth_req_id = nod.accepted(bank, ann.user_id)
    opened = others[0].look().request("Pay 10")
    expect(others[1].card("Pay 10")).to_be_visible()

    ann.page.look().request("Pay 10").approve()

    opened.ends("approved")
    expect(others[1].find("empty")).to_be_visible()
    assert nod.poll(bank, auth_req_id).status_code == 200


def test_a_page_that_is_opened_again_has_the_account_and_what_is_pending(
    nod: Nod, bank: OAuthClient, new_person: NewPerson
) -> None:
    """And every push was lost: still it is approved within 3 s of the page being open."""
    person = new_person()
    person.page.close()
    auth_req_id = nod.accepted(bank, person.user_id)

    since = time.monotonic()
    tab = person.new_tab()
    tab.request("Pay 10").approve()

    assert nod.poll(bank, auth_req_id).status_code == 200
    assert time.monotonic() - since < NOTICED_SECONDS


def test_who_was_offline_sees_what_came_meanwhile(
    nod: Nod, bank: OAuthClient, new_person: NewPerson
) -> None:
    """And is told: the page opens, but can decide nothing."""
    person = new_person(service_workers="allow")
    page = person.page
    expect(page.find("connection")).to_have_attribute("data-state", "live")
    page.page.evaluate("navigator.serviceWorker.ready")
    page.watched.context.set_offline(True)
    expect(page.find("connection")).to_have_attribute("data-state", "offline")
    auth_req_id = nod.accepted(bank, person.user_id)
    page.page.reload()
    expect(page.find("connection")).to_have_attribute("data-state", "offline")
    expect(page.find("card")).to_have_count(0)

    page.watched.context.set_offline(False)

    expect(page.card("Pay 10")).to_be_visible(timeout=NOTICED_MILLISECONDS)
    expect(page.find("connection")).to_have_attribute("data-state", "back")
    page.request("Pay 10").approve()
    assert nod.poll(bank, auth_req_id).status_code == 200


def test_an_answer_that_could_not_be_sent_can_be_sent_again(
    nod: Nod, bank: OAuthClient, ann: Person
) -> None:
    auth_req_id = nod.accepted(bank, ann.user_id)
    request = ann.page.request("Pay 10")
    request.settle()

    ann.watched.context.set_offline(True)
    request.press("approve")
    expect(request.find("problem")).to_contain_text("may not have arrived")
    expect(request.find("approve")).to_be_focused()
    ann.watched.context.set_offline(False)
    request.approve()

    assert nod.poll(bank, auth_req_id).status_code == 200


RESOLVE = re.compile("/resolve-transaction$")
STREAM = re.compile("/rich-consents/events$")
LIST = re.compile("/rich-consents$")


def lose_the_reply(route: Route) -> None:
    """The server has the answer; its confirmation gets lost."""
    assert route.fetch().status == 204
    route.abort()


def test_an_answer_whose_confirmation_was_lost_is_known_from_the_stream(
    nod: Nod, bank: OAuthClient, ann: Person
) -> None:
    """And is this person's own, not somebody else's."""
    auth_req_id = nod.accepted(bank, ann.user_id)
    ann.watched.context.route(RESOLVE, lose_the_reply)

    request = ann.page.request("Pay 10")
    request.approve()

    expect(request.find("ended")).to_have_attribute("data-here", "true")
    ann.page.find("nav-history").click()
    expect(ann.page.find("answered").first).to_have_attribute("data-answer", "approved")
    assert nod.poll(bank, auth_req_id).status_code == 200


@pytest.mark.parametrize("is_pressed_again", [True, False])
def test_an_answer_whose_confirmation_was_lost_counts_once_and_nothing_else_is_said_of_it(
    nod: Nod, bank: OAuthClient, ann: Person, is_pressed_again: bool
) -> None:
    """Without a stream: pressed again it is confirmed, and else it is not called unanswered."""
    nod.accepted(bank, ann.user_id)
    request = ann.page.request("Pay 10")
    request.settle()
    context = ann.watched.context
    context.route(STREAM, lambda route: route.abort())
    context.route(LIST, lambda route: route.abort())
    ann.page.page.evaluate("dispatchEvent(new Event('offline'))")  # which cuts the stream
    context.route(RESOLVE, lose_the_reply)

    request.press("approve")
    expect(request.find("problem")).to_contain_text("may not have arrived")
    context.unroute(RESOLVE if is_pressed_again else LIST)

    if is_pressed_again:
        request.approve()
    else:
        ann.page.page.evaluate("dispatchEvent(new Event('online'))")
        request.ends("unsure")


def test_each_account_is_asked_for_itself(
    nod: Nod, bank: OAuthClient, new_person: NewPerson
) -> None:
    """Two people, or two accounts of one, in one browser: a key for each."""
    person = new_person()
    other = nod.new_user(email="bob@example.com")
    person.page.enroll(other)
    first = nod.accepted(bank, person.user_id, binding_message="Pay 11")
    second = nod.accepted(bank, other, binding_message="Pay 12")

    expect(person.page.card("Pay 11")).to_contain_text(person.email)
    expect(person.page.card("Pay 12")).to_contain_text("bob@example.com")
    person.page.request("Pay 12").approve()
    person.page.find("done").click()
    person.page.request("Pay 11").deny()

    assert nod.poll(bank, first).json()["error"] == "access_denied"
    assert nod.poll(bank, second).status_code == 200
    keys = [account["jwk"]["x"] for account in person.page.stored("accounts")]
    assert len(set(keys)) == 2


def test_who_is_blocked_is_told_so(nod: Nod, new_person: NewPerson) -> None:
    """T39: and not that all is well."""
    person = new_person()

    nod.admin("PATCH", f"users/{person.user_id}", {"blocked": True}).raise_for_status()

    expect(person.page.find("blocked-note")).to_contain_text(f"{person.email} is blocked")
    expect(person.page.find("connection")).to_have_attribute("data-state", "blocked")


def test_a_stream_that_gave_way_is_not_opened_again_before_its_time(
    nod: Nod, new_browser: NewBrowser
) -> None:
    """Or the pages of one device would take each other's place; the list tells meanwhile."""
    watched = new_browser()
    streams: list[Route] = []

    def give_way(route: Route) -> None:
        streams.append(route)
        route.fulfill(content_type="text/event-stream", body="retry: 60000\n\n")

    watched.context.route(STREAM, give_way)
    page = Authenticator(watched, nod).open()
    page.enroll(nod.new_user())
    expect(page.find("connection")).to_have_attribute("data-state", "polling")
    for _ in range(2):
        with page.page.expect_response(LIST):
            page.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    assert len(streams) == 1
