"""
Whatever a client, a person or a server in between is called and says, it is text, and text only.

Each test's browser is watched: one request to another host, one script that ran, one dialogue, one
breach of the page's content security policy, and the test fails when it is over.
"""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from consent.shown import DIGEST, consent_digest
from tests.browser.conftest import NewBrowser, NewPerson
from tests.support.authenticator import Authenticator
from tests.support.chromium import PHONE
from tests.support.nod import Nod, OAuthClient

Handler = Callable[[Route], None]

pytestmark = pytest.mark.xdist_group("browser")

CONSENT = re.compile("/rich-consents/(?!events)[^/]+$")
MADE_BY_MARKUP = "script:not([src^='/authenticator/']), iframe, style, img, a[href^='javascript']"
VALUES = 6  # of the details; names of members are reworded
ELSEWHERE = "https://evil.example"
MARKUP = (
    f"<img src={ELSEWHERE}/i onerror=alert(1)><script src={ELSEWHERE}/s></script>"
    f"<svg onload=alert(2)><iframe src={ELSEWHERE}/f></iframe><style>*{{display:none}}</style>"
)
TEXTS = {
    "markup": MARKUP,
    "attributes": '"\' onfocus=alert(1) autofocus style=position:fixed x="',
    "entities": "&lt;script&gt;alert(1)&lt;/script&gt;&#60;b&#62;&nbsp;&amp;amp;",
    "script_url": "javascript:alert(1)",
    "template": "{client} ${alert(1)} {{alert(1)}} $& $1",
    "bidi": "Pay \u202e01 rof\u202c \u2066\u200f\u05d0\u2069 \u202eApprove",
    "unclosed_bidi": "\u202e\u202d\u2067\u2068Bank",
    "long_word": "W" * 3_000,
    "combining": "Z" + "\u0336\u0351\u0359" * 200,
    "lines": "first\n\n\n\n\nsecond\tthird\u2028fourth",
}


EVERYTHING = "\n".join(TEXTS.values())


def replacing(**members: object) -> Handler:
    """An answer of the server with other members."""

    def answer(route: Route) -> None:
        told = route.fetch()
        route.fulfill(response=told, json=told.json() | members)

    return answer


def saying(text: str, *, digested: bool = True) -> Handler:
    """The Consent API's answer with one text in every place that holds one."""

    def answer(route: Route) -> None:
        shown = route.fetch().json()
        shown["client"] = {"client_id": text, "name": text}
        shown["requested_details"] |= {
            "audience": text,
            "scope": [text, "openid"],
            "binding_message": text,
            "authorization_details": [
                {
                    "type": text,
                    "actions": [text],
                    "__proto__": {"polluted": text},
                    "constructor": text,
                    "nested": {text: {"deeper": [[text], {"amount": 1, "currency": text}]}},
                }
            ],
            text: text,
        }
        if digested:
            shown.pop(DIGEST)
            shown[DIGEST] = consent_digest(shown)
        route.fulfill(json=shown)

    return answer


def test_what_is_asked_is_text_whatever_it_holds(
    nod: Nod, bank: OAuthClient, new_person: NewPerson
) -> None:
    """T36: in whole, in its own direction, beside nothing it could cover or push away."""
    person = new_person(viewport=PHONE)
    person.watched.context.route(CONSENT, saying(EVERYTHING))
    auth_req_id = nod.accepted(bank, person.user_id)

    card = person.page.find("card")
    expect(card.locator("bdi")).to_have_count(2)
    assert card.locator("bdi").all_text_contents() == [EVERYTHING, EVERYTHING]
    check_that_texts_are_texts(person.page.page, "list")
    card.click()
    request = person.page.opened()

    for test in ("client-id", "audience", "message"):
        assert request.find(test).text_content() == EVERYTHING
    assert EVERYTHING in (request.find("client").text_content() or "")
    details = request.find("details").text_content() or ""
    assert details.count(EVERYTHING) >= VALUES, "something is left out"
    check_that_texts_are_texts(person.page.page, "request")
    request.press("approve")
    expect(request.find("problem")).to_contain_text("is not what was asked")
    assert nod.poll(bank, auth_req_id).json()["error"] == "authorization_pending"


def test_names_of_people_devices_and_installations_are_text(
    nod: Nod, new_browser: NewBrowser
) -> None:
    """As far as the server takes them, and further: what stands between may have put them there."""
    body = {"user_id": MARKUP.replace("/", "|"), "username": MARKUP, "connection": "users"}
    user_id = nod.admin("POST", "users", body).json()["user_id"]
    ticket = nod.admin("POST", "guardian/enrollments/ticket", {"user_id": user_id}).json()
    watched = new_browser(viewport=PHONE)
    told = watched.new_page()
    told.goto(ticket["ticket_url"])
    expect(told.locator(".account bdi").first).to_have_text(MARKUP)
    check_that_texts_are_texts(told, "the page of a ticket")
    told.close()

    watched.context.route(re.compile("/config.json$"), replacing(name=MARKUP))
    watched.context.route(re.compile("/api/enroll$"), replacing(issuer=MARKUP))
    page = Authenticator(watched, nod).open(f"#ticket={ticket['ticket_id']}")
    page.confirm_enrollment(MARKUP[:100])
    client = nod.new_client(name=TEXTS["entities"])
    nod.accepted(client, user_id)
    for view in ("list", "accounts", "history"):
        page.find(f"nav-{view}").click()
        check_that_texts_are_texts(page.page, view)
    page.find("nav-list").click()
    request = page.request("Pay 10")
    expect(request.element).to_contain_text(MARKUP)
    check_that_texts_are_texts(page.page, "request")
    request.deny()
    page.find("nav-history").click()
    expect(page.find("answered").locator("bdi").first).to_have_text(TEXTS["entities"])


def check_that_texts_are_texts(page: Page, where: str) -> None:
    assert page.locator("main").locator(MADE_BY_MARKUP).count() == 0, where
    assert page.evaluate("'polluted' in {}") is False, where
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{where}: too wide"
    directions = page.locator("bdi").evaluate_all(
        "all => [...new Set(all.map(one => getComputedStyle(one).unicodeBidi))]"
    )
    assert set(directions) <= {"isolate"}, where


def test_what_was_changed_on_the_way_cannot_be_approved(
    nod: Nod, bank: OAuthClient, new_person: NewPerson
) -> None:
    """What is shown is what is signed: a digest that is not of what is shown is no digest."""
    person = new_person()
    person.watched.context.route(CONSENT, saying("Pay 10 000", digested=False))
    auth_req_id = nod.accepted(bank, person.user_id)

    request = person.page.request("Pay 10 000")

    expect(request.find("not-genuine")).to_be_visible()
    expect(request.find("approve")).to_be_disabled()
    assert nod.poll(bank, auth_req_id).json()["error"] == "authorization_pending"


@pytest.mark.parametrize("path", ["authenticator", "mfa/enrollment?ticket=x"])
def test_no_other_page_can_hold_it_in_a_frame(chromium: Browser, nod: Nod, path: str) -> None:
    """RFC 9700 4.16: nobody is led to press what they cannot see."""
    page = chromium.new_page()

    with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        page.set_content(f"<iframe src='{nod.url}{path}'></iframe>", wait_until="commit")

    assert page.frames[1].locator("main").count() == 0
    page.close()
