"""
One request from end to end, over HTTP and nothing else: a management client sets the stage, a
client asks, a simulated phone is rung and approves, the client redeems. Then it says how a
newcomer goes on in a browser.

    python -m scripts.demonstration

The stage (a user, a client, a phone) is kept in `NOD_DATA_DIR` and reused while it exists, so
that a newcomer can go on by hand with what is printed at the end.
"""

import dataclasses
import json
import os
import secrets
import shlex
import sys
import time
from collections.abc import Mapping
from typing import Any

import httpx2
import jwt
import msgspec

from consent.settings import Settings, load
from scripts import data_directory, kept_phone, newcomer
from scripts.guardian_messages import Notification, notification_from_fcm
from scripts.simulated_phone import CAPABILITIES, PhoneError, SimulatedPhone

CIBA = "urn:openid:params:grant-type:ciba"
PHONE = "demo"
RING_SECONDS = 20.0


class StepError(Exception):
    """A step did not go as it must; the text says which and what was answered."""


@dataclasses.dataclass(frozen=True)
class Stage:
    user_id: str
    client_id: str
    client_secret: str


class Demonstration:
    def __init__(self, settings: Settings, http: httpx2.Client) -> None:
        self._settings = settings
        self._base = settings.issuer
        self._http = http
        self._started = time.monotonic()

    def play(self) -> None:
        self._tell(f"One request from end to end, against {self._base}")
        stage, phone = self._stage()
        self._tell(f"the client asks    POST /bc-authorize for {stage.user_id}")
        asked = self._ask(stage)
        seconds, interval = asked["expires_in"], asked.get("interval", 5)
        self._tell(f"   -> an auth_req_id, good for {seconds} s, to be polled every {interval} s")
        status, answer = self._poll(stage, asked["auth_req_id"])
        if answer.get("error") != "authorization_pending":
            raise StepError(f"the first poll was answered {status} {answer}")
        self._tell(f"the client polls   POST /oauth/token -> {status} {answer['error']}")
        polled = time.monotonic()
        self._answer_on(phone)
        tokens = self._await_tokens(stage, asked["auth_req_id"], interval, polled)
        claims = self._verified(tokens["id_token"], stage.client_id)
        self._tell(f"   -> {', '.join(sorted(tokens))}; the ID token, its signature verified:")
        print(json.dumps(claims, indent=4))
        self._tell("done")
        print(by_hand(self._settings, stage), flush=True)
        print(self._in_a_browser(), flush=True)

    def _stage(self) -> tuple[Stage, SimulatedPhone]:
        headers = self._management_headers()
        path = self._settings.data_dir / "demo.json"
        kept = data_directory.read_json(path)
        stage = Stage(**kept) if kept else None
        if stage is None or not self._stands(stage, headers):
            stage = self._built(headers)
            data_directory.write_json(path, dataclasses.asdict(stage))
            self._tell(f"a user and a client are made: {stage.user_id}, {stage.client_id}")
        return stage, self._phone(stage, headers)

    def _in_a_browser(self) -> str:
        return newcomer.invitation(self._settings, self._http, self._management_headers())

    def _management_headers(self) -> dict[str, str]:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._settings.bootstrap_client_id,
            "client_secret": self._settings.bootstrap_client_secret,
            "audience": f"{self._base}api/v2/",
        }
        token = self._call("POST", "oauth/token", data=form)["access_token"]
        return {"Authorization": f"Bearer {token}"}

    def _stands(self, stage: Stage, headers: Mapping[str, str]) -> bool:
        """Whether the kept user and client still exist: the store may be another one by now."""
        paths = (f"api/v2/users/{quoted(stage.user_id)}", f"api/v2/clients/{stage.client_id}")
        answers = [self._http.get(self._base + path, headers=dict(headers)) for path in paths]
        return all(answer.status_code == httpx2.codes.OK for answer in answers)

    def _built(self, headers: Mapping[str, str]) -> Stage:
        user = self._call(
            "POST",
            "api/v2/users",
            headers=headers,
            json={
                "email": f"demo-{secrets.token_hex(4)}@example.com",
                "name": "Demo",
                "connection": "users",
                "password": secrets.token_urlsafe(24),
            },
        )
        client = self._call(
            "POST",
            "api/v2/clients",
            headers=headers,
            json={
                "name": "Demonstration",
                "grant_types": [CIBA],
                "token_endpoint_auth_method": "client_secret_post",
            },
        )
        return Stage(user["user_id"], client["client_id"], client["client_secret"])

    def _phone(self, stage: Stage, headers: Mapping[str, str]) -> SimulatedPhone:
        """The kept phone if the server still knows it as this user's, else a newly enrolled one."""
        account = kept_phone.load(self._settings.data_dir, PHONE)
        if account and account.user_id == stage.user_id:
            account = msgspec.structs.replace(account, base_url=self._base)  # NOD_PORT may differ
            phone = SimulatedPhone(self._http, self._base, account=account)
            try:
                phone.pending()
            except PhoneError:
                self._tell("the phone of the last time is unknown by now")
            else:
                kept_phone.save(self._settings.data_dir, PHONE, phone)
                return phone
        ticket = self._call(
            "POST",
            "api/v2/guardian/enrollments/ticket",
            headers=headers,
            json={"user_id": stage.user_id},
        )
        phone = SimulatedPhone(self._http, self._base)
        phone.enroll(ticket["ticket_id"], name="Simulated phone", capabilities=CAPABILITIES)
        kept_phone.save(self._settings.data_dir, PHONE, phone)
        self._tell("a phone enrols with a ticket; its private key (P-256) never leaves it")
        return phone

    def _ask(self, stage: Stage) -> Any:  # noqa: ANN401
        form = request_form(self._base, stage, "Demo 4711: approve me")
        return self._call("POST", "bc-authorize", data=form)

    def _poll(self, stage: Stage, auth_req_id: str) -> tuple[int, dict[str, Any]]:
        form = {
            "grant_type": CIBA,
            "auth_req_id": auth_req_id,
            "client_id": stage.client_id,
            "client_secret": stage.client_secret,
        }
        answer = self._http.post(f"{self._base}oauth/token", data=form)
        return answer.status_code, answer.json()

    def _answer_on(self, phone: SimulatedPhone) -> None:
        notification = self._rung(phone)
        self._tell("the phone is rung  by a push that says nothing of what is asked")
        consent = phone.fetch(notification.txlnkid, notification.txtkn)
        if consent is None:
            raise StepError("the phone found no consent to show")
        details = consent.requested_details
        self._tell(f"the phone fetches  {details.binding_message!r}, scope {details.scope}")
        phone.resolve(notification, accept=True, consent=consent)
        self._tell("the phone approves with a signature over the challenge and what it has shown")

    def _rung(self, phone: SimulatedPhone) -> Notification:
        """The push of this request; earlier ones may lie in the double beside it."""
        assert phone.account is not None  # noqa: S101 - the stage holds an enrolled phone
        pushes = kept_phone.Pushes(self._settings.data_dir, phone.account.push_token)
        deadline = time.monotonic() + RING_SECONDS
        while (remaining := deadline - time.monotonic()) > 0:
            open_ids = {notification.txlnkid for notification in phone.pending()}
            for data in pushes.wait(remaining):
                notification = notification_from_fcm(data)
                if notification is not None and notification.txlnkid in open_ids:
                    return notification
        raise StepError(f"no push reached the phone within {RING_SECONDS:g} s")

    def _await_tokens(
        self, stage: Stage, auth_req_id: str, interval_seconds: float, polled: float
    ) -> dict[str, Any]:
        """Poll as CIBA 7.3 and 11 want it: never before the interval, slower when told so."""
        while True:
            time.sleep(max(0.0, polled + interval_seconds - time.monotonic()))
            polled = time.monotonic()
            status, answer = self._poll(stage, auth_req_id)
            error = answer.get("error")
            self._tell(f"the client polls   POST /oauth/token -> {status} {error or 'OK'}")
            if error == "slow_down":
                interval_seconds += 5
            elif error is not None and error != "authorization_pending":
                raise StepError(f"the token endpoint answered {status} {answer}")
            elif error is None:
                return answer

    def _verified(self, id_token: str, client_id: str) -> dict[str, Any]:
        keys = jwt.PyJWKSet.from_dict(self._call("GET", ".well-known/jwks.json"))
        key = keys[jwt.get_unverified_header(id_token)["kid"]]
        claims: dict[str, Any] = jwt.decode(
            id_token, key, [key.algorithm_name], audience=client_id, issuer=self._base
        )
        return claims

    def _call(self, method: str, path: str, **request: Any) -> Any:  # noqa: ANN401
        answer = self._http.request(method, self._base + path, **request)
        if not answer.is_success:
            raise StepError(f"{method} /{path} was answered {answer.status_code}: {answer.text}")
        return answer.json()

    def _tell(self, text: str) -> None:
        print(f"[{time.monotonic() - self._started:6.2f} s] {text}", flush=True)


