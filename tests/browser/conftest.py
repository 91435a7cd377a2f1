"""
People, their browsers, and one Nod that they all belong to.

One Chromium for each file and not one for all: while Playwright runs, its event loop is the
thread's, and no test of another file could run one of its own.
"""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from scripts.doubles.mail import PASSWORD, USER
from scripts.embedded_redis import free_port
from tests.support.authenticator import Authenticator, MailServer, PushService
from tests.support.chromium import Watched, running_chromium
from tests.support.nod import Nod, OAuthClient, Process, answers, wait_for
from tests.support.redis_server import RedisServer


class Person:
    """With one browser; `page` is its first tab."""

    def __init__(self, nod: Nod, watched: Watched) -> None:
        self.nod = nod
        self.watched = watched
        self.email = f"{uuid.uuid4().hex}@example.com"
        self.user_id = nod.new_user(email=self.email, email_verified=True)
        self.page = self.new_tab()
        self.page.enroll(self.user_id)

    def new_tab(self, fragment: str = "") -> Authenticator:
        return Authenticator(self.watched, self.nod).open(fragment)


# The worker fetches the whole page once more.
WITHOUT_WORKER: dict[str, Any] = {"service_workers": "block"}
NewBrowser = Callable[..., Watched]
NewPerson = Callable[..., Person]


class Installation(NamedTuple):
    nod: Nod
    push_service: PushService
    mail_server: MailServer


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A Nod that may ring browsers and write mails, by doubles on loopback that are ready first."""
    directory = Path(tmp_path_factory.mktemp("browsed"))
    smtp_port, push, mail = free_port(), directory / "push", directory / "mail"
    redis = RedisServer(directory / "redis").start()
    nod = Nod(
        redis.url,
        directory,
        outbound_allowed_networks="127.0.0.0/8",
        outbound_ca_file=str(push / "ca.pem"),
        smtp_url=f"smtp://{quote(USER)}:{quote(PASSWORD)}@127.0.0.1:{smtp_port}",
        smtp_from="nod@example.org",
        smtp_ca_file=str(mail / "ca.pem"),
        person_requests_per_minute_max="1000",  # one person is asked in many tests
    )
    inboxes, doubles = [], []
    for name, folder, port in (("web_push", push, free_port()), ("mail", mail, smtp_port)):
        inbox_port = free_port()
        inboxes.append(f"http://127.0.0.1:{inbox_port}")
        ports = ("--port", str(port), "--inbox-port", str(inbox_port))
        module, log = f"scripts.doubles.{name}", directory / f"{name}.log"
        doubles.append(Process(module, nod.environ, log, "--directory", str(folder), *ports))
        doubles[-1].start()
    try:
        for inbox in inboxes:
            wait_for(lambda inbox=inbox: answers(f"{inbox}/count"), "a double")
        yield Installation(nod.start(), PushService(inboxes[0]), MailServer(inboxes[1]))
    finally:
        nod.stop()
        for double in doubles:
            double.kill()
        redis.stop()


@pytest.fixture(scope="session")
def nod(installation: Installation) -> Nod:
    return installation.nod


@pytest.fixture(scope="session")
def push_service(installation: Installation) -> PushService:
    return installation.push_service


@pytest.fixture(scope="session")
def mail_server(installation: Installation) -> MailServer:
    return installation.mail_server


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def new_browser(chromium: Browser, nod: Nod) -> Iterator[NewBrowser]:
    """Arguments are those of Playwright's `new_context`; all is checked when the test is over."""
    opened: list[Watched] = []

    def new(**options: Any) -> Watched:  # noqa: ANN401 - Playwright's
        opened.append(Watched(chromium.new_context(**(WITHOUT_WORKER | options)), nod.url))
        return opened[-1]

    yield new
    for watched in opened:
        try:
            watched.check()
        finally:
            watched.context.close()


@pytest.fixture
def new_person(nod: Nod, new_browser: NewBrowser) -> NewPerson:
    """Their browser is an authenticator; nothing can ring it."""

    def new(**options: Any) -> Person:  # noqa: ANN401 - Playwright's
        return Person(nod, new_browser(**options))

    return new


@pytest.fixture(scope="module")
def regular(chromium: Browser, nod: Nod) -> Iterator[Person]:
    with chromium.new_context(**WITHOUT_WORKER) as context:
        yield Person(nod, Watched(context, nod.url))


@pytest.fixture
def ann(regular: Person) -> Iterator[Person]:
    """One for all who leave nothing behind that waits for her."""
    regular.page.look().find("nav-list").click()
    yield regular
    regular.watched.check()
    regular.watched.context.unroute_all()
    for other in regular.watched.context.pages[1:]:
        other.close()


@pytest.fixture
def bank(nod: Nod) -> OAuthClient:
    return nod.new_client(name="Example bank")
