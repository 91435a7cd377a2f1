"""
Each screen as people see it, on a phone and on a desk, by day and by night, in both languages:
kept in .artefacts/ for whoever wants to look, and judged by axe for who cannot.
"""

import json
from typing import Literal

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.conftest import NewBrowser
from tests.support.authenticator import Authenticator, PushService
from tests.support.chromium import DESKTOP, PHONE, accessibility_faults, photograph
from tests.support.nod import Nod

pytestmark = pytest.mark.xdist_group("browser")

PAYMENT = json.dumps(
    [
        {
            "type": "payment_initiation",
            "actions": ["initiate", "status"],
            "instructedAmount": {"currency": "EUR", "amount": "1234.50"},
            "creditorName": "Ann Example",
            "creditorAccount": {"iban": "DE02100100109307118603"},
            "recurring": False,
        }
    ]
)
NARROW = 320  # CSS pixels: WCAG 1.4.10, a desk's window at 400 %
PAYMENT_TYPE = [{"type": "payment_initiation"}]

# Each screen in each size, theme and language.
LOOKS: dict[str, tuple[str, ViewportSize, Literal["light", "dark"]]] = {
    "en": ("phone", PHONE, "light"),
    "ja": ("desktop", DESKTOP, "dark"),
}


class Look:
    """A look at each screen, in one language."""

    def __init__(self, page: Page, language: str) -> None:
        self._page = page
        self._language = language
        self._size, self._viewport, self._theme = LOOKS[language]
        self.faults: list[str] = []

    def at(self, screen: str) -> None:
        page = self._page
        assert page.evaluate("document.documentElement.lang") == self._language
        photograph(page, f"{screen}-{self._size}-{self._theme}-{self._language}")
        for width in self._viewport["width"], NARROW:
            page.set_viewport_size(self._viewport | {"width": width})
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                self.faults.append(f"{screen}: wider than {width} pixels")
        page.set_viewport_size(self._viewport)
        self.faults += [f"{screen}: {it}" for it in accessibility_faults(page)]


@pytest.mark.parametrize("language", LOOKS)
def test_each_screen_can_be_read_by_everybody(  # noqa: PLR0915 - one visit, screen by screen
    nod: Nod, push_service: PushService, new_browser: NewBrowser, language: str
) -> None:
    _, viewport, theme = LOOKS[language]
    looks = {"viewport": viewport, "color_scheme": theme, "reduced_motion": "reduce"}
    watched = new_browser(locale=language, service_workers="allow", **looks)
    push_service.bind(watched)
    user_id = nod.new_user(email=f"ann-{language}@example.com")
    ticket = nod.admin("POST", "guardian/enrollments/ticket", {"user_id": user_id}).json()
    shop = nod.new_client(name="Example Shop", number_matching=True)
    api = {"identifier": f"https://api.example/{language}", "authorization_details": PAYMENT_TYPE}
    assert nod.admin("POST", "resource-servers", api).status_code == 201
    order = {"audience": str(api["identifier"]), "authorization_details": PAYMENT}
    page = Authenticator(watched, nod)
    look = Look(page.page, language)

    page.open()
    expect(page.find("link")).to_be_visible()
    look.at("welcome")
    page.page.goto(ticket["ticket_url"])
    page.page.locator("summary").click()
    look.at("ticket")
    page.find("use-this-browser").click()
    expect(page.find("link-ready")).to_be_visible()
    look.at("enrol")
    page.find("enroll").click()
    expect(page.find("enrolled")).to_be_visible()
    look.at("enrolled")
    page.find("done").click()
    expect(page.find("empty")).to_be_visible()
    look.at("nothing-waiting")
    for message in ("Order 1234", "Order 1235"):
        nod.accepted(shop, user_id, binding_message=message, **order)
    expect(page.find("card")).to_have_count(2)
    look.at("waiting")
    request = page.request("Order 1234")
    look.at("request")
    request.press("not-me")
    expect(page.find("confirm-not-me")).to_be_visible()
    look.at("not-me")
    page.find("confirm-not-me-no").click()
    request.deny()
    look.at("denied")
    page.find("nav-accounts").click()
    expect(page.find("account")).to_be_visible()
    look.at("accounts")
    page.find("remove").click()
    expect(page.find("confirm-remove")).to_be_visible()
    look.at("remove")
    page.find("confirm-remove-no").click()
    page.find("nav-history").click()
    expect(page.find("answered")).to_be_visible()
    look.at("history")
    watched.context.set_offline(True)
    page.find("nav-list").click()
    expect(page.find("connection")).to_have_attribute("data-state", "offline")
    look.at("offline")

    assert not look.faults, look.faults
