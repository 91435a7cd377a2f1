"""A whole Nod as its own processes over loopback, and the people and clients of a test."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from scripts.doubles.apns import KEY_ID, TEAM_ID, TOPIC
from scripts.embedded_redis import free_port
from scripts.guardian_messages import (
    Notification,
    notification_from_apns,
    notification_from_fcm,
)
from scripts.simulated_phone import SimulatedPhone, Style

CIBA = "urn:openid:params:grant-type:ciba"
ROOT = Path(__file__).parents[2]
BOOTSTRAP = ("bootstrap-client", "bootstrap-secret-of-the-tests")
DELAY_MAX_SECONDS = 20.0


class OAuthClient(NamedTuple):
    client_id: str
    client_secret: str

    @property
    def basic(self) -> httpx2.BasicAuth:
        return httpx2.BasicAuth(self.client_id, self.client_secret)

    @property
    def post(self) -> dict[str, str]:
        return {"client_id": self.client_id, "client_secret": self.client_secret}


class Process:
    """`python -m <module>` that can be killed and started again."""

    def __init__(self, module: str, environ: dict[str, str], log: Path, *arguments: str) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._environ = environ
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environ, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Not even a SIGTERM: kill -9, if it runs."""
        if self._process is not None:
            self.end(signal.SIGKILL)

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout=DELAY_MAX_SECONDS)


