"""
T39: somebody is blocked or leaves between two steps of a request, and no token comes of it.

Each ending is brought about before each step. A step that is new, an endpoint or a grant that no
step here takes, fails the tests at the end.
"""

import ast
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from consent.client import CIBA_GRANT, CLIENT_CREDENTIALS_GRANT, REFRESH_TOKEN_GRANT
from scripts.guardian_messages import Notification
from scripts.simulated_phone import PhoneError
from tests.support.nod import ROOT, Nod, wait_for
from tests.support.token_client import TokenClient, granted

GOES_ON = "goes on"


class Story:
    """A request from its start to the last use of its tokens; each step says how it went."""

    def __init__(self, nod: Nod) -> None:
        self.nod = nod
        self.client = TokenClient(nod)
        self.phone, self.user_id = self.client.phone, self.client.user_id
        self.auth_req_id = ""
        self.notification: Notification | None = None
        self.tokens: dict[str, str] = {}

    # The steps

    def start(self) -> str:
        scope = "openid offline_access"
        answer = self.nod.start_request(self.client.oauth, self.user_id, scope=scope)
        if answer.is_success:
            self.auth_req_id = answer.json()["auth_req_id"]
        return told(answer)

    def list(self) -> str:
        notified: list[Notification] = []
        said = phoned(lambda: notified.extend(self.phone.pending()))
        if said != GOES_ON:
            return said
        self.notification = notified[0] if notified else None
        return GOES_ON if notified else NOT_LISTED

    def fetch(self) -> str:
        notification = self.notified
        return phoned(lambda: found(self.phone.fetch(notification.txlnkid, notification.txtkn)))

    def answer(self) -> str:
        return phoned(lambda: self.phone.resolve(self.notified, accept=True))

    def redeem(self) -> str:
        answer = self.client.poll(self.auth_req_id)
        if answer.is_success:
            self.tokens = granted(answer)
        return told(answer)

    def refresh(self) -> str:
        return told(self.client.refresh(self.tokens["refresh_token"]))

    def userinfo(self) -> str:
        return told(self.client.userinfo(self.tokens["access_token"]))

    def introspect(self) -> str:
        outcomes = set()
        for token in (self.tokens["access_token"], self.tokens["refresh_token"]):
            answer = self.client.post("oauth/introspect", token=token)
            inactive = answer.json() == {"active": False}
            outcomes.add("inactive" if inactive else told(answer))
        [outcome] = outcomes
        return outcome

    def revoke(self) -> str:
        return told(self.client.post("oauth/revoke", token=self.tokens["refresh_token"]))

    @property
    def notified(self) -> Notification:
        assert self.notification is not None
        return self.notification

    # The endings

    def block_the_user(self) -> None:
        assert self.nod.admin("PATCH", f"users/{self.user_id}", {"blocked": True}).is_success

    def delete_the_user(self) -> None:
        assert self.nod.admin("DELETE", f"users/{self.user_id}").is_success

    def replace_the_user(self) -> None:
        """The user id is given to somebody else, with a phone of their own."""
        approved_at = int(time.time())
        self.delete_the_user()
        if self.tokens:  # a token knows its second only
            wait_for(lambda: int(time.time()) > approved_at, "the next second")
        again = self.nod.new_user(user_id=self.user_id.removeprefix("auth0|"))
        assert again == self.user_id
        self.nod.new_phone(again)

    def delete_the_client(self) -> None:
        assert self.nod.admin("DELETE", f"clients/{self.client.client_id}").is_success

    def remove_the_device(self) -> None:
        assert self.phone.account is not None
        path = f"guardian/enrollments/{self.phone.account.id}"
        assert self.nod.admin("DELETE", path).is_success


def told(answer: httpx2.Response) -> str:
    return GOES_ON if answer.is_success else f"{answer.status_code} {answer.json()['error']}"


def phoned(call: Callable[[], object]) -> str:
    try:
        call()
    except PhoneError as error:
        return f"{error.status} {error.error_code}"
    return GOES_ON


def found(consent: object) -> None:
    """What the SDKs make of a 404 is no error of theirs."""
    if consent is None:
        raise PhoneError(404, "login_transaction_not_found", "")


