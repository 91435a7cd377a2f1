"""Consents: who was asked what, and what became of it."""

from typing import Annotated

import typer

from consent.lifecycle import State
from scripts.administration.arguments import ANY_ID, Yes, confirm
from scripts.administration.listing import TAKE_DEFAULT, After, Every, Listed, Page, Take, show_list
from scripts.administration.operator import asked, at, called
from scripts.administration.output import Json, Record, as_json, details
from scripts.administration.users import named

app = typer.Typer(
    help="What people were asked, and what became of it.",
    no_args_is_help=True,
)

_STATES = ", ".join([*State, "expired"])

ConsentId = Annotated[
    str, typer.Argument(metavar="CONSENT_ID", help="as `consents list` and the logs show it")
]


def _row(consent: Record) -> Record:
    return {
        "id": consent["id"],
        "state": consent["state"],
        "created_at": consent.get("created_at"),
        "client_id": consent["client_id"],
        "user_id": consent["user_id"],
        "binding_message": consent["binding_message"],
    }


@app.command("list")
def list_consents(
    *,
    user: Annotated[str, typer.Option(help="those of one user: an id or an e-mail address")] = "",
    client_id: Annotated[str, typer.Option(help="those of one application")] = "",
    state: Annotated[
        str,
        typer.Option(help="pending, approved, denied, redeemed, cancelled, unreachable, expired"),
    ] = "",
    take: Take = TAKE_DEFAULT,
    after: After = "",
    every: Every = False,
    json: Json = False,
) -> None:
    """
    The requests that are kept.

    \b
      scripts/admin consents list --user ann@example.com
      scripts/admin consents list --client-id CLIENT_ID --state pending
    """
    user_id = asked(lambda operator: named(operator, user))["user_id"] if user else ""
    listed = Listed("/consents", "consents", _row, text="binding_message")
    show_list(
        listed,
        Page(take, after, every),
        json=json,
        user_id=user_id,
        client_id=client_id,
        state=state,
    )


@app.command(context_settings=ANY_ID)
def show(consent_id: ConsentId, *, json: Json = False) -> None:
    """One request with its times, and every attempt to reach a phone or the application."""
    consent = called("GET", at("consents", consent_id))
    print(as_json(consent) if json else details(consent))


@app.command(context_settings=ANY_ID)
def cancel(consent_id: ConsentId, *, yes: Yes = False) -> None:
    """End a request that nobody has answered. The application is told that it was refused."""
    path = at("consents", consent_id)
    consent = called("GET", path)
    confirm(f"End what {consent['client_id']} asks of {consent['user_id']}?", yes=yes)
    called("POST", f"{path}/cancel")
    print(f"{consent_id} is cancelled")