class Nod:
    """An API and workers over a Redis; pushes go to a loopback FCM."""

    def __init__(
        self,
        redis_url: str,
        directory: Path,
        *,
        workers: int = 1,
        apns: bool = False,
        **settings: str,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.fcm_url = f"http://127.0.0.1:{free_port()}"
        self.directory = directory
        environ = {name: value for name, value in os.environ.items() if not name.startswith("NOD_")}
        self.environ = environ | {
            "NOD_PORT": str(self.port),
            "NOD_REDIS_URL": redis_url,
            "NOD_DATA_DIR": str(directory / "data"),
            "NOD_SECRET_KEY": "a secret key for nothing but these tests",
            "NOD_BOOTSTRAP_CLIENT_ID": BOOTSTRAP[0],
            "NOD_BOOTSTRAP_CLIENT_SECRET": BOOTSTRAP[1],
            "NOD_FCM_BASE_URL": self.fcm_url,
            "NOD_FCM_CREDENTIALS_FILE": str(directory / "fcm.json"),
            **{f"NOD_{name.upper()}": value for name, value in settings.items()},
        }
        self.fcm = Process(
            "scripts.doubles.fcm",
            environ,
            directory / "fcm.log",
            "--directory",
            str(directory),
            "--port",
            self.fcm_url.rpartition(":")[2],
        )
        self.doubles = [self.fcm]
        self.apns_url = ""
        if apns:
            self._add_apns(environ)
        self.api = Process("api", self.environ, directory / "api.log")
        self.workers = [
            Process("workers", self.environ, directory / f"worker{number}.log")
            for number in range(workers)
        ]
        self.http = httpx2.Client(base_url=self.url, timeout=15)
        self._token = ""

    def _add_apns(self, environ: dict[str, str]) -> None:
        """The other provider: TLS and HTTP/2, with a plain port to read what has arrived."""
        directory, port, inbox_port = self.directory / "apns", free_port(), free_port()
        self.apns_url = f"http://127.0.0.1:{inbox_port}"
        self.doubles.append(
            Process(
                "scripts.doubles.apns",
                environ,
                self.directory / "apns.log",
                "--directory",
                str(directory),
                "--port",
                str(port),
                "--inbox-port",
                str(inbox_port),
            )
        )
        self.environ |= {
            "NOD_APNS_KEY_FILE": str(directory / "apns.p8"),
            "NOD_APNS_KEY_ID": KEY_ID,
            "NOD_APNS_TEAM_ID": TEAM_ID,
            "NOD_APNS_TOPIC": TOPIC,
            "NOD_APNS_BASE_URL": f"https://localhost:{port}",
            "NOD_APNS_CA_FILE": str(directory / "ca.pem"),
        }

    def start(self) -> "Nod":
        for double in self.doubles:
            double.start()
        for url in filter(None, (self.fcm_url, self.apns_url)):
            wait_for(lambda url=url: answers(f"{url}/count"), "a push provider")
        for process in [self.api, *self.workers]:
            process.start()
        self.wait_until_ready()
        return self

    def wait_until_ready(self) -> None:
        wait_for(lambda: answers(self.url + "readyz"), "readiness")

    def stop(self) -> None:
        self.http.close()
        for process in [self.api, *self.workers, *self.doubles]:
            process.kill()

    def logs(self) -> str:
        return "".join(path.read_text() for path in self.directory.glob("*.log"))

    # Administration, over HTTP as anybody would

    def admin(self, method: str, path: str, body: object = None) -> httpx2.Response:
        if not self._token:
            self._token = self.client_token(OAuthClient(*BOOTSTRAP))["access_token"]
        return self.http.request(
            method,
            f"api/v2/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self._token}"},
        )

    def client_token(self, client: OAuthClient) -> dict[str, Any]:
        answer = self.http.post(
            "oauth/token",
            data={
                "grant_type": "client_credentials",
                "audience": f"{self.url}api/v2/",
                **client.post,
            },
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def new_client(self, **metadata: object) -> OAuthClient:
        body = {"name": "Example bank", "grant_types": [CIBA], **metadata}
        answer = self.admin("POST", "clients", body)
        assert answer.status_code == 201, answer.text
        return OAuthClient(answer.json()["client_id"], answer.json()["client_secret"])

    def new_user(self, **profile: object) -> str:
        body = {"email": f"{uuid.uuid4().hex}@example.com", "connection": "users", **profile}
        answer = self.admin("POST", "users", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["user_id"])

    def new_ticket(self, user_id: str) -> str:
        answer = self.admin("POST", "guardian/enrollments/ticket", {"user_id": user_id})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["ticket_id"])

    def new_phone(
        self, user_id: str, *, style: Style = "ec", push_token: str | None = None
    ) -> SimulatedPhone:
        phone = SimulatedPhone(self.http, self.url, style=style)
        if style == "ios":
            push_token = push_token or uuid.uuid4().hex * 2
        phone.enroll(self.new_ticket(user_id), push_token=push_token)
        return phone

    # What a client does

    def login_hint(self, user_id: str) -> str:
        return json.dumps({"format": "iss_sub", "iss": self.url, "sub": user_id})

    def start_request(
        self, client: OAuthClient, user_id: str, **parameters: str
    ) -> httpx2.Response:
        form = {
            "scope": "openid",
            "binding_message": "Pay 10",
            "login_hint": self.login_hint(user_id),
            **parameters,
        }
        return self.http.post("bc-authorize", data=form, auth=client.basic)

    def accepted(self, client: OAuthClient, user_id: str, **parameters: str) -> str:
        answer = self.start_request(client, user_id, **parameters)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["auth_req_id"])

    def poll(self, client: OAuthClient, auth_req_id: str) -> httpx2.Response:
        return self.http.post(
            "oauth/token", data={"grant_type": CIBA, "auth_req_id": auth_req_id}, auth=client.basic
        )

    def error_after_waiting(self, client: OAuthClient, auth_req_id: str) -> str:
        """How a request ends that nobody answers."""
        waiting = {"authorization_pending", "slow_down"}
        deadline = time.monotonic() + DELAY_MAX_SECONDS
        while (error := str(self.poll(client, auth_req_id).json()["error"])) in waiting:
            assert time.monotonic() < deadline, "the request did not end"
            time.sleep(0.05)
        return error

    def pushes(self, phone: SimulatedPhone, *, after: int = 0, wait: float = 10) -> list[Any]:
        """What a provider has handed to the app of a phone; waits for the next."""
        seen, deadline = 0, time.monotonic() + wait
        doorbells: list[Any] = []
        while new := self._messages(phone, seen, max(0.0, deadline - time.monotonic())):
            seen += len(new)
            doorbells += [it for it in new if "data" in it or "mfa" in it.get("payload", {})]
            if len(doorbells) > after:
                break
        return doorbells[after:]

    def notices(self, phone: SimulatedPhone) -> list[Any]:
        """And the words it was handed for the system to show."""
        messages = self._messages(phone, 0, 0)
        return [it["notification"] for it in messages if "notification" in it]

    def _messages(self, phone: SimulatedPhone, seen: int, wait: float) -> list[Any]:
        assert phone.account is not None
        provider = self.apns_url if phone.style == "ios" else self.fcm_url
        answer = httpx2.get(
            f"{provider}/messages/{phone.account.push_token}",
            params={"after": seen, "wait": wait},
            timeout=wait + 10,
        )
        return list(answer.json()["messages"])

    def notified(self, phone: SimulatedPhone, *, after: int = 0) -> Notification:
        """The next notification as the phone's SDK reads it."""
        message = self.pushes(phone, after=after)[0]
        notification = (
            notification_from_apns(message["payload"])
            if phone.style == "ios"
            else notification_from_fcm(message["data"])
        )
        assert notification is not None, "the SDK would ignore this push"
        return notification


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=2).status_code == 200
    except httpx2.TransportError:
        return False


def wait_for(condition: Any, what: str, seconds: float = DELAY_MAX_SECONDS) -> None:  # noqa: ANN401
    """For what another process does, and tells nobody."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.02)