def request_form(base_url: str, stage: Stage, binding_message: str) -> dict[str, str]:
    hint = {"format": "iss_sub", "iss": base_url, "sub": stage.user_id}
    return {
        "client_id": stage.client_id,
        "client_secret": stage.client_secret,
        "login_hint": json.dumps(hint),
        "binding_message": binding_message,
        "scope": "openid",
    }


def by_hand(settings: Settings, stage: Stage) -> str:
    """The same in lines to paste, with the credentials of the demonstration."""
    ask = request_form(settings.issuer, stage, "Mine 1: hello")
    redeem = {"grant_type": CIBA, "auth_req_id": "AUTH_REQ_ID"} | {
        name: ask[name] for name in ("client_id", "client_secret")
    }
    return f"""
Go on by hand. Ask:
  {curl(f"{settings.issuer}bc-authorize", ask)}
answer on the phone, in another terminal:
  {newcomer.command(settings, "phone")}
and redeem with the auth_req_id you were given:
  {curl(f"{settings.issuer}oauth/token", redeem)}
"""


def curl(url: str, form: Mapping[str, str]) -> str:
    fields = [f"--data-urlencode {shlex.quote(f'{name}={value}')}" for name, value in form.items()]
    return " \\\n    ".join([f"curl -s {url}", *fields])


def quoted(user_id: str) -> str:
    return user_id.replace("|", "%7C")


def main(environ: Mapping[str, str]) -> int:
    settings = load(environ)
    with kept_phone.http_client(settings.issuer) as http:
        try:
            Demonstration(settings, http).play()
        except (StepError, PhoneError, httpx2.HTTPError, jwt.PyJWTError) as error:
            print(f"the demonstration stopped: {error}", flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