ENDINGS = {
    "blocked": Story.block_the_user,
    "deleted": Story.delete_the_user,
    "replaced": Story.replace_the_user,
    "client deleted": Story.delete_the_client,
    "device removed": Story.remove_the_device,
}
STEPS = {
    "start": Story.start,
    "list": Story.list,
    "fetch": Story.fetch,
    "answer": Story.answer,
    "redeem": Story.redeem,
    "userinfo": Story.userinfo,
    "introspect": Story.introspect,
    "refresh": Story.refresh,
    "revoke": Story.revoke,
}
NOT_LISTED = "nothing is pending"
BLOCKED, NO_DEVICE = "403 user_blocked", "404 device_account_not_found"
NO_TRANSACTION = "404 login_transaction_not_found"
NOT_THEIRS, NO_CLIENT = "403 invalid_dpop_assertion", "401 invalid_client"
NOT_ASKED = "401 invalid_token"
# What each step says after each ending; a person's own part is refused as well as their client's.
OUTCOMES: dict[str, dict[str, str]] = {
    "blocked": {
        "start": "403 access_denied",
        "list": GOES_ON,
        "fetch": GOES_ON,
        "answer": BLOCKED,
        "redeem": "400 access_denied",
        "userinfo": NOT_ASKED,
        "introspect": "inactive",
        "refresh": "400 invalid_grant",
        "revoke": GOES_ON,
    },
    "deleted": {
        "start": "400 unknown_user_id",
        "list": NOT_ASKED,
        "fetch": NOT_THEIRS,
        "answer": NO_DEVICE,
        "redeem": "400 access_denied",
        "userinfo": NOT_ASKED,
        "introspect": "inactive",
        "refresh": "400 invalid_grant",
        "revoke": GOES_ON,
    },
    "client deleted": {
        "start": NO_CLIENT,
        "list": NOT_LISTED,
        "fetch": NO_TRANSACTION,
        "answer": NO_TRANSACTION,
        "redeem": NO_CLIENT,
        "userinfo": NOT_ASKED,
        "introspect": NO_CLIENT,
        "refresh": NO_CLIENT,
        "revoke": NO_CLIENT,
    },
    "device removed": {
        "start": "400 invalid_request",
        "list": NOT_ASKED,
        "fetch": NOT_THEIRS,
        "answer": NO_DEVICE,
        "redeem": "400 access_denied",
        # What was granted while it was there stays granted.
        "userinfo": GOES_ON,
        "introspect": GOES_ON,
        "refresh": GOES_ON,
        "revoke": GOES_ON,
    },
}
# Somebody else may be asked, but answers for nobody before them.
OUTCOMES["replaced"] = OUTCOMES["deleted"] | {"start": GOES_ON}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("ending", ENDINGS)
def test_an_ending_before_a_step_is_refused_by_it(nod: Nod, ending: str, step: str) -> None:
    story = Story(nod)
    for name in itertools.takewhile(lambda name: name != step, STEPS):
        assert STEPS[name](story) == GOES_ON, name
    ENDINGS[ending](story)

    assert STEPS[step](story) == OUTCOMES[ending][step]
    if story.auth_req_id and not story.tokens:
        assert story.redeem() != GOES_ON


@pytest.mark.xdist_group("own_nod")
@pytest.mark.parametrize("ending", ENDINGS)
def test_who_left_before_the_push_is_not_rung(own_nod: Nod, ending: str) -> None:
    """A worker that comes later finds the person gone; one more request shows that it has come."""
    [worker] = own_nod.workers
    story, later = Story(own_nod), TokenClient(own_nod)
    account = story.phone.account
    worker.end()
    assert story.start() == GOES_ON
    ENDINGS[ending](story)
    later.asked()
    worker.start()
    assert own_nod.notified(later.phone)

    story.phone.account = account
    assert own_nod.pushes(story.phone, wait=0) == []
    assert story.redeem() != GOES_ON


# That nothing is missed

PATHS = {
    "/bc-authorize": {"start"},
    "/rich-consents": {"list"},
    "/rich-consents/{consent_id}": {"fetch"},
    "/appliance-mfa/api/resolve-transaction": {"answer"},
    "/oauth/token": {"redeem", "refresh"},
    "/token": {"redeem", "refresh"},
    "/userinfo": {"userinfo"},
    "/oauth/introspect": {"introspect"},
    "/oauth/revoke": {"revoke"},
}
# About no request: devices of a person, clients, what anybody may read. A receipt is evidence of
# what was, whoever has left since; streams and mailboxes end with the person in their own tests.
OTHER_PATHS = {
    "/oauth/receipt",
    "/rich-consents/events",
    "/appliance-mfa/api/mailbox",
    "/oidc/register",
    "/oidc/register/{client_id}",
    "/openapi.json",
    "/docs",
    "/appliance-mfa/api/enroll",
    "/appliance-mfa/api/device-accounts/{device_id}",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/.well-known/jwks.json",
    "/authorize",
    "/authenticator",
    "/authenticator/config.json",
    "/authenticator/{file}",
    "/mfa/enrollment",
    "/mfa/enrollment/status",
    "/healthz",
    "/readyz",
    "/metrics",
}


def test_every_ending_and_step_has_its_outcome() -> None:
    assert OUTCOMES.keys() == ENDINGS.keys()
    assert all(outcomes.keys() == STEPS.keys() for outcomes in OUTCOMES.values())


def test_every_path_is_a_step_or_about_no_request() -> None:
    tree = ast.parse(Path(ROOT / "api" / "app.py").read_text())
    routed = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "route"
        and isinstance(node.args[0], ast.Constant)
    }

    assert routed == PATHS.keys() | OTHER_PATHS
    assert set().union(*PATHS.values()) == set(STEPS)


def test_every_grant_is_a_step_or_about_no_person(nod: Nod) -> None:
    offered = nod.http.get(".well-known/openid-configuration").json()["grant_types_supported"]

    assert set(offered) == {CIBA_GRANT, REFRESH_TOKEN_GRANT, CLIENT_CREDENTIALS_GRANT}
