"""Ask a person something, as any client does over HTTP, and wait for what comes of it."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import httpx2
import jwt
import typer

from consent.client import CIBA_GRANT
from consent.number_matching import ACR as NUMBER_MATCHING_ACR
from scripts import data_directory
from scripts.administration.installation import AdministrationError
from scripts.administration.operator import Operator, Refused, at, opened
from scripts.administration.output import cell
from scripts.administration.users import User, named
from scripts.kept_phone import http_client

CLIENT_NAME = "Nod command line"
HELD_SECONDS = 20  # a poll is held by the server for as long (Prefer: wait)
_WAITING = {"authorization_pending", "slow_down", "temporarily_unavailable"}
_ENDS = {
    "access_denied": "denied, or nobody could be reached",
    "expired_token": "nobody answered in time",
}
_HELP = {
    "invalid_request": "`scripts/admin tickets create` makes a link to add an authenticator with",
    "access_denied": "`scripts/admin users show` and `users refused` say why",
}


class Asked(NamedTuple):
    base_url: str
    user_id: str
    credentials: dict[str, str]


def ask(
    user: User,
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="what they read")],
    *,
    number: Annotated[
        bool, typer.Option("--number", help="they must type the number that is printed here")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="wait for the answer, and print it")
    ] = True,
) -> None:
    """
    Ask a person, and print what they answer. To try Nod with; yours is a client of its own.

    \b
      scripts/admin ask ann@example.com "Pay 10 to Example Shop"
      scripts/admin ask ann@example.com "Pay 10 to Example Shop" --number

    The client that asks is "Nod command line". It is made when it is missing; its secret is kept
    in NOD_DATA_DIR. It asks over HTTP: the API must be up.
    """
    asked = asyncio.run(_prepared(user))
    try:
        with http_client(asked.base_url) as http:
            _play(http, asked, message, number=number, wait=wait)
    except httpx2.TransportError as error:
        raise AdministrationError(
            f"the API does not answer at {asked.base_url}: is it up? ({type(error).__name__})"
        ) from None


async def _prepared(user: str) -> Asked:
    async with opened(os.environ) as operator:
        settings = operator.services.settings
        user_id = str((await named(operator, user))["user_id"])
        path = settings.data_dir / "command_line.json"
        return Asked(settings.issuer, user_id, await _client(operator, path))


async def _client(operator: Operator, path: Path) -> dict[str, str]:
    """The kept client while it exists: the store may be another one by now."""
    kept: dict[str, str] | None = data_directory.read_json(path)
    if kept is not None:
        try:
            await operator.call("GET", at("clients", kept["client_id"]))
        except Refused as refused:
            if refused.status != httpx2.codes.NOT_FOUND:
                raise
        else:
            return kept
    body = {
        "name": CLIENT_NAME,
        "grant_types": [CIBA_GRANT],
        "token_endpoint_auth_method": "client_secret_post",
    }
    made = await operator.call("POST", "/clients", body)
    kept = {name: made[name] for name in ("client_id", "client_secret")}
    data_directory.make(path.parent)
    data_directory.write_json(path, kept)
    return kept


def _play(http: httpx2.Client, asked: Asked, message: str, *, number: bool, wait: bool) -> None:
    hint = {"format": "iss_sub", "iss": asked.base_url, "sub": asked.user_id}
    form = {"login_hint": json.dumps(hint), "binding_message": message, "scope": "openid"}
    if number:
        form["acr_values"] = NUMBER_MATCHING_ACR
    answer = http.post(f"{asked.base_url}bc-authorize", data=asked.credentials | form)
    started = _object(answer)
    if not answer.is_success:
        raise AdministrationError(_why_not(started, answer.headers.get("retry-after")))
    print(f"{asked.user_id} is asked, for {started['expires_in']} seconds", flush=True)
    if "matching_number" in started:
        print(f"the number to type: {cell(started['matching_number'])}", flush=True)
    if wait:
        print("waiting for the answer ...", flush=True)
        _show(http, asked, _outcome(http, asked, started["auth_req_id"]))


def _outcome(http: httpx2.Client, asked: Asked, auth_req_id: str) -> dict[str, Any]:
    """What the token endpoint says in the end; while nobody answered, the next poll is held."""
    form = {"grant_type": CIBA_GRANT, "auth_req_id": auth_req_id}
    while True:
        answer = http.post(
            f"{asked.base_url}oauth/token",
            data=asked.credentials | form,
            headers={"Prefer": f"wait={HELD_SECONDS}"},
            timeout=HELD_SECONDS + 10,
        )
        told = _object(answer)
        if told.get("error") not in _WAITING:
            return told
        # One that was held may be followed at once; another answer says when to come back.
        if wait_seconds := answer.headers.get("retry-after"):
            time.sleep(int(wait_seconds))


def _show(http: httpx2.Client, asked: Asked, told: dict[str, Any]) -> None:
    """The outcome for people; what is no approval is exit code 1."""
    if "id_token" not in told:
        error = str(told.get("error"))
        print(_ENDS.get(error) or _why_not(told, None))
        raise typer.Exit(1)
    print("approved. The claims of the ID token, its signature verified:")
    print(json.dumps(_verified(http, asked, told["id_token"]), indent=1))


def _verified(http: httpx2.Client, asked: Asked, id_token: str) -> dict[str, Any]:
    keys = jwt.PyJWKSet.from_dict(_object(http.get(f"{asked.base_url}.well-known/jwks.json")))
    key = keys[jwt.get_unverified_header(id_token)["kid"]]
    audience = asked.credentials["client_id"]
    claims: dict[str, Any] = jwt.decode(
        id_token, key, [key.algorithm_name], audience=audience, issuer=asked.base_url
    )
    return claims


def _why_not(told: dict[str, Any], wait_seconds: str | None) -> str:
    """In the server's words, and what to do about it."""
    said = cell(told.get("error_description") or told.get("error"))
    if wait_seconds is not None:
        return f"{said}: come back in {wait_seconds} s"
    help_with = _HELP.get(str(told.get("error")))
    return f"{said}: {help_with}" if help_with else said


def _object(answer: httpx2.Response) -> dict[str, Any]:
    """Raises AdministrationError for what is no API of ours."""
    try:
        told = answer.json()
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise AdministrationError(f"{answer.request.url.host} answers {answer.status_code}")
    return told
