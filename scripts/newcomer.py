"""
A newcomer with nothing but a browser: the person "you", and the link that makes this browser
their authenticator, as long as they have none.
"""

import shlex
from collections.abc import Mapping

import httpx2

from consent.management.enrollments import authenticator_uri
from consent.settings import Settings, load

EMAIL = "you@example.com"
_USER_ID = "auth0|you"
_IN_PATH = "auth0%7Cyou"


def invitation(settings: Settings, http: httpx2.Client, headers: Mapping[str, str]) -> str:
    """
    What to do next. `headers` open the management API. Raises httpx2.HTTPError.

    A ticket is good for minutes, so that each start makes a new one.
    """
    base = f"{settings.issuer}api/v2/"

    def call(method: str, path: str, body: object = None) -> httpx2.Response:
        return http.request(method, base + path, json=body, headers=dict(headers))

    body = {"user_id": "you", "email": EMAIL, "name": "You", "connection": "users"}
    made = call("POST", "users", body)
    if made.status_code != httpx2.codes.CONFLICT:  # they are there from the last time
        made.raise_for_status()
    enrolled = call("GET", f"users/{_IN_PATH}/enrollments").raise_for_status().json()
    ask = command(settings, f'admin ask {EMAIL} "Pay 10 to Example Shop" --number')
    page = f"{settings.issuer}authenticator"
    if enrolled:
        return (
            f"In the browser that you enrolled: open {page} and ask yourself something:\n  {ask}\n"
        )
    ticket = call("POST", "guardian/enrollments/ticket", {"user_id": _USER_ID}).raise_for_status()
    link = authenticator_uri(ticket.json()["ticket_id"], settings)
    minutes = settings.enrollment_ticket_lifetime_seconds / 60
    again = command(settings, f"admin tickets create {EMAIL}")
    return (
        f"In a browser of this machine, no app needed: open this within {minutes:g} minutes\n"
        f"  {link}\n"
        f"(later, or for another browser: {again}) and ask yourself something:\n"
        f"  {ask}\n"
    )


def command(settings: Settings, text: str) -> str:
    """A line to paste that reaches this installation, which need not be the usual one."""
    usual = load({})
    given = {
        "NOD_DATA_DIR": (str(settings.data_dir), str(usual.data_dir)),
        "NOD_ISSUER": (settings.issuer, usual.issuer),
    }
    prefix = "".join(
        f"{name}={shlex.quote(value)} " for name, (value, known) in given.items() if value != known
    )
    return f"{prefix}./scripts/{text}"
