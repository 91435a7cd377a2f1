"""The browser authenticator as a person uses it: what they see and press, in one tab."""

import re
import uuid
from typing import Any, NamedTuple

import httpx2
from playwright.sync_api import Locator, Page, expect

from consent.identifiers import b64url
from tests.support.chromium import Watched, await_element
from tests.support.nod import Nod, wait_for

NOTICED_SECONDS = 3.0  # after the page is open, without any push

# PushManager asks a service of the browser's maker; the double is asked instead.
_SUBSCRIBE = """
PushManager.prototype.getSubscription = async () => null;
PushManager.prototype.subscribe = async ({ applicationServerKey }) => {
  const made = JSON.parse(await subscribeAtTheDouble([...new Uint8Array(applicationServerKey)]));
  return { ...made, toJSON: () => made };
};
"""


class Request:
    """One request, open in front of the person."""

    def __init__(self, element: Locator) -> None:
        self.element = element
        self.page = element.page
        await_element(self.page, "[data-test=deny]")

    def find(self, test: str) -> Locator:
        return self.element.get_by_test_id(test)

    def settle(self) -> None:
        """A press in the first half second is taken for an accident."""
        await_element(self.page, "[data-test=request][data-settled=yes]")

    def press(self, test: str) -> None:
        self.settle()
        self.find(test).click()

    def approve(self, number: str = "") -> None:
        if number:
            self.find("number").fill(number)
        self.press("approve")
        self.ends("approved")

    def deny(self) -> None:
        self.press("deny")
        self.ends("denied")

    def not_me(self) -> None:
        self.press("not-me")
        self.page.get_by_test_id("confirm-not-me-yes").click()
        self.ends("not_me")

    def ends(self, state: str) -> None:
        await_element(self.page, f"[data-test=ended][data-state={state}]")
        expect(self.find("approve")).to_have_count(0)
        expect(self.find("deny")).to_have_count(0)


class Authenticator:
    """One tab with the page. `find` is by `data-test`."""

    def __init__(self, watched: Watched, nod: Nod) -> None:
        self.watched = watched
        self.nod = nod
        self.page = watched.new_page()

    def find(self, test: str) -> Locator:
        return self.page.get_by_test_id(test)

    def open(self, fragment: str = "") -> "Authenticator":
        self.page.goto(f"{self.nod.url}authenticator{fragment}")
        return self

    def enroll(self, user_id: str, *, name: str = "") -> None:
        """By a new link, as it comes in a message or a code."""
        ticket = self.nod.new_ticket(user_id)
        # A link to another place on the page that is open already is no navigation.
        self.page.evaluate("hash => { location.hash = hash }", f"ticket={ticket}")
        self.confirm_enrollment(name)

    def confirm_enrollment(self, name: str = "") -> None:
        """On the page that a link with a ticket leads to."""
        await_element(self.page, "[data-test=link-ready]")
        if name:
            self.find("device-name").fill(name)
        self.find("enroll").click()
        await_element(self.page, "[data-test=enrolled]")
        self.find("done").click()

    def stored(self, store: str) -> list[Any]:
        """What this browser keeps; a CryptoKey is told as what can be done with it."""
        return list(
            self.page.evaluate(
                """store => new Promise((resolve, reject) => {
                  const opening = indexedDB.open("nod");
                  opening.onerror = reject;
                  opening.onsuccess = () => {
                    const all = opening.result.transaction(store).objectStore(store).getAll();
                    all.onsuccess = () => {
                      opening.result.close();
                      resolve(all.result.map((row) => row.privateKey instanceof CryptoKey
                        ? { ...row, privateKey: { extractable: row.privateKey.extractable } }
                        : row));
                    };
                  };
                })""",
                store,
            )
        )

    def card(self, text: str) -> Locator:
        """A request in the list, by what can be read of it."""
        return self.find("card").filter(has_text=text)

    def request(self, text: str) -> Request:
        self.card(text).click()
        return self.opened()

    def opened(self) -> Request:
        return Request(self.find("request"))

    def look(self) -> "Authenticator":
        """The tab is brought to the front: one behind another is drawn once a second."""
        self.page.bring_to_front()
        return self

    def close(self) -> None:
        self.page.close()


class PushService:
    """The double, from the browser's side."""

    def __init__(self, url: str) -> None:
        self._url = url

    def bind(self, watched: Watched) -> str:
        """The context's subscriptions are made here; the name of the first one."""
        name = uuid.uuid4().hex

        def subscribe(server_key: list[int]) -> str:
            key = b64url(bytes(server_key))
            answer = httpx2.post(
                f"{self._url}/subscriptions/{name}", json={"applicationServerKey": key}
            )
            return answer.text

        watched.context.grant_permissions(["notifications"])
        watched.context.expose_function("subscribeAtTheDouble", subscribe)
        watched.context.add_init_script(_SUBSCRIBE)
        return name

    def messages(self, name: str, *, wait: float = 10) -> list[dict[str, Any]]:
        """What arrived and could be decrypted; waits for the first."""
        answer = httpx2.get(
            f"{self._url}/messages/{name}", params={"wait": wait}, timeout=wait + 10
        )
        return list(answer.json()["messages"])


class MailServer(NamedTuple):
    """The double, from the reader's side."""

    inbox_url: str

    def link(self, address: str) -> str:
        """What follows the `#` of the link in the first mail to an address; waits for it."""
        parameters = {"wait": 10}
        answer = httpx2.get(
            f"{self.inbox_url}/messages/{address}", params=parameters, timeout=20
        ).json()
        found = re.search(r"authenticator(#\S+)", answer["messages"][0]["text"])
        assert found
        return found[1]


def deliver(page: Page, payload: str) -> None:
    """The browser's part: a message that was decrypted wakes the page's worker."""
    session = page.context.new_cdp_session(page)
    registrations: list[dict[str, Any]] = []
    session.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: registrations.extend(event["registrations"]),
    )
    session.send("ServiceWorker.enable")
    wait_for(lambda: page.evaluate("1") and registrations, "the page's worker")
    session.send(
        "ServiceWorker.deliverPushMessage",
        {
            "origin": page.evaluate("location.origin"),
            "registrationId": registrations[0]["registrationId"],
            "data": payload,
        },
    )
    session.detach()
