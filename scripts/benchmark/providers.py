"""The doubles of the push providers, as processes, and how many pushes they have accepted."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx2

from consent.push import AddressKind
from scripts import embedded_redis
from scripts.benchmark import machine
from scripts.doubles import apns

WAIT_SECONDS = 60.0


class Provider(NamedTuple):
    """A double that runs: where its inbox is, and the settings that lead to it."""

    name: str
    kind: AddressKind
    inbox: str
    settings: dict[str, str]

    async def wait_for(self, count: int) -> None:
        """Return when it has accepted so many. Raises TimeoutError."""
        async with asyncio.timeout(WAIT_SECONDS), httpx2.AsyncClient() as http:
            while (await http.get(f"{self.inbox}/count")).json()["count"] < count:  # noqa: ASYNC110 - another process counts
                await asyncio.sleep(0.01)


@contextlib.contextmanager
def fcm_double(directory: Path) -> Iterator[Provider]:
    directory.mkdir(parents=True)
    port = embedded_redis.free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = {"--directory": directory, "--port": port}
    settings = {
        "NOD_FCM_BASE_URL": url,
        "NOD_FCM_CREDENTIALS_FILE": str(directory / "fcm.json"),
    }
    with _running("scripts.doubles.fcm", arguments, directory / "log", port):
        yield Provider("FCM", "fcm_token", url, settings)


@contextlib.contextmanager
def apns_double(directory: Path) -> Iterator[Provider]:
    directory.mkdir(parents=True)
    port, inbox_port = embedded_redis.free_port(), embedded_redis.free_port()
    arguments = {"--directory": directory, "--port": port, "--inbox-port": inbox_port}
    settings = {
        "NOD_APNS_BASE_URL": f"https://localhost:{port}",
        "NOD_APNS_KEY_FILE": str(directory / "apns.p8"),
        "NOD_APNS_CA_FILE": str(directory / "ca.pem"),
        "NOD_APNS_KEY_ID": apns.KEY_ID,
        "NOD_APNS_TEAM_ID": apns.TEAM_ID,
        "NOD_APNS_TOPIC": apns.TOPIC,
    }
    with _running("scripts.doubles.apns", arguments, directory / "log", port):
        yield Provider("APNs", "apns", f"http://127.0.0.1:{inbox_port}", settings)


@contextlib.contextmanager
def _running(module: str, arguments: dict[str, object], log: Path, port: int) -> Iterator[None]:
    words = [str(word) for argument in arguments.items() for word in argument]
    command = machine.python(module, *words)
    with machine.running(command, os.environ, log, core=1, port=port):
        yield
