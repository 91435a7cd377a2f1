"""Initial access tokens: who may register an application, where that is not for everybody."""

from typing import Annotated

import typer

from scripts.administration.arguments import ANY_ID, Yes, confirm
from scripts.administration.bodies import body_of
from scripts.administration.listing import TAKE_DEFAULT, After, Every, Listed, Page, Take, show_list
from scripts.administration.operator import at, called
from scripts.administration.output import Json, as_json, details

app = typer.Typer(
    help="Rights to register an application (RFC 7591). They are asked for where the setting "
    "dynamic_client_registration_access is `token`.",
    no_args_is_help=True,
)


@app.command()
def create(
    *,
    expires_in_seconds: Annotated[
        int | None, typer.Option(min=1, help="how long it is good; a day", show_default=False)
    ] = None,
    uses: Annotated[
        int | None,
        typer.Option(min=1, help="how many applications it registers; one", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """
    A new token, shown this once.

    \b
      scripts/admin initial-access-tokens create --uses 1 --expires-in-seconds 86400

    Give it to who builds the application; it goes into the Authorization header of the
    registration, as a Bearer token.
    """
    body = body_of(None, expires_in_seconds=expires_in_seconds, uses=uses)
    token = called("POST", "/initial-access-tokens", body)
    print(as_json(token) if json else details(token))


@app.command("list")
def list_tokens(
    *, take: Take = TAKE_DEFAULT, after: After = "", every: Every = False, json: Json = False
) -> None:
    """Every token. Not the token itself: only a digest of it is kept."""
    listed = Listed("/initial-access-tokens", "initial_access_tokens", dict, text="")
    show_list(listed, Page(take, after, every), json=json)


@app.command(context_settings=ANY_ID)
def delete(
    token_id: Annotated[
        str, typer.Argument(metavar="TOKEN_ID", help="as `initial-access-tokens list` shows it")
    ],
    *,
    yes: Yes = False,
) -> None:
    """Withdraw a token. What was registered with it stays."""
    confirm(f"Withdraw {token_id}?", yes=yes)
    called("DELETE", at("initial-access-tokens", token_id))
    print(f"{token_id} is removed")
