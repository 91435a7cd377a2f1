"""
Simulated phones kept between commands: the file of each under `NOD_DATA_DIR/phones`, and what
wakes them.
"""

import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import msgspec

from consent.settings import is_loopback
from scripts import data_directory
from scripts.simulated_phone import Account, SimulatedPhone

LISTING_SECONDS = 2.0  # between two looks at what is pending where no push can come


def http_client(base_url: str) -> httpx2.Client:
    """A client for the installation; a proxy of the environment is not for loopback."""
    return httpx2.Client(timeout=60, trust_env=not is_loopback(urlsplit(base_url).hostname or ""))


def load(data_dir: Path, name: str) -> Account | None:
    kept = data_directory.read_json(_file(data_dir, name))
    return None if kept is None else msgspec.convert(kept, Account)


def save(data_dir: Path, name: str, phone: SimulatedPhone) -> None:
    """Keep the phone's enrolment, or forget the phone if it has none any more."""
    path = _file(data_dir, name)
    if phone.account is None:
        path.unlink(missing_ok=True)
        return
    data_directory.make(path.parent)
    data_directory.write_json(path, msgspec.to_builtins(phone.account))


def _file(data_dir: Path, name: str) -> Path:
    return data_dir / "phones" / f"{name}.json"


class Pushes:
    """What the FCM double of `scripts/run` took for one phone, where there is a double."""

    def __init__(self, data_dir: Path, push_token: str) -> None:
        double = data_directory.read_json(data_dir / "double.json")
        self._http = httpx2.Client(trust_env=False)
        self._url = double and f"{double['url']}/messages/{push_token}"
        self._seen = 0

    def wait(self, seconds: float) -> list[dict[str, str]]:
        """
        The data of new messages, at once when there are some; empty when none came. Words alone
        are for the system to show, and have none.
        """
        if self._url is None:
            time.sleep(min(seconds, LISTING_SECONDS))
            return []
        query = {"after": str(self._seen), "wait": str(seconds)}
        try:
            answer = self._http.get(self._url, params=query, timeout=seconds + 5)
        except httpx2.TransportError:  # the run that had the double is over
            self._url = None
            return []
        messages = answer.raise_for_status().json()["messages"]
        self._seen += len(messages)
        return [message["data"] for message in messages if "data" in message]
