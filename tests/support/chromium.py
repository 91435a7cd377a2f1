"""
A real Chromium without a window, and what it does behind a test's back.

Each test has contexts of its own: a context is a person's browser, with its own accounts, keys
and worker. Whatever a test is about, in each of them nothing may ask another host for anything,
break the page's content security policy, throw, open a dialogue, or put a secret into an address.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    ViewportSize,
    WebError,
    sync_playwright,
)

from scripts import chromium

ROOT = Path(__file__).parents[2]
ARTEFACTS = ROOT / ".artefacts"
AXE = resources.files("axe_playwright_python") / "axe.min.js"
PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1_280, "height": 800}
# No host but loopback has an address, so that what would leave it fails as well as being seen.
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
WAIT_MILLISECONDS = 10_000
# What Chromium says of a refusal or of no network; the page says it to the person. Not of the
# page's own files, which are there.
_FAILED_CALL = re.compile(
    r"Failed to load resource: (net::ERR_INTERNET_DISCONNECTED|.* http\S+/(?!authenticator/)\S+$)"
)
# What Playwright says in a context that has no workers.
_NO_WORKER = "Service Worker registration blocked by Playwright"
_GIVEN_LINK = "mfa/enrollment?ticket="  # an administrator sends it to the person
_AWAIT_ELEMENT = """([css, milliseconds]) => new Promise((resolve, reject) => {
  const observer = new MutationObserver(look);
  const late = setTimeout(() => reject(new Error(`no ${css}`)), milliseconds);
  function look() {
    if (!document.querySelector(css)) return;
    observer.disconnect();
    clearTimeout(late);
    resolve();
  }
  observer.observe(document, { subtree: true, childList: true, attributes: true });
  look();
})"""
_AXE_FAULTS = """async () => {
  const { passes, violations } = await axe.run({ resultTypes: ["violations"] });
  const faults = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  return [passes.length, faults.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`)];
}"""


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Raises AssertionError, with what to install, where there is none."""
    executable = chromium.executable(os.environ)
    assert executable is not None, chromium.MISSING
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    with sync_playwright() as playwright:
        playwright.selectors.set_test_id_attribute("data-test")
        browser = playwright.chromium.launch(executable_path=executable, args=flags)
        yield browser
        browser.close()


class Watched:
    """A context that remembers what it was made to do. `origin` ends with a slash."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.context = context
        self.origin = origin
        self.secrets: set[str] = set()
        self.requested: list[str] = []
        self.faults: list[str] = []
        context.set_default_timeout(WAIT_MILLISECONDS)
        context.on("request", self._on_request)
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("dialog", self._on_dialog)

    def new_page(self) -> Page:
        return self.context.new_page()

    def check(self) -> None:
        """Raises AssertionError."""
        assert not self.faults, self.faults
        elsewhere = [url for url in self.requested if not url.startswith(self.origin)]
        assert not elsewhere, f"asked of another host: {elsewhere}"
        asked = [url for url in self.requested if not url.startswith(f"{self.origin}{_GIVEN_LINK}")]
        known = [*asked, *(url for page in self.context.pages for url in visited(page))]
        for secret in self.secrets:
            assert not [url for url in known if secret in url], "a secret is in an address"

    def _on_request(self, request: Request) -> None:
        """What authorizes a call is a secret: a ticket, a token, a proof."""
        self.requested.append(request.url)
        headers = request.headers
        credentials = headers.get("authorization", "").split(" ", 1)[1:]
        self.secrets.update(it.removeprefix("id=").strip('"') for it in credentials)

    def _on_console(self, message: ConsoleMessage) -> None:
        """A breach of the content security policy is an error of the console as well."""
        text = f"{message.text} {message.location['url']}"
        known = _FAILED_CALL.match(text) or message.text == _NO_WORKER
        if message.type in {"error", "warning"} and not known:
            self.faults.append(f"{message.type}: {text}")

    def _on_error(self, error: WebError) -> None:
        self.faults.append(str(error.error))

    def _on_dialog(self, dialog: Any) -> None:  # noqa: ANN401 - Dialog, of either API
        self.faults.append(f"dialogue: {dialog.message}")
        dialog.dismiss()


def await_element(page: Page, css: str) -> None:
    """At once when it is there, in a tab behind others too: Playwright looks now and then."""
    page.evaluate(_AWAIT_ELEMENT, [css, WAIT_MILLISECONDS])


def visited(page: Page) -> list[str]:
    """The addresses that the back button leads to, and the one shown."""
    session = page.context.new_cdp_session(page)
    entries = session.send("Page.getNavigationHistory")["entries"]
    session.detach()
    return [entry["url"] for entry in entries]


def accessibility_faults(page: Page) -> list[str]:
    """
    Axe's serious and critical findings (WCAG 2 A and AA and its best practices).

    Evaluated by the debugger, which the page's policy does not bind, so that the policy stays on.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    passed, faults = page.evaluate(_AXE_FAULTS)
    assert passed, "a check that checks nothing is green"
    return list(faults)


def photograph(page: Page, name: str) -> None:
    """The whole page; or, where a question lies over it, what is in the window."""
    ARTEFACTS.mkdir(exist_ok=True)
    is_whole = page.locator("dialog[open]").count() == 0
    page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=is_whole)
